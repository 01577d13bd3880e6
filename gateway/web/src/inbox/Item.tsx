/** One inbox item, with its text and what it is about. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type InboxItem, InboxItem_State as State } from "../gen/rota/automation/v1/inbox_pb.js";
import { look } from "../automations/states.js";
import { markItems } from "../lib/inbox.js";
import { pretty } from "../lib/json.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { useQuery } from "../lib/query.js";
import { automations, idOf, inbox } from "../lib/rpc.js";
import { go, href, resourceHref } from "../lib/router.js";
import { workspace } from "../lib/session.js";
import { dateOf, moment } from "../lib/time.js";
import { destinations, watchDestinations } from "../settings/destinations.js";
import { Icon } from "../ui/Icon.js";
import { Markdown } from "../ui/Markdown.js";
import { Badge, Facts, ProblemNotice, Skeleton } from "../ui/parts.js";
import { KINDS } from "./kinds.js";

export function Item({ id }: { id: string }) {
  const name = `${workspace.value}/inboxItems/${id}`;
  const [refused, blame] = useState<Problem>();
  const { value: item, problem, again } = useQuery(() => inbox.getInboxItem({ name }), name, 30_000);
  const putBack = async () => {
    try {
      // First, since what is shown is marked as read.
      go("inbox");
      await markItems({ names: [name] }, true);
    } catch (thrown) {
      blame(problemOf(thrown));
    }
  };
  return (
    <section class="screen" aria-label={item?.subject || "Inbox item"}>
      <header class="screen-head">
        <a class="back" href={href("inbox")}><Icon name="back" />Inbox</a>
        <h1>{item ? item.subject || "No subject" : "Inbox item"}</h1>
        {item && <Badge tone={look(KINDS, item.kind)[1]}>{look(KINDS, item.kind)[0]}</Badge>}
      </header>
      <div class="scroll">
        <div class="column">
          {problem && <ProblemNotice problem={problem} again={again} />}
          {refused && <ProblemNotice problem={refused} />}
          {!item && !problem && <Skeleton rows={6} what="Loading the item" />}
          {item && (
            <>
              <About item={item} />
              {item.body && <article class="inbox-body"><Body item={item} /></article>}
              {item.state !== State.STATE_UNSPECIFIED && (
                <p class="after"><button type="button" class="quiet small" onClick={() => void putBack()}><Icon name="mail" />Mark as unread</button></p>
              )}
            </>
          )}
        </div>
      </div>
    </section>
  );
}

function About({ item }: { item: InboxItem }) {
  const came = dateOf(item.createTime);
  const link = (to: string | undefined, text: string): ComponentChildren => to && <a href={to}>{text}</a>;
  return (
    <Facts
      rows={[
        ["Came", came && moment(came)],
        ["Run", item.run && link(resourceHref(item.run), "Open the run")],
        ["Automation", item.automation && <AutomationName name={item.automation} />],
        ["Approval", item.approval && link(href("approvals", idOf(item.approval)), "Open the approval")],
        ["Thread", item.thread && link(href("chat", idOf(item.thread)), "Open the thread")],
        ["Destination", item.destination && <DestinationName name={item.destination} />],
      ]}
    />
  );
}

function AutomationName({ name }: { name: string }) {
  const { value } = useQuery(() => automations.getAutomation({ name }), name, 60_000);
  return <a href={resourceHref(name)}>{value?.displayName || "Open the automation"}</a>;
}

function DestinationName({ name }: { name: string }) {
  useEffect(watchDestinations, []);
  return <a href={resourceHref(name)}>{destinations.items.value?.find((each) => each.name === name)?.displayName || idOf(name)}</a>;
}

/** The text is anybody's: it is drawn as elements, and nothing in it is loaded or carried out. */
function Body({ item }: { item: InboxItem }) {
  if (item.format === "markdown") return <Markdown text={item.body} />;
  if (item.format === "json") return <pre tabIndex={0}>{asJson(item.body)}</pre>;
  return <div class="prose"><p class="plain-text">{item.body}</p></div>;
}

function asJson(text: string): string {
  try {
    return pretty(JSON.parse(text));
  } catch {
    return text; // it was cut
  }
}
