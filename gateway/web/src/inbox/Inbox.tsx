/** The inbox: all that reached the person, newest first. */
import { useState } from "preact/hooks";
import { type InboxItem, InboxItem_State as State } from "../gen/rota/automation/v1/inbox_pb.js";
import { look } from "../automations/states.js";
import { markItems, unreadCount } from "../lib/inbox.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { useList } from "../lib/query.js";
import { idOf, inbox } from "../lib/rpc.js";
import { href } from "../lib/router.js";
import { workspace } from "../lib/session.js";
import { dateOf, nearby } from "../lib/time.js";
import { Icon } from "../ui/Icon.js";
import { More } from "../ui/More.js";
import { Badge, Empty, ProblemNotice, Skeleton } from "../ui/parts.js";
import { FILTERS, KINDS } from "./kinds.js";
import { NoticeSwitch } from "./NoticeSwitch.js";

const PAGE = 50;

export function Inbox() {
  const [filter, choose] = useState("");
  const [refused, blame] = useState<Problem>();
  const parent = workspace.value;
  const list = useList(async (pageToken) => {
    const page = await inbox.listInboxItems({ parent, pageSize: PAGE, pageToken, filter });
    return { items: page.inboxItems, next: page.nextPageToken };
  }, `${parent} ${filter}`);
  const [value, problem] = [list.items.value, list.problem.value];
  const newest = value?.[0];
  const markAll = async () => {
    try {
      blame(undefined);
      // Up to what is seen: what comes meanwhile stays unread.
      if (newest) await markItems({ until: newest });
    } catch (thrown) {
      blame(problemOf(thrown));
    }
  };
  return (
    <section class="screen" aria-label="Inbox">
      <header class="screen-head">
        <h1>Inbox</h1>
        <div class="inbox-tools">
          <label class="inbox-filter">
            Show
            <select value={filter} onChange={(event) => choose(event.currentTarget.value)}>
              {FILTERS.map(([label, each]) => <option key={each} value={each}>{label}</option>)}
            </select>
          </label>
          {filter === "" && unreadCount.value > 0 && newest && (
            <button type="button" class="quiet small" onClick={() => void markAll()}><Icon name="check" />Mark all as read</button>
          )}
        </div>
      </header>
      <div class="scroll">
        <div class="column">
          <NoticeSwitch />
          {refused && <ProblemNotice problem={refused} />}
          {problem && <ProblemNotice problem={problem} again={() => void list.refresh()} />}
          {!value && !problem && <Skeleton rows={5} what="Loading the inbox" />}
          {value?.length === 0 && !list.hasMore.value && (
            <Empty icon="mail" title={filter ? "Nothing of this kind" : "Nothing has come yet"}>
              Results that are delivered to you, and notices that need you, come here.
            </Empty>
          )}
          {!!value?.length && <ul class="rows tight">{value.map((each) => <Row key={each.name} item={each} />)}</ul>}
          <More list={list} what="items" earlier />
        </div>
      </div>
    </section>
  );
}

function Row({ item }: { item: InboxItem }) {
  const [word, tone] = look(KINDS, item.kind);
  const came = dateOf(item.createTime);
  const isUnread = item.state === State.UNREAD;
  return (
    <li>
      <a class={isUnread ? "row inbox-row unread" : "row inbox-row"} href={href("inbox", idOf(item.name))}>
        <span class="inbox-mark">{isUnread && <span class="dot news"><span class="unseen">unread</span></span>}</span>
        <span class="row-main">
          <span class="row-title">{item.subject || "No subject"}</span>
          {item.snippet && <span class="faint clip">{item.snippet}</span>}
        </span>
        <span class="row-side">
          <Badge tone={tone}>{word}</Badge>
          {came && <time class="faint" dateTime={came.toISOString()}>{nearby(came)}</time>}
        </span>
      </a>
    </li>
  );
}
