/** The session: the token, stored for this tab only, and its claims. */
import { computed, signal } from "@preact/signals";

const KEY = "rota.token";

export interface Claims {
  user: string;
  workspaces: string[];
  zone: string;
  expires: number;
}

export const token = signal(taken());
/** Why the last token was removed. Empty: no token, or the person signed out. */
export const refusal = signal("");

export const claims = computed<Claims | undefined>(() => read(token.value));
export const workspace = computed(() => `workspaces/${claims.value?.workspaces[0] ?? "dev"}`);

export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** Stores a token; false when it is no token. */
export function signIn(text: string): boolean {
  const given = text.trim().replace(/^Bearer\s+/i, "");
  if (!read(given)) return false;
  sessionStorage.setItem(KEY, given);
  refusal.value = "";
  token.value = given;
  return true;
}

export function signOut(why = ""): void {
  sessionStorage.removeItem(KEY);
  refusal.value = why;
  token.value = "";
}

/** Reads the token from the address, and removes it there, or from before a reload. */
function taken(): string {
  const found = /^#token=([^&]+)/.exec(location.hash)?.[1];
  if (found) {
    history.replaceState(null, "", `${location.pathname}${location.search}#/chat`);
    sessionStorage.setItem(KEY, decodeURIComponent(found));
  }
  return sessionStorage.getItem(KEY) ?? "";
}

/** The claims of the token, unverified: the gateway and both services verify them. */
function read(text: string): Claims | undefined {
  const body = text.split(".")[1];
  if (!body) return undefined;
  try {
    const padded = body.replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(padded), (each) => each.charCodeAt(0));
    const said = JSON.parse(new TextDecoder().decode(bytes));
    return {
      user: String(said.sub ?? ""),
      workspaces: Object.keys(said.workspaces ?? {}),
      zone: String(said.zoneinfo ?? ""),
      expires: Number(said.exp ?? 0),
    };
  } catch {
    return undefined;
  }
}
