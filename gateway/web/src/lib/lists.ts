/** The lists that every screen shows: threads and pending approvals. */
import type { Approval, Thread } from "../gen/rota/chat/v1/chat_pb.js";
import { List } from "./list.js";
import { poll } from "./network.js";
import { chat } from "./rpc.js";
import { mayAct, onLeave, workspace } from "./session.js";

const PAGE = 100;

export const threads = new List<Thread>(async (pageToken) => {
  const page = await chat.listThreads({ parent: workspace.value, pageSize: PAGE, pageToken });
  return { items: page.threads, next: page.nextPageToken };
});

export const pendingApprovals = new List<Approval>(async (pageToken) => {
  const page = await chat.listApprovals({ parent: workspace.value, pageSize: PAGE, pageToken, filter: "state = PENDING" });
  return { items: page.approvals, next: page.nextPageToken };
});

onLeave(() => {
  threads.clear();
  pendingApprovals.clear();
});

export function watchLists(): () => void {
  return poll(() => {
    void threads.refresh();
    void pendingApprovals.refresh();
  }, 4000);
}

/** How many approvals wait for the person, who may decide them; `100+` when there are more than are loaded. Empty: none. */
export function pendingCount(): string {
  if (!mayAct.value) return "";
  const count = pendingApprovals.items.value?.length ?? 0;
  return count ? `${count}${pendingApprovals.hasMore.value ? "+" : ""}` : "";
}
