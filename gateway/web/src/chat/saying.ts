/** A message that is on its way, kept over a reload until the service has taken it. */
import type { Mentioned } from "./draft.js";

const KEY = "rota.saying";

export interface Saying {
  thread: string;
  text: string;
  /** Their bytes in base64. */
  images: string[];
  mentions: Mentioned[];
  modelConfigId: string;
  disabledTools: string[];
  requestId: string;
  timeZone: string;
}

/** One that is too large to be kept: leaving the page would lose it, so the browser asks first. */
let large: Saying | undefined;

export function remember(saying: Saying): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(saying));
  } catch {
    large = saying;
    addEventListener("beforeunload", ask);
  }
}

export function remembered(): Saying | undefined {
  const text = sessionStorage.getItem(KEY);
  return text ? JSON.parse(text) : undefined;
}

/** With an id: only if it is that one. */
export function forget(requestId = ""): void {
  if (!requestId || remembered()?.requestId === requestId) sessionStorage.removeItem(KEY);
  if (!requestId || large?.requestId === requestId) {
    large = undefined;
    removeEventListener("beforeunload", ask);
  }
}

function ask(event: BeforeUnloadEvent): void {
  event.preventDefault();
}
