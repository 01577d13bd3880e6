/** The message being sent, stored over a reload until the service accepts it. */
import { onLeave } from "../lib/session.js";
import type { DraftMention } from "./draft.js";

const KEY = "rota.saying";

export interface PendingMessage {
  thread: string;
  text: string;
  /** Bytes in base64. */
  images: string[];
  mentions: DraftMention[];
  modelConfigId: string;
  disabledTools: string[];
  requestId: string;
  timeZone: string;
}

/** A message too large for the storage: the browser asks before the page is left. */
let large: PendingMessage | undefined;

onLeave(() => {
  large = undefined;
  removeEventListener("beforeunload", ask);
});

export function savePending(saying: PendingMessage): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(saying));
  } catch {
    large = saying;
    addEventListener("beforeunload", ask);
  }
}

export function loadPending(): PendingMessage | undefined {
  const text = sessionStorage.getItem(KEY);
  return text ? JSON.parse(text) : undefined;
}

/** With an id, removes only that message. */
export function removePending(requestId = ""): void {
  if (!requestId || loadPending()?.requestId === requestId) sessionStorage.removeItem(KEY);
  if (!requestId || large?.requestId === requestId) {
    large = undefined;
    removeEventListener("beforeunload", ask);
  }
}

/** What was chosen for the last message of a thread, over a reload. */
export interface Choice {
  turn: string;
  modelConfigId: string;
  disabledTools: string[];
}

const choiceKey = (turn: string) => `rota.choice ${turn.slice(0, turn.indexOf("/turns/"))}`;

export function saveChoice(choice: Choice): void {
  try {
    sessionStorage.setItem(choiceKey(choice.turn), JSON.stringify(choice));
  } catch {
    // The storage is full: another try uses the model that the service chooses.
  }
}

/** Undefined: another device sent the message, or it was not the last. */
export function loadChoice(turn: string): Choice | undefined {
  const kept = JSON.parse(sessionStorage.getItem(choiceKey(turn)) ?? "null") as Choice | null;
  return kept?.turn === turn ? kept : undefined;
}

function ask(event: BeforeUnloadEvent): void {
  event.preventDefault();
}
