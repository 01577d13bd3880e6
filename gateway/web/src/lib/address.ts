/** Addresses that a link may lead to, and the host that a person is told. */

export interface Address {
  href: string;
  /** The host, or the address of a mail. */
  host: string;
}

/** Returns undefined for what is no whole http, https or mailto address. */
export function addressOf(text: string): Address | undefined {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return undefined;
  }
  if (url.protocol === "mailto:") return { href: url.href, host: decoded(url.pathname) };
  return /^https?:$/.test(url.protocol) && url.host ? { href: url.href, host: url.host } : undefined;
}

/** Whether a link's text begins with its host, or is its mail address. */
export function namesHost(text: string, { href, host }: Address): boolean {
  const said = text.trim().toLowerCase();
  if (href.startsWith("mailto:")) return said.replace(/^mailto:/, "") === host.toLowerCase();
  const rest = said.replace(/^https?:\/\//, "");
  return rest.startsWith(host) && /^(?:[/?#]|$)/.test(rest.slice(host.length));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
