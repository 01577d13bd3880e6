/** Polite announcements to a screen reader. */
import { signal } from "@preact/signals";
import { onLeave } from "./session.js";

export const announcement = signal("");

onLeave(() => (announcement.value = ""));

export function announce(text: string): void {
  // The same words twice would not be read twice.
  announcement.value = text === announcement.value ? `${text}\u00a0` : text;
}
