/** Where a step delivers: each destination in words. */
import { Code } from "@connectrpc/connect";
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { type Destination, type Destination_Kind as Kind, Destination_State as State } from "../gen/rota/automation/v1/destination_pb.js";
import { UNTITLED } from "../chat/models.js";
import { threads } from "../lib/lists.js";
import { problemOf } from "../lib/problem.js";
import { chat, idOf } from "../lib/rpc.js";
import { claims, onLeave, scope } from "../lib/session.js";
import { KINDS } from "../settings/destinationKinds.js";
import { destinations } from "../settings/destinations.js";

export interface Place {
  /** As a step has it. */
  name: string;
  words: string;
  /** Its kind and host, or what is wrong with it. */
  about: string;
  /** There is no such place, or it is not for this person. */
  gone?: boolean;
}

export const INBOX = "inbox";
const titles = signal<Record<string, string>>({});

onLeave(() => (titles.value = {}));

/** Those that the person may use: an owner of the workspace sees those of others too. */
function usable(): Destination[] {
  const mine = `users/${claims.value?.user}`;
  return (destinations.items.value ?? []).filter(({ owner }) => owner === "" || owner === mine);
}

/** The thread of a turn's name. */
export function threadOf(turn: string): string {
  return turn.replace(/\/turns\/[^/]*$/, "");
}

/** What a step may name: this conversation, the inbox, the destinations, and what it has named. */
export function placesFor(named: string[], thread: string): Place[] {
  const known = [...(thread ? [thread] : []), INBOX, ...usable().map((each) => each.name)];
  return [...known, ...named.filter((each) => !known.includes(each))].map((name) => placeOf(name, thread));
}

/** `thread` is the one that is looked at. */
export function placeOf(name: string, thread = ""): Place {
  if (name === INBOX) return { name, words: "Inbox", about: "of the person it runs for" };
  if (name === thread) return { name, words: "This conversation", about: "" };
  if (isThread(name)) {
    const title = titleOf(name);
    if (title === "") return { name, words: "A conversation", about: "it is not there, or not for you", gone: true };
    return { name, words: title ?? name, about: "conversation" };
  }
  const found = usable().find((each) => each.name === name);
  const gone = !found && destinations.items.value !== undefined && !destinations.hasMore.value;
  if (!found) return { name, words: gone ? idOf(name) : name, about: gone ? "there is no such destination for you" : "", gone };
  return { name, words: found.displayName || idOf(name), about: [wordOf(found.kind), found.host, STATES[found.state]].filter(Boolean).join(", ") };
}

/** Undefined while it is not known; empty for one that is not there for this person. */
function titleOf(name: string): string | undefined {
  const found = threads.items.value?.find((each) => each.name === name);
  return found ? found.displayName || UNTITLED : titles.value[name];
}

/** Loads the titles of threads that are in no list. */
export function useTitles(names: string[]): void {
  useEffect(() => {
    const here = scope();
    for (const name of names.filter((each) => isThread(each) && titleOf(each) === undefined)) {
      chat.getThread({ name }).then(
        (found) => {
          if (!here.aborted) titles.value = { ...titles.value, [name]: found.displayName || UNTITLED };
        },
        (thrown: unknown) => {
          if (!here.aborted && problemOf(thrown).code === Code.NotFound) titles.value = { ...titles.value, [name]: "" };
        },
      );
    }
  }, [names.join()]);
}

/** Whether a text is the name of a destination or of a thread. */
export function isPlace(text: string): boolean {
  return /^workspaces\/[^/]+\/destinations\/[^/]+$/.test(text) || isThread(text);
}

function isThread(name: string): boolean {
  return /^workspaces\/[^/]+\/threads\/[^/]+$/.test(name);
}

const STATES: Partial<Record<State, string>> = { [State.PAUSED]: "paused", [State.UNVERIFIED]: "not verified yet" };

function wordOf(kind: Kind): string {
  return KINDS.find((each) => each.kind === kind)?.label ?? "";
}
