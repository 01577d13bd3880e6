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

function ask(event: BeforeUnloadEvent): void {
  event.preventDefault();
}
