/** The other tabs of this browser: a new one asks them for their session. */
import { signal } from "@preact/signals";
import { claimsOf, linkFault, signIn, token } from "./session.js";

/** Asks for a session, or answers the question of that id with one. */
type Word = { ask: string } | { answers: string; token: string };

/** Milliseconds until the form is shown. An answer that comes later counts until somebody has signed in. */
const WAIT = 400;

/** True while it is not known yet whether another tab has a session. */
export const isAsking = signal(false);

const tabs = new BroadcastChannel("rota.session");
tabs.addEventListener("message", ({ data }: MessageEvent<Word>) => {
  if ("ask" in data && token.value) say({ answers: data.ask, token: token.value });
});

function say(word: Word): void {
  tabs.postMessage(word);
}

/** Takes the session of another tab, unless this one has one or was opened with a link that should have given it one. */
export function askForSession(): void {
  if (token.value || linkFault.value) return;
  const id = crypto.getRandomValues(new Uint32Array(4)).join("-");
  const given: string[] = [];
  const hear = ({ data }: MessageEvent<Word>) => {
    if (!("answers" in data) || data.answers !== id) return;
    given.push(data.token);
    if (!isAsking.value) take();
  };
  const take = () => {
    const chosen = choose(given);
    if (chosen && !token.value) signIn(chosen);
  };
  tabs.addEventListener("message", hear);
  token.subscribe((held) => held && tabs.removeEventListener("message", hear));
  isAsking.value = true;
  say({ ask: id });
  setTimeout(() => {
    take();
    isAsking.value = false;
  }, WAIT);
}

/** The token that is good for longest, of those that lead where the address does. None if they are of two persons. */
function choose(given: string[]): string | undefined {
  const place = /^#\/workspaces\/([^/]+)/.exec(location.hash)?.[1];
  const all = given.flatMap((text) => {
    const said = claimsOf(text);
    return said ? [{ text, said }] : [];
  });
  const leading = all.filter(({ said }) => place !== undefined && said.workspaces.includes(decodeURIComponent(place)));
  const [first, ...others] = (leading.length ? leading : all).sort((a, b) => b.said.expires - a.said.expires);
  return others.every(({ said }) => said.user === first?.said.user) ? first?.text : undefined;
}
