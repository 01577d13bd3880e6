/** The session: the token, stored in this tab, its claims, and the workspace that is looked at. */
import { batch, computed, signal } from "@preact/signals";

const PREFIX = "rota.";
const KEY = "rota.token";
const PERSON = "rota.person";
const PLACE = "rota.workspace";
/** When the tab took its token, in milliseconds. */
const SINCE = "rota.since";
/** With a person's id, in what all tabs have: when that person signed out last, in milliseconds. */
const LEFT = "rota.left.";

export interface Claims {
  user: string;
  workspaces: string[];
  /** The role in each of them. */
  roles: Record<string, string>;
  zone: string;
  expires: number;
}

const ELSEWHERE = "You signed out in another tab.";

let life = new AbortController();
const leaving = new Set<() => void>();

/** Aborts when another person signs in, or another workspace is opened. */
export function scope(): AbortSignal {
  return life.signal;
}

/** Calls `forget` when what the page holds belongs to another person or workspace. */
export function onLeave(forget: () => void): void {
  leaving.add(forget);
}

/** What is wrong with the link that was followed last. Empty: nothing. */
export const linkFault = signal("");
export const token = signal(taken());
/** Why the last token was removed. Empty: no token, or the person signed out. */
export const refusal = signal("");
const chosen = signal(sessionStorage.getItem(PLACE) ?? "");

export const claims = computed<Claims | undefined>(() => claimsOf(token.value));
/** Resource name. The first of the token, unless the person chose another of the token. */
export const workspace = computed(() => {
  const mine = claims.value?.workspaces ?? [];
  return `workspaces/${mine.includes(chosen.value) ? chosen.value : (mine[0] ?? "dev")}`;
});

/** The role that a service named when it refused a call: lower than that of the token. Empty: none did. */
const toldRole = signal("");
/** Whether the person is at least an editor here, as far as the token and the services say. */
export const mayAct = computed(() => (toldRole.value || claims.value?.roles[workspace.value.slice("workspaces/".length)]) !== "viewer");

export function learnRole(role: string): void {
  toldRole.value = role;
}

onLeave(() => (toldRole.value = ""));

export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

// A link with a token that is pasted into an open tab. Before the router, which would see no page in it.
addEventListener("hashchange", ({ oldURL }) => {
  if (!location.hash.startsWith("#token=")) return;
  const given = taken();
  // Who is signed in stays so, on the same screen.
  if (linkFault.value) history.replaceState(null, "", new URL(oldURL).hash || "#/chat");
  else enter(given);
});

/** Stores a token; false when it is no token. */
export function signIn(text: string): boolean {
  const given = text.trim().replace(/^Bearer\s+/i, "");
  if (!claimsOf(given)) return false;
  keep(given);
  linkFault.value = "";
  enter(given);
  return true;
}

/** Signs out the person in all tabs of the browser, also in those that sleep. */
export function signOut(): void {
  if (claims.value) localStorage.setItem(LEFT + claims.value.user, String(Date.now()));
  dropToken();
}

// It was in another tab.
addEventListener("storage", ({ key, newValue }) => {
  if (newValue && claims.value && key === LEFT + claims.value.user) dropToken(ELSEWHERE);
});
// A tab that went back to the page was told of nothing meanwhile.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted && token.value && !taken()) dropToken(ELSEWHERE);
});

/** Removes the token of this tab. */
export function dropToken(why = ""): void {
  sessionStorage.removeItem(KEY);
  leave(() => {
    refusal.value = why;
    token.value = "";
  });
}

/** Opens another workspace of the token; nothing of the one before stays. */
export function openWorkspace(id: string): void {
  if (workspace.value === `workspaces/${id}`) return;
  sessionStorage.setItem(PLACE, id);
  history.replaceState(null, "", "#/chat");
  leave(() => (chosen.value = id));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** A newer token of the same person and workspace changes nothing else. */
function enter(given: string): void {
  const before = `${claims.value?.user} ${workspace.value}`;
  const change = () => {
    refusal.value = toldRole.value = "";
    chosen.value = sessionStorage.getItem(PLACE) ?? "";
    token.value = given;
  };
  const after = claimsOf(given);
  const stays = token.value !== "" && after !== undefined && before === `${after.user} ${placeOf(after)}`;
  if (stays) batch(change);
  else leave(change);
}

function placeOf({ workspaces }: Claims): string {
  const kept = sessionStorage.getItem(PLACE) ?? "";
  return `workspaces/${workspaces.includes(kept) ? kept : (workspaces[0] ?? "dev")}`;
}

function leave(change: () => void): void {
  life.abort();
  life = new AbortController();
  batch(() => {
    change();
    for (const forget of leaving) forget();
  });
}

/** Reads the token from the address, and removes it there, or from before a reload. */
function taken(): string {
  const given = decoded(/^#token=([^&]+)/.exec(location.hash)?.[1] ?? "");
  const isToken = claimsOf(given) !== undefined;
  if (location.hash.startsWith("#token=")) {
    linkFault.value = isToken ? "" : "That link holds no token Rota can read.";
    history.replaceState(null, "", `${location.pathname}${location.search}#/chat`);
  }
  if (isToken) keep(given);
  const kept = sessionStorage.getItem(KEY) ?? "";
  const left = Number(localStorage.getItem(LEFT + claimsOf(kept)?.user) ?? 0);
  if (left <= Number(sessionStorage.getItem(SINCE) ?? 0)) return kept;
  sessionStorage.removeItem(KEY);
  return "";
}

/** What another person left in the tab (drafts, a message on its way, the workspace) is removed. */
function keep(given: string): void {
  const person = claimsOf(given)!.user;
  if (sessionStorage.getItem(PERSON) !== person) {
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith(PREFIX)) sessionStorage.removeItem(key);
    }
  }
  sessionStorage.setItem(PERSON, person);
  sessionStorage.setItem(KEY, given);
  sessionStorage.setItem(SINCE, String(Date.now()));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The claims of the token, unverified: the gateway and both services verify them. */
export function claimsOf(text: string): Claims | undefined {
  const body = text.split(".")[1];
  if (!body) return undefined;
  try {
    const padded = body.replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(padded), (each) => each.charCodeAt(0));
    const said = JSON.parse(new TextDecoder().decode(bytes));
    return {
      user: String(said.sub ?? ""),
      workspaces: Object.keys(said.workspaces ?? {}),
      roles: said.workspaces ?? {},
      zone: String(said.zoneinfo ?? ""),
      expires: Number(said.exp ?? 0),
    };
  } catch {
    return undefined;
  }
}
