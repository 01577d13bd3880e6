/** The inbox of the person: what is unread, kept up to date by one tab for all of them. */
import { computed, signal } from "@preact/signals";
import { type InboxEvent, type InboxItem, InboxItem_Kind as Kind, InboxItem_State as State } from "../gen/rota/automation/v1/inbox_pb.js";
import { backoff, notifyChange, poll, sleep } from "./network.js";
import { latest } from "./latest.js";
import { isTransient, problemOf } from "./problem.js";
import { inbox, requestId } from "./rpc.js";
import { claims, onLeave, scope, workspace } from "./session.js";
import { dateOf } from "./time.js";

/** Unread items that the page knows by name: it marks these where they are shown. */
const PAGE = 200;
/** Milliseconds. Heartbeats come every few seconds: a connection silent for so long is dead. */
const SILENCE = 45_000;
/** Milliseconds. Without a stream, as on a page that is no secure context. */
const EVERY = 5000;

/** The newest unread items. */
export const unread = signal<InboxItem[]>([]);
export const unreadCount = signal(0);
/** The last change of the inbox that this tab knows, and when its newest item then came, in milliseconds. */
let sequence = 0;
let newest = -1;
/** The last change up to which some tab called `arrived`: the tab that reads the stream tells the others. */
let followed = 0;
let asking = latest();
/** Milliseconds by which an item may be stored after one that came later. */
const SLACK = 10_000;

const cameAt = (item: InboxItem | undefined) => dateOf(item?.createTime)?.getTime() ?? 0;

onLeave(() => {
  unread.value = [];
  unreadCount.value = sequence = followed = 0;
  newest = -1;
  asking = latest();
});

/** How many wait to be seen, without the approvals, which have a count of their own. */
export const otherUnread = computed(() => {
  const approvals = unread.value.filter((each) => each.kind === Kind.APPROVAL_WAITING).length;
  return Math.max(0, unreadCount.value - approvals);
});

/** Threads that an unread item names. */
export const unreadThreads = computed(() => new Set(unread.value.map((each) => each.thread).filter(Boolean)));

async function look(): Promise<void> {
  const [isNews, here] = [asking(), scope()];
  try {
    const parent = workspace.value;
    const [page, first] = await Promise.all([
      inbox.listInboxItems({ parent, pageSize: PAGE, filter: "state = UNREAD" }),
      newest < 0 ? inbox.listInboxItems({ parent, pageSize: 1 }) : undefined,
    ]);
    if (here.aborted || !isNews()) return;
    unread.value = page.inboxItems;
    unreadCount.value = page.unreadCount;
    sequence = Math.max(sequence, page.sequence);
    // What was there before this tab is no news to it.
    if (newest < 0) followed = Math.max(followed, page.sequence);
    newest = Math.max(newest, cameAt(first?.inboxItems[0]), cameAt(page.inboxItems[0]));
  } catch {
    // It is asked again, and what was known stays.
  }
}

/** Marks items as read or unread; the other tabs are told. */
export async function markItems(items: { names?: string[]; until?: InboxItem }, isUnread = false): Promise<void> {
  const { names = [], until } = items;
  const answer = await inbox.markInboxItems({
    parent: workspace.value,
    names,
    endTime: until?.createTime,
    unread: isUnread,
    requestId: requestId(),
  });
  unreadCount.value = answer.unreadCount;
  notifyChange();
}

/** Whether an item is what a route of the page shows. */
export function isShownAt(item: InboxItem, [area, id, sub, subId]: string[]): boolean {
  const ends = (name: string, ...parts: string[]) => name !== "" && name.endsWith(`/${parts.join("/")}`);
  if (!id) return false;
  switch (area) {
    case "inbox":
      return ends(item.name, "inboxItems", id);
    case "chat":
      return ends(item.thread, "threads", id);
    case "approvals":
      return ends(item.approval, "approvals", id);
    case "automations":
      return sub === "runs" && !!subId && ends(item.run, "automations", id, "runs", subId);
    default:
      return false;
  }
}

/** `isRead` says whether the item was marked since. */
type Arrived = (item: InboxItem, isRead: () => boolean) => void;

/**
 * Keeps `unread` up to date. Of all tabs of a person one reads the stream, since a browser opens few
 * connections to a host, and only it calls `arrived`, once for each new item. Where the browser has no
 * locks, each tab asks.
 */
export function watchInbox(arrived: Arrived): () => void {
  const stop = new AbortController();
  const unpoll = poll(() => void look(), EVERY);
  const name = `rota.inbox ${claims.value?.user} ${workspace.value}`;
  const tabs = new BroadcastChannel(name);
  tabs.onmessage = (event: MessageEvent<number>) => {
    followed = event.data;
  };
  void navigator.locks
    ?.request(name, { signal: stop.signal }, () => follow(arrived, tabs, stop.signal))
    .catch(() => undefined); // the tab is left
  return () => {
    stop.abort();
    tabs.close();
    unpoll();
  };
}

async function follow(arrived: Arrived, tabs: BroadcastChannel, stop: AbortSignal): Promise<void> {
  while (newest < 0 && !stop.aborted) {
    await look();
    if (newest < 0) await sleep(EVERY, stop);
  }
  let after = followed;
  const since = newest;
  const told = new Set<string>();
  const read = new Set<string>();
  for (let failures = 0; !stop.aborted; failures++) {
    try {
      for await (const event of once(after, stop)) {
        failures = 0;
        after = event.sequence;
        sequence = Math.max(sequence, after);
        followed = after;
        tabs.postMessage(after);
        if (event.event.case !== "item") continue;
        const item = event.event.value;
        if (item.state === State.UNREAD) {
          read.delete(item.name);
          // What somebody marks as unread is no news.
          if (cameAt(item) > since - SLACK && !told.has(item.name)) arrived(item, () => read.has(item.name));
          told.add(item.name);
        } else {
          read.add(item.name);
          told.add(item.name);
        }
        notifyChange();
      }
    } catch (thrown) {
      if (stop.aborted) return;
      const problem = problemOf(thrown);
      if (problem.reason === "INVALID_REQUEST") after = 0; // an inbox that was made anew
      else if (!isTransient(problem)) await sleep(EVERY, stop);
    }
    await sleep(backoff(failures), stop);
  }
}

/** One connection. It ends when nothing comes for too long. */
async function* once(after: number, stop: AbortSignal): AsyncGenerator<InboxEvent> {
  const attempt = new AbortController();
  const abort = () => attempt.abort();
  stop.addEventListener("abort", abort);
  addEventListener("offline", abort);
  let watchdog = setTimeout(abort, SILENCE);
  try {
    for await (const event of inbox.watchInboxItems({ parent: workspace.value, afterSequence: after }, { signal: attempt.signal })) {
      clearTimeout(watchdog);
      watchdog = setTimeout(abort, SILENCE);
      yield event;
    }
  } finally {
    clearTimeout(watchdog);
    stop.removeEventListener("abort", abort);
    removeEventListener("offline", abort);
    attempt.abort();
  }
}
