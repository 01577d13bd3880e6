/** The runs of all automations of the workspace, filtered by state, automation and time. */
import { useMemo } from "preact/hooks";
import { type Automation, Run_State as State } from "../gen/rota/automation/v1/automation_pb.js";
import { readAll } from "../lib/pages.js";
import { useList, useQuery } from "../lib/query.js";
import { automations, idOf } from "../lib/rpc.js";
import { href, query, replaceQuery } from "../lib/router.js";
import { workspace } from "../lib/session.js";
import { dateOf, moment } from "../lib/time.js";
import { Icon } from "../ui/Icon.js";
import { More } from "../ui/More.js";
import { Empty, ProblemNotice, Skeleton } from "../ui/parts.js";
import { RunRow } from "./RunRow.js";
import { AUTOMATION, look, RUN } from "./states.js";

const HOUR = 3_600_000;
/** As the address has a span, in words, and in milliseconds. */
const SPANS: [string, string, number][] = [
  ["hour", "the last hour", HOUR], ["day", "the last day", 24 * HOUR], ["week", "the last week", 7 * 24 * HOUR], ["month", "the last 30 days", 30 * 24 * HOUR],
];

/** What the address says. */
interface Chosen {
  state: string;
  automation: string;
  span: string;
}

function chosenIn({ state = "", automation = "", span = "" }: Record<string, string>): Chosen {
  const isState = Object.keys(RUN).some((number) => State[Number(number)] === state);
  return { state: isState ? state : "", automation: /^[\w-]+$/.test(automation) ? automation : "", span: SPANS.some(([key]) => key === span) ? span : "" };
}

export function RunList() {
  const parent = `${workspace.value}/automations/-`;
  const chosen = chosenIn(query.value);
  // Once for a span, so that the pages of the list are those of one filter.
  const since = useMemo(() => sinceOf(chosen.span), [chosen.span]);
  const filter = filterOf(chosen, since);
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
          <Filters chosen={chosen} />
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
      <button type="button" class="link" onClick={() => replaceQuery({})}>Show all of them</button>
    </Empty>
  );
}

function Filters({ chosen }: { chosen: Chosen }) {
  const { state, automation, span } = chosen;
  const parent = workspace.value;
  const { value: known } = useQuery(
    () => readAll(async (pageToken) => {
      const page = await automations.listAutomations({ parent, pageSize: 200, pageToken });
      return { items: page.automations, next: page.nextPageToken };
    }),
    parent,
    30_000,
  );
  const choose = (change: Partial<Chosen>) => replaceQuery({ ...chosen, ...change });
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
          {(known ?? []).map((each) => <option key={each.name} value={idOf(each.name)}>{nameAmong(each, known ?? [])}</option>)}
        </select>
      </label>
      <label>
        Since
        <select value={span} onChange={(event) => choose({ span: event.currentTarget.value })}>
          <option value="">Ever</option>
          {SPANS.map(([key, words]) => <option key={key} value={key}>{words}</option>)}
        </select>
      </label>
      <a class="faint" href={href("automations")}><Icon name="clock" />Automations</a>
    </div>
  );
}

/** With when it was made where others have the same name. */
function nameAmong(it: Automation, all: Automation[]): string {
  if (all.filter((each) => each.displayName === it.displayName).length < 2) return it.displayName;
  const made = dateOf(it.createTime);
  return `${it.displayName} (${[made && `made ${moment(made)}`, look(AUTOMATION, it.state)[0].toLowerCase()].filter(Boolean).join(", ")})`;
}

function sinceOf(span: string): string {
  const length = SPANS.find(([key]) => key === span)?.[2];
  return length ? new Date(Date.now() - length).toISOString() : "";
}

function filterOf({ state, automation }: Chosen, since: string): string {
  return [
    state && `state = ${state}`,
    automation && `automation = "${automation}"`,
    since && `create_time >= "${since}"`,
  ].filter(Boolean).join(" AND ");
}
