/** The lists that every screen shows: threads and pending approvals. */
import { signal } from "@preact/signals";
import type { Approval, Thread } from "../gen/rota/chat/v1/chat_pb.js";
import { latest } from "./latest.js";
import { poll } from "./network.js";
import { type Problem, problemOf } from "./problem.js";
import { chat } from "./rpc.js";
import { onLeave, scope, workspace } from "./session.js";

export const threads = signal<Thread[] | undefined>(undefined);
export const pendingApprovals = signal<Approval[] | undefined>(undefined);
export const listProblem = signal<Problem | undefined>(undefined);

onLeave(() => {
  threads.value = pendingApprovals.value = listProblem.value = undefined;
});

export function watchLists(): () => void {
  return poll(() => void look(), 4000);
}

const asking = latest();

async function look(): Promise<void> {
  const [isNews, here] = [asking(), scope()];
  const parent = workspace.value;
  try {
    const [talks, approvals] = await Promise.all([
      chat.listThreads({ parent, pageSize: 100 }),
      chat.listApprovals({ parent, pageSize: 100, filter: "state = PENDING" }),
    ]);
    if (here.aborted || !isNews()) return;
    threads.value = talks.threads;
    pendingApprovals.value = approvals.approvals;
    listProblem.value = undefined;
  } catch (thrown) {
    if (!here.aborted && isNews()) listProblem.value = problemOf(thrown);
  }
}
