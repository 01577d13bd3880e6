/** Notifications of the browser: what the person has chosen, and one for each item. */
import { signal } from "@preact/signals";
import { type InboxItem, InboxItem_Kind as Kind } from "../gen/rota/automation/v1/inbox_pb.js";
import { visible } from "./invisible.js";
import { idOf } from "./rpc.js";
import { go } from "./router.js";
import { claims, onLeave, workspace } from "./session.js";

/** Milliseconds in which whoever looks at the item already marks it as read. */
const PAUSE = 800;
/** Characters of a notification's text. */
const LENGTH = 160;
const KINDS = [Kind.RESULT, Kind.APPROVAL_WAITING];

/** `unable`: the browser has none here, or shows none for this address; `blocked`: the person or the browser forbids them. */
export type Notices = "unable" | "blocked" | "off" | "on";

export const notices = signal<Notices>(read());

onLeave(() => queueMicrotask(() => (notices.value = read())));

function read(): Notices {
  if (!("Notification" in window) || !window.isSecureContext) return "unable";
  if (Notification.permission === "denied") return "blocked";
  return Notification.permission === "granted" && localStorage.getItem(key()) === "on" ? "on" : "off";
}

/** Only from a click: a browser asks the person for nothing else. */
export async function turnOn(): Promise<void> {
  if ((await Notification.requestPermission()) === "granted") localStorage.setItem(key(), "on");
  notices.value = read();
}

export function turnOff(): void {
  localStorage.removeItem(key());
  notices.value = read();
}

function key(): string {
  return `rota.notices.${claims.value?.user}`;
}

// Another tab has changed it.
addEventListener("storage", () => (notices.value = read()));

/** Shows an item, unless it is read meanwhile. A click opens it in this tab. */
export function notifyOf(item: InboxItem, isRead: () => boolean): void {
  if (read() !== "on" || !KINDS.includes(item.kind)) return;
  const place = workspace.value;
  setTimeout(() => {
    if (isRead() || read() !== "on" || workspace.value !== place) return;
    // A tag is shown once, whichever tab shows it.
    const shown = new Notification(short(item.subject) || "Rota", { body: short(item.snippet), tag: item.name });
    shown.onclick = () => {
      shown.close();
      window.focus();
      if (item.approval) go("approvals", idOf(item.approval));
      else go("inbox", idOf(item.name));
    };
  }, PAUSE);
}

function short(text: string): string {
  const shown = visible(text);
  return shown.length > LENGTH ? `${shown.slice(0, LENGTH - 1)}…` : shown;
}
