/** The automations of the workspace. */
import { type Automation, Automation_State as State } from "../gen/rota/automation/v1/automation_pb.js";
import { useList } from "../lib/query.js";
import { automations, idOf } from "../lib/rpc.js";
import { href } from "../lib/router.js";
import { workspace } from "../lib/session.js";
import { dateOf, nearby, until } from "../lib/time.js";
import { Icon } from "../ui/Icon.js";
import { More } from "../ui/More.js";
import { Badge, Empty, Skeleton, ProblemNotice } from "../ui/parts.js";
import { pauseText } from "./Detail.js";
import { AUTOMATION, look, RUN } from "./states.js";

const PAGE = 100;
const RANK = [State.ACTIVE, State.PAUSED, State.ARCHIVED];

export function AutomationList() {
  const parent = workspace.value;
  const list = useList(async (pageToken) => {
    const page = await automations.listAutomations({ parent, pageSize: PAGE, pageToken });
    return { items: page.automations, next: page.nextPageToken };
  }, parent);
  const [value, problem] = [list.items.value, list.problem.value];
  return (
    <section class="screen" aria-label="Automations">
      <header class="screen-head"><h1>Automations</h1></header>
      <div class="scroll">
        <div class="column">
          {problem && <ProblemNotice problem={problem} again={() => void list.refresh()} />}
          {!value && !problem && <Skeleton rows={5} what="Loading automations" />}
          {value?.length === 0 && !list.hasMore.value && (
            <Empty icon="clock" title="No automations yet">
              <a href={href("chat")}>Say what should happen and when</a>, and approve it.
            </Empty>
          )}
          {!!value?.length && <ul class="rows">{sorted(value).map((each) => <Row key={each.name} it={each} />)}</ul>}
          <More list={list} what="automations" />
        </div>
      </div>
    </section>
  );
}

function sorted(list: Automation[]): Automation[] {
  const next = (it: Automation) => nextFire(it)?.getTime() ?? Infinity;
  return [...list].sort((a, b) => RANK.indexOf(a.state) - RANK.indexOf(b.state) || next(a) - next(b));
}

export function nextFire(it: Automation): Date | undefined {
  if (it.state !== State.ACTIVE && !it.resumeTime) return undefined;
  const dates = it.triggers.flatMap((trigger) => dateOf(trigger.nextFireTime) ?? []);
  return dates.sort((a, b) => a.getTime() - b.getTime())[0];
}

function Row({ it }: { it: Automation }) {
  const [word, tone] = look(AUTOMATION, it.state);
  const next = nextFire(it);
  const [last, lastTone] = look(RUN, it.lastRunState);
  return (
    <li>
      <a class="row" href={href("automations", idOf(it.name))}>
        <span class="row-main">
          <span class="row-title">{it.displayName}</span>
          <span class="faint clip">
            {it.pauseNote || it.resumeTime ? pauseText(it) : it.description || "No description"}
          </span>
          {it.notes.map((note) => <span key={note} class="row-note"><Icon name="warning" />{note}</span>)}
        </span>
        <span class="row-side">
          {next
            ? <span class="next"><time dateTime={next.toISOString()}>{nearby(next)}</time><span class="faint">{until(next)}</span></span>
            : <span class="faint">{it.state === State.ACTIVE ? (it.triggers.some((each) => each.skippedSlots.length) ? "what is left is skipped" : "no fire left") : ""}</span>}
          <span class="badges">
            {it.lastRunState !== 0 && lastTone === "bad" && <Badge tone={lastTone}>Last run {last.toLowerCase()}</Badge>}
            <Badge tone={tone}>{word}</Badge>
          </span>
        </span>
        <Icon name="chevron" />
      </a>
    </li>
  );
}
