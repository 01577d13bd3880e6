/** All pending approvals, from every requester and device. */
import type { Approval } from "../gen/rota/chat/v1/chat_pb.js";
import { pendingApprovals } from "../lib/lists.js";
import { useQuery } from "../lib/query.js";
import { notifyChange } from "../lib/network.js";
import { chat, idOf } from "../lib/rpc.js";
import { href } from "../lib/router.js";
import { workspace } from "../lib/session.js";
import { dateOf, relative, until } from "../lib/time.js";
import { Icon } from "../ui/Icon.js";
import { More } from "../ui/More.js";
import { Empty, Skeleton, ProblemNotice } from "../ui/parts.js";
import { ApprovalCard } from "./ApprovalCard.js";
import { PAST } from "./Editor.js";
import { overdue, refusedOf, usePreview } from "./preview.js";

export function Approvals({ id }: { id: string | undefined }) {
  return (
    <section class="screen" aria-label="Approvals">
      <header class="screen-head">
        {id && <a class="back" href={href("approvals")}><Icon name="back" />Approvals</a>}
        <h1>{id ? "Approval" : "Approvals"}</h1>
      </header>
      <div class="scroll"><div class="column">{id ? <One key={id} id={id} /> : <All />}</div></div>
    </section>
  );
}

function All() {
  const list = pendingApprovals.items.value;
  const problem = pendingApprovals.problem.value;
  if (!list) return problem ? <ProblemNotice problem={problem} /> : <Skeleton what="Loading approvals" />;
  if (!list.length && !pendingApprovals.hasMore.value) return <Empty icon="inbox" title="Nothing waits for you">When an agent wants to set something up, it asks here, whichever device you asked from.</Empty>;
  return (
    <>
      <ul class="rows">{list.map((each) => <Line key={each.name} approval={each} />)}</ul>
      <More list={pendingApprovals} what="approvals" />
    </>
  );
}

function Line({ approval }: { approval: Approval }) {
  const asked = dateOf(approval.createTime);
  const payload = approval.payload ?? {};
  const { preview, spent } = usePreview(payload, approval.preview);
  const next = dateOf(preview?.slots[0]?.fireTime);
  const passed = refusedOf(approval, payload, spent).length > 0 ? PAST : overdue(approval);
  const fires = !["automation_pause", "automation_skip", "automation_delete"].includes(approval.actionType);
  return (
    <li>
      <a class="row" href={href("approvals", idOf(approval.name))}>
        <span class="row-main">
          <span class="row-title">{approval.summary}</span>
          <span class="faint">asked {asked && relative(asked)} by {approval.requestedBy.replace("users/", "")}{next && fires && !passed && ` · would fire ${until(next)}`}</span>
          {passed && <span class="error">{passed}</span>}
        </span>
        <Icon name="chevron" />
      </a>
    </li>
  );
}

function One({ id }: { id: string }) {
  const name = `${workspace.value}/approvals/${id}`;
  const { value, problem, again } = useQuery(() => chat.getApproval({ name }), name, 4000);
  if (!value) return problem ? <ProblemNotice problem={problem} again={again} /> : <Skeleton rows={6} what="Loading the approval" />;
  const thread = /threads\/([^/]+)/.exec(value.turn)?.[1];
  return (
    <>
      <ApprovalCard approval={value} decided={() => { notifyChange(); again(); }} />
      {thread && <p class="after"><a href={href("chat", thread)}>Open the thread it comes from</a></p>}
    </>
  );
}
