/** What the person is told of, where and when. */
import { create } from "@bufbuild/protobuf";
import { useEffect, useState } from "preact/hooks";
import {
  type NoticeSettings, NoticeSettings_Kind as Kind, NoticeSettings_QuietHours_Day as Day, type NoticeSettings_QuietHours as QuietHours,
  NoticeSettings_QuietHoursSchema,
} from "../gen/rota/automation/v1/notice_settings_pb.js";
import { announce } from "../lib/announce.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { idOf, noticeSettings, requestId } from "../lib/rpc.js";
import { claims, workspace, zone } from "../lib/session.js";
import { Icon } from "../ui/Icon.js";
import { More } from "../ui/More.js";
import { ProblemNotice, Skeleton } from "../ui/parts.js";
import { destinations, watchDestinations } from "./destinations.js";

const INBOX = "inbox";
const KINDS: [Kind, string][] = [
  [Kind.APPROVAL_WAITING, "An approval waits for you"],
  [Kind.RUN_FAILED, "A run failed"],
  [Kind.AUTOMATION_PAUSED, "An automation was paused by the service"],
  [Kind.DESTINATION_PAUSED, "A destination was paused by the service"],
  [Kind.DELIVERY_FAILED, "A result could not be delivered"],
];
const DAYS: [Day, string][] = [
  [Day.MONDAY, "Mon"], [Day.TUESDAY, "Tue"], [Day.WEDNESDAY, "Wed"], [Day.THURSDAY, "Thu"], [Day.FRIDAY, "Fri"], [Day.SATURDAY, "Sat"], [Day.SUNDAY, "Sun"],
];
const INTERVALS: [number, string][] = [[0, "each at once"], [900, "every 15 minutes"], [3600, "every hour"], [21_600, "every 6 hours"], [86_400, "every day"]];
const DELAYS: [number, string][] = [[0, "at once"], [60, "after a minute"], [300, "after 5 minutes"], [900, "after 15 minutes"], [3600, "after an hour"]];
const PATHS = ["routes", "quiet_hours", "failure_interval", "approval_delay"];

/** What the form holds. `quiet` keeps its values while it is off. */
interface Draft {
  etag: string;
  places: Map<Kind, string[]>;
  isQuiet: boolean;
  quiet: QuietHours;
  interval: number;
  delay: number;
}

function draftOf(held: NoticeSettings): Draft {
  const routes = new Map(held.routes.map((route) => [route.kind, route.places]));
  const evening = create(NoticeSettings_QuietHoursSchema, { timeZone: zone, start: "22:00", end: "07:00" });
  return {
    etag: held.etag,
    places: new Map(KINDS.map(([kind]) => [kind, routes.get(kind) ?? [INBOX]])),
    isQuiet: held.quietHours !== undefined,
    quiet: withDays(held.quietHours ?? evening),
    interval: Number(held.failureInterval?.seconds ?? 0),
    delay: Number(held.approvalDelay?.seconds ?? 0),
  };
}

/** No days are all of them. */
function withDays(quiet: QuietHours): QuietHours {
  return quiet.days.length ? quiet : { ...quiet, days: DAYS.map(([day]) => day) };
}

export function Notices() {
  const name = `${workspace.value}/noticeSettings`;
  const [draft, keep] = useState<Draft>();
  const [problem, blame] = useState<Problem>();
  const [busy, setBusy] = useState(false);
  const load = async () => {
    blame(undefined);
    try {
      keep(draftOf(await noticeSettings.getNoticeSettings({ name })));
    } catch (thrown) {
      blame(problemOf(thrown));
    }
  };
  useEffect(() => void load(), [name]);
  const dayless = draft?.isQuiet && !draft.quiet.days.length ? "Choose a day, or turn the quiet hours off." : undefined;
  const save = async (said: Draft) => {
    if (dayless) return document.querySelector<HTMLElement>("#notices-days input")?.focus();
    setBusy(true);
    blame(undefined);
    try {
      const saved = await noticeSettings.updateNoticeSettings({
        noticeSettings: {
          name,
          etag: said.etag,
          routes: [...said.places].map(([kind, places]) => ({ kind, places })),
          ...(said.isQuiet && { quietHours: said.quiet }),
          failureInterval: { seconds: BigInt(said.interval) },
          approvalDelay: { seconds: BigInt(said.delay) },
        },
        updateMask: { paths: PATHS },
        requestId: requestId(),
      });
      keep(draftOf(saved));
      announce("Your notices are saved.");
    } catch (thrown) {
      blame(problemOf(thrown));
    }
    setBusy(false);
  };
  return (
    <section class="screen" aria-label="Notices">
      <header class="screen-head"><h1>Notices</h1></header>
      <div class="scroll"><div class="column">
        {draft ? (
          <form class="form" onSubmit={(event) => { event.preventDefault(); void save(draft); }}>
            <Places draft={draft} keep={keep} />
            <Quiet draft={draft} keep={keep} wrong={(field) => (field === "days" ? dayless : undefined) ?? wrongOf(problem, field)} />
            <Pace draft={draft} keep={keep} />
            {problem && !isTold(problem, draft) && <ProblemNotice problem={problem} again={() => void load()} />}
            <p><button type="submit" class="primary" disabled={busy} aria-busy={busy}><Icon name="check" />Save</button></p>
          </form>
        ) : problem ? <ProblemNotice problem={problem} again={() => void load()} /> : <Skeleton rows={6} what="Loading your notices" />}
      </div></div>
    </section>
  );
}

const QUIET = ["start", "end", "time_zone", "days"];

function wrongOf(problem: Problem | undefined, field: string): string | undefined {
  return problem?.violations.find((each) => each.field === `notice_settings.quiet_hours.${field}`)?.description;
}

/** Whether each fault stands at its field. */
function isTold(problem: Problem, { isQuiet }: Draft): boolean {
  const here = QUIET.filter((field) => isQuiet && wrongOf(problem, field)).length;
  return here > 0 && here === problem.violations.length && !problem.more;
}

interface Part {
  draft: Draft;
  keep: (draft: Draft) => void;
}

function Places({ draft, keep }: Part) {
  useEffect(watchDestinations, []);
  const usable = (destinations.items.value ?? []).filter(({ owner }) => !owner || owner === `users/${claims.value?.user}`);
  const named = [...draft.places.values()].flat().filter((place) => place !== INBOX);
  const known = [INBOX, ...new Set([...usable.map(({ name }) => name), ...named])];
  const labelOf = (place: string) => usable.find(({ name }) => name === place)?.displayName || idOf(place);
  const change = (kind: Kind, place: string, on: boolean) => {
    const rest = draft.places.get(kind)!.filter((each) => each !== place);
    keep({ ...draft, places: new Map(draft.places).set(kind, on ? [...rest, place] : rest) });
  };
  return (
    <section class="panel">
      <h2>What you are told of, and where</h2>
      <div class="grid">
        {KINDS.map(([kind, words]) => (
          <fieldset key={kind} class="field tools">
            <legend>{words}</legend>
            {known.map((place) => (
              <label key={place}>
                <input type="checkbox" checked={draft.places.get(kind)!.includes(place)} onChange={(event) => change(kind, place, event.currentTarget.checked)} />
                {place === INBOX ? "Inbox" : labelOf(place)}
              </label>
            ))}
          </fieldset>
        ))}
      </div>
      {destinations.problem.value && <ProblemNotice problem={destinations.problem.value} again={() => void destinations.refresh()} />}
      <More list={destinations} what="destinations" />
    </section>
  );
}

function Quiet({ draft, keep, wrong }: Part & { wrong: (field: string) => string | undefined }) {
  const { quiet } = draft;
  const change = (changed: Partial<QuietHours>) => keep({ ...draft, quiet: { ...quiet, ...changed } });
  const turn = (day: Day, on: boolean) => change({ days: DAYS.map(([each]) => each).filter((each) => (each === day ? on : quiet.days.includes(each))) });
  return (
    <section class="panel">
      <h2>Quiet hours</h2>
      <div class="tick"><label><input type="checkbox" checked={draft.isQuiet} onChange={(event) => keep({ ...draft, isQuiet: event.currentTarget.checked })} />Hold notices until the end of these hours</label></div>
      {draft.isQuiet && (
        <>
          <div class="grid">
            <Text name="start" label="From" type="time" value={quiet.start} set={(start) => change({ start })} wrong={wrong("start")} />
            <Text name="end" label="Until" type="time" value={quiet.end} set={(end) => change({ end })} wrong={wrong("end")} />
            <Text name="time_zone" label="Time zone" type="text" value={quiet.timeZone} set={(timeZone) => change({ timeZone })} wrong={wrong("time_zone")} />
          </div>
          <fieldset id="notices-days" class="field tools">
            <legend>They begin on</legend>
            {DAYS.map(([day, words]) => (
              <label key={day}><input type="checkbox" checked={quiet.days.includes(day)} onChange={(event) => turn(day, event.currentTarget.checked)} />{words}</label>
            ))}
            {wrong("days") && <span class="error" role="alert">{wrong("days")}</span>}
          </fieldset>
        </>
      )}
    </section>
  );
}

function Pace({ draft, keep }: Part) {
  return (
    <section class="panel">
      <h2>How soon, and how often</h2>
      <div class="grid">
        <Choice name="interval" label="Failed runs of one automation" options={INTERVALS} value={draft.interval} set={(interval) => keep({ ...draft, interval })} />
        <Choice name="delay" label="An approval that waits" options={DELAYS} value={draft.delay} set={(delay) => keep({ ...draft, delay })} />
      </div>
      <p class="faint">You are told of the first failed run at once, and of the next ones together.</p>
    </section>
  );
}

function Choice(props: { name: string; label: string; options: [number, string][]; value: number; set: (value: number) => void }) {
  const id = `notices-${props.name}`;
  const known = props.options.some(([value]) => value === props.value);
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <select id={id} value={props.value} onChange={(event) => props.set(Number(event.currentTarget.value))}>
        {!known && <option value={props.value}>{props.value.toLocaleString("en-GB")} seconds</option>}
        {props.options.map(([value, words]) => <option key={value} value={value}>{words}</option>)}
      </select>
    </div>
  );
}

function Text(props: { name: string; label: string; type: string; value: string; set: (value: string) => void; wrong: string | undefined }) {
  const id = `notices-${props.name}`;
  return (
    <div class={props.wrong ? "field wrong" : "field"}>
      <label for={id}>{props.label}</label>
      <input id={id} type={props.type} value={props.value} required maxLength={64} spellcheck={false} autocomplete="off" aria-invalid={props.wrong ? "true" : undefined} aria-describedby={props.wrong && `${id}-help`} onInput={(event) => props.set(event.currentTarget.value)} />
      {props.wrong && <span id={`${id}-help`} class="help"><span class="error">{props.wrong}</span></span>}
    </div>
  );
}
