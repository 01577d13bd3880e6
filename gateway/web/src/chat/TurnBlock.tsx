/** One turn: the person's message and the agent's answer, or the result that a run delivered. */
import { ApprovalCard } from "../card/ApprovalCard.js";
import { ToolCallFinished_Outcome as Outcome } from "../gen/rota/chat/v1/chat_pb.js";
import { notifyChange } from "../lib/network.js";
import { resourceHref } from "../lib/router.js";
import { Copy } from "../ui/Copy.js";
import { Icon } from "../ui/Icon.js";
import { Markdown } from "../ui/Markdown.js";
import { pretty } from "../lib/json.js";
import { ResultCard } from "./ResultCard.js";
import { contentOf } from "./thread.js";
import { UserMessage } from "./UserMessage.js";
import { isDelivered, type Item, type Tool, type TurnView } from "./turn.js";

const TOOLS: Record<string, [string, string]> = {
  create_automation: ["Drafting an automation", "Drafted an automation"],
  update_automation: ["Drafting a change", "Drafted a change"],
  pause_automation: ["Pausing an automation", "Asked to pause an automation"],
  skip_next_slot: ["Skipping a time", "Asked to skip a time"],
  unskip_slots: ["Finding what is skipped", "Asked to take a skip back"],
  resume_automation: ["Resuming an automation", "Asked to resume an automation"],
  backfill_slots: ["Finding what was missed", "Asked to run what was missed"],
  roll_back_automation: ["Looking for the earlier version", "Asked to roll an automation back"],
  delete_automation: ["Deleting an automation", "Asked to delete an automation"],
  list_automations: ["Looking through the automations", "Looked through the automations"],
  list_destinations: ["Looking where results can go", "Looked where results can go"],
  explain_slot: ["Looking into the ledger", "Looked into the ledger"],
  list_inbox: ["Looking through the inbox", "Looked through the inbox"],
  explain_result: ["Looking where it comes from", "Looked where it comes from"],
  fetch_url: ["Reading a page", "Read a page"],
  now: ["Looking at the clock", "Looked at the clock"],
};

/** `retry` is there for the last turn of a thread that a person began; `people` are who asks and who answers. */
export function TurnBlock({ turn, retry, people = ["You", "Rota"] }: { turn: TurnView; retry?: (turn: TurnView) => void; people?: [string, string] }) {
  const working = turn.state === "running" || turn.state === "sending";
  const items = turn.items.filter((item) => item.kind !== "step" || (working && !item.done) || item.id !== "thinking-1");
  const linked = new Set(items.map((item) => (item.kind === "approval" ? item.approval.toolCallId : "")));
  const answer = items.flatMap((item) => (item.kind === "text" && item.text.trim() ? [item.text] : [])).join("\n\n");
  const idle = working && !items.some((item) => item.kind === "step" && !item.done);
  const said = turn.said.flatMap(({ part }) => (part.case === "text" ? [part.value] : [])).join("\n\n");
  return (
    <article class="turn" aria-busy={working} data-state={turn.state}>
      {!isDelivered(turn) && (
        <div class="mine">
          <h2 class="unseen">{people[0]}</h2>
          <UserMessage parts={turn.said} />
          {said && <Copy text={said} what="Copy the message" />}
        </div>
      )}
      <div class="theirs">
        <h2 class="unseen">{isDelivered(turn) ? "A result" : people[1]}</h2>
        {items.map((item, n) => <Shown key={keyOf(item, n)} item={item} live={working && n === items.length - 1} linked={linked} />)}
        {idle && <p class="working"><span class="pulse" />{turn.state === "sending" ? "Sending" : "Working"}</p>}
        {answer && !working && <div class="after-answer"><Copy text={answer} what="Copy the answer" /></div>}
        {turn.state === "failed" && <p class="ended bad"><Icon name="warning" /><span>{turn.failure}</span>{retry && turn.passing && <Retry turn={turn} retry={retry} />}</p>}
        {turn.state === "cancelled" && <p class="ended">Cancelled.</p>}
      </div>
    </article>
  );
}

function Retry({ turn, retry }: { turn: TurnView; retry: (turn: TurnView) => void }) {
  if (!contentOf(turn.said)) return <span class="faint">Attach its pictures again to try again.</span>;
  return <button type="button" class="quiet small" onClick={() => retry(turn)}><Icon name="retry" />Try again</button>;
}

function keyOf(item: Item, n: number): string {
  if (item.kind === "approval") return item.approval.name;
  return item.kind === "tool" || item.kind === "step" ? item.id : `${item.kind}-${n}`;
}

function Shown({ item, live, linked }: { item: Item; live: boolean; linked: Set<string> }) {
  switch (item.kind) {
    case "text":
      return <div class={live ? "say live" : "say"}><Markdown text={item.text} /></div>;
    case "reasoning":
      return (
        <details class="step" open={live}>
          <summary><Icon name="spark" />{live ? "Thinking" : "Thought about it"}</summary>
          <p class="reasoning">{item.text}</p>
        </details>
      );
    case "tool":
      return <ToolStep item={item} linked={linked.has(item.id)} />;
    case "step":
      return (
        <div class="step">
          <p class="summary">{item.done ? <Icon name="check" /> : <span class="pulse" />}{item.title}</p>
          {item.lines.map((line) => <p key={line} class="faint clip">{line}</p>)}
        </div>
      );
    case "approval":
      return <ApprovalCard approval={item.approval} decided={notifyChange} />;
    case "result":
      return <ResultCard result={item.result} time={item.time} />;
    case "note":
      return <p class="faint note">{item.text}</p>;
  }
}

/** `linked`: the card already links to the result. */
function ToolStep({ item, linked }: { item: Tool; linked: boolean }) {
  const [doing, done] = TOOLS[item.tool] ?? [`Using ${item.tool}`, `Used ${item.tool}`];
  const over = item.outcome !== Outcome.OUTCOME_UNSPECIFIED;
  // A tool of Rota refuses what is not complete, and the agent asks the person.
  const asks = item.outcome === Outcome.ERROR && item.tool in TOOLS && item.output?.status === "invalid";
  const failed = item.outcome === Outcome.ERROR && !asks;
  const link = !linked && item.resource && resourceHref(item.resource);
  return (
    <>
      <details class={failed ? "step bad" : "step"}>
        <summary>
          <Icon name={failed ? "warning" : over && !asks ? "check" : "tool"} />
          {over || item.args.endsWith("}") ? done : doing}
          {asks && " – it needs to know more"}
          {failed && " – it failed"}
        </summary>
        {item.args && <pre tabIndex={0}>{readable(item.args)}</pre>}
        {item.output && <pre tabIndex={0}>{pretty(item.output)}</pre>}
      </details>
      {link && <p class="made"><Icon name="clock" /><a href={link}>{String(item.output?.display_name ?? "Open the automation")}</a></p>}
    </>
  );
}

function readable(json: string): string {
  try {
    return pretty(JSON.parse(json));
  } catch {
    return json; // still being written
  }
}
