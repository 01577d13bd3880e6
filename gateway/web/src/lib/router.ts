/** The current route: the part of the address after `#/`. */
import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);
addEventListener("hashchange", arrived);
// The browser tells of a followed link late: till then the old screen would take what is pressed and typed.
addEventListener("click", (event) => {
  const link = event.target instanceof Element && event.target.closest<HTMLAnchorElement>('a[href^="#/"]');
  const elsewhere = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0;
  if (!link || elsewhere || event.defaultPrevented) return;
  event.preventDefault();
  if (link.hash !== location.hash) history.pushState(null, "", link.hash);
  arrived();
});

/** The address before the present one, from `#` on. Empty at first. */
let before = "";

function arrived(): void {
  if (hash.value !== location.hash) before = hash.value;
  hash.value = location.hash;
}

export function previousAddress(): string {
  return before;
}

export const route = computed(() =>
  hash.value.replace(/^#\/?/, "").replace(/\?.*$/s, "").split("/").filter(Boolean).map(decodeURIComponent),
);

/** What the address has after `?`, such as the filters of a list. */
export const query = computed(() => Object.fromEntries(new URLSearchParams(/\?(.*)$/s.exec(hash.value)?.[1] ?? "")));

/** Changes the part after `?` of the present address; empty values are left out. */
export function replaceQuery(values: Record<string, string>): void {
  const given = new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();
  history.replaceState(null, "", location.hash.replace(/\?.*$/s, "") + (given && `?${given}`));
  hash.value = location.hash;
}

export function href(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

export function go(...parts: string[]): void {
  location.hash = href(...parts);
  arrived();
}

/** As `go`, but without an entry in the history. */
export function replace(...parts: string[]): void {
  history.replaceState(null, "", href(...parts));
  arrived();
}

/** Returns the page's address of an automation, a run or a destination. */
export function resourceHref(name: string): string | undefined {
  const place = /\/destinations\/([^/]+)/.exec(name);
  if (place) return href("destinations", place[1]!);
  const found = /\/automations\/([^/]+)(?:\/runs\/([^/]+))?/.exec(name);
  if (!found) return undefined;
  return found[2] ? href("automations", found[1]!, "runs", found[2]) : href("automations", found[1]!);
}
