/** The runs of all automations of the workspace, filtered by state, automation and time. */
import { signal } from "@preact/signals";
import { Run_State as State } from "../gen/rota/automation/v1/automation_pb.js";
import { readAll } from "../lib/pages.js";
import { useList, useQuery } from "../lib/query.js";
import { automations, idOf } from "../lib/rpc.js";
import { href } from "../lib/router.js";
import { onLeave, workspace } from "../lib/session.js";
import { Icon } from "../ui/Icon.js";
import { More } from "../ui/More.js";
import { Empty, ProblemNotice, Skeleton } from "../ui/parts.js";
import { RunRow } from "./RunRow.js";
import { RUN } from "./states.js";

const HOUR = 3_600_000;
const SPANS: [string, number][] = [["the last hour", HOUR], ["the last day", 24 * HOUR], ["the last week", 7 * 24 * HOUR], ["the last 30 days", 30 * 24 * HOUR]];

interface Chosen {
  state: string;
  automation: string;
  span: string;
  /** When the span was chosen, so that the pages of the list are those of one filter. */
  since: string;
}

const NOTHING: Chosen = { state: "", automation: "", span: "", since: "" };
/** Stays while a run is looked at. */
const chosen = signal(NOTHING);

onLeave(() => (chosen.value = NOTHING));

export function RunList() {
  const parent = `${workspace.value}/automations/-`;
  const filter = filterOf(chosen.value);
  const list = useList(
    async (pageToken) => {
      const page = await automations.listRuns({ parent, pageSize: 50, pageToken, filter });
      return { items: page.runs, next: page.nextPageToken };
    },
    `${parent} ${filter}`,
    4000,
  );
  const [value, problem] = [list.items.value, list.problem.value];
  return (
    <section class="screen" aria-label="Runs">
      <header class="screen-head"><h1>Runs</h1></header>
      <div class="scroll">
        <div class="column">
          <Filters />
          {problem && <ProblemNotice problem={problem} again={() => void list.refresh()} />}
          {!value && !problem && <Skeleton rows={5} what="Loading runs" />}
          {value?.length === 0 && !list.hasMore.value && <None filtered={filter !== ""} />}
          {!!value?.length && <ul class="rows">{value.map((run) => <RunRow key={run.name} run={run} named />)}</ul>}
          <More list={list} what="runs" earlier />
        </div>
      </div>
    </section>
  );
}

function None({ filtered }: { filtered: boolean }) {
  if (!filtered) return <Empty icon="play" title="No runs yet">An automation that fires leaves one here.</Empty>;
  return (
    <Empty icon="play" title="No such runs">
      <button type="button" class="link" onClick={() => (chosen.value = NOTHING)}>Show all of them</button>
    </Empty>
  );
}

function Filters() {
  const { state, automation, span } = chosen.value;
  const parent = workspace.value;
  const { value: known } = useQuery(
    () => readAll(async (pageToken) => {
      const page = await automations.listAutomations({ parent, pageSize: 200, pageToken });
      return { items: page.automations, next: page.nextPageToken };
    }),
    parent,
    30_000,
  );
  const choose = (change: Partial<Chosen>) => (chosen.value = { ...chosen.value, ...change });
  return (
    <div class="filters">
      <label>
        State
        <select value={state} onChange={(event) => choose({ state: event.currentTarget.value })}>
          <option value="">Any</option>
          {Object.entries(RUN).map(([number, [word]]) => <option key={number} value={State[Number(number)]}>{word}</option>)}
        </select>
      </label>
      <label>
        Automation
        <select value={automation} onChange={(event) => choose({ automation: event.currentTarget.value })}>
          <option value="">All</option>
          {(known ?? []).map((each) => <option key={each.name} value={idOf(each.name)}>{each.displayName}</option>)}
        </select>
      </label>
      <label>
        Since
        <select value={span} onChange={(event) => choose(begun(event.currentTarget.value))}>
          <option value="">Ever</option>
          {SPANS.map(([words]) => <option key={words} value={words}>{words}</option>)}
        </select>
      </label>
      <a class="faint" href={href("automations")}><Icon name="clock" />Automations</a>
    </div>
  );
}

function begun(span: string): Pick<Chosen, "span" | "since"> {
  const length = SPANS.find(([words]) => words === span)?.[1];
  return { span, since: length ? new Date(Date.now() - length).toISOString() : "" };
}

function filterOf({ state, automation, since }: Chosen): string {
  return [
    state && `state = ${state}`,
    automation && `automation = "${automation}"`,
    since && `create_time >= "${since}"`,
  ].filter(Boolean).join(" AND ");
}
