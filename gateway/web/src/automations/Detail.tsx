/** One automation: its schedule, steps, slots, runs and revisions. */
import { type JsonObject, toJson } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useState } from "preact/hooks";
import { type Absence, usePreview } from "../card/preview.js";
import { definitionRest, Rest, Steps, Tools, Triggers } from "../card/Summary.js";
import { SchedulePreview } from "../card/SchedulePreview.js";
import {
  type Automation,
  Automation_State as State,
  AutomationDefinitionSchema,
} from "../gen/rota/automation/v1/automation_pb.js";
import { announce } from "../lib/announce.js";
import { useList, useQuery } from "../lib/query.js";
import { notifyChange } from "../lib/network.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { automations, requestId } from "../lib/rpc.js";
import { href } from "../lib/router.js";
import { now } from "../lib/now.js";
import { workspace, zone } from "../lib/session.js";
import { dateOf, nearby } from "../lib/time.js";
import { ForEditors } from "../ui/ForEditors.js";
import { Icon } from "../ui/Icon.js";
import { More } from "../ui/More.js";
import { TextPrompt, Badge, Skeleton, ProblemNotice } from "../ui/parts.js";
import { Revisions } from "./Revisions.js";
import { RunRow } from "./RunRow.js";
import { AUTOMATION, look } from "./states.js";
import { SlotCalendar } from "./SlotCalendar.js";

export function AutomationDetail({ id }: { id: string }) {
  const name = `${workspace.value}/automations/${id}`;
  const { value: it, problem, again } = useQuery(() => automations.getAutomation({ name }), name, 3000);
  return (
    <section class="screen" aria-label={it?.displayName ?? "Automation"}>
      <header class="screen-head">
        <a class="back" href={href("automations")}><Icon name="back" />Automations</a>
        <h1>{it?.displayName ?? "Automation"}</h1>
        {it && <Badge tone={look(AUTOMATION, it.state)[1]}>{look(AUTOMATION, it.state)[0]}</Badge>}
      </header>
      <div class="scroll">
        <div class="column wide">
          {problem && <ProblemNotice problem={problem} again={again} />}
          {!it && !problem && <Skeleton rows={7} what="Loading the automation" />}
          {it && <Body it={it} again={again} />}
        </div>
      </div>
    </section>
  );
}

function Body({ it, again }: { it: Automation; again: () => void }) {
  const definition = it.definition
    ? (toJson(AutomationDefinitionSchema, it.definition, { useProtoFieldName: true }) as JsonObject)
    : {};
  return (
    <>
      <div class="lead">
        {it.description && <p>{it.description}</p>}
        <ForEditors><Verbs it={it} again={again} /></ForEditors>
      </div>
      {(it.pauseNote || it.resumeTime) && <p class="banner"><Icon name="pause" />{pauseText(it)}</p>}
      {it.notes.map((note) => <p key={note} class="banner"><Icon name="warning" />{note}</p>)}
      {it.consecutiveFailures > 0 && (
        <p class="banner bad"><Icon name="warning" />{it.consecutiveFailures === 1 ? "The last run failed." : `The last ${it.consecutiveFailures} runs failed.`} Ten in a row pause it.</p>
      )}
      <div class="halves">
        <section class="panel"><h2>When</h2><Fires it={it} definition={definition} /><Triggers definition={definition} /></section>
        <section class="panel">
          <h2>What it does</h2>
          <Steps definition={definition} />
          <h3>Tools granted</h3>
          <Tools definition={definition} />
          <Rest value={definitionRest(definition, it.displayName)} title="What else it says" />
        </section>
      </div>
      <SlotCalendar it={it} />
      <Runs parent={it.name} />
      <Revisions it={it} again={again} />
    </>
  );
}

function Verbs({ it, again }: { it: Automation; again: () => void }) {
  const [problem, blame] = useState<Problem>();
  const change = async (done: Promise<Automation>, word: string): Promise<Problem | undefined> => {
    try {
      await done;
      announce(word);
      notifyChange();
      again();
    } catch (thrown) {
      again();
      return problemOf(thrown);
    }
    return undefined;
  };
  const act = async (done: Promise<Automation>, word: string) => {
    blame(undefined);
    blame(await change(done, word));
  };
  const named = { name: it.name, requestId: requestId() };
  return (
    <div class="verbs">
      {it.state === State.ACTIVE && (
        <TextPrompt label="Pause" icon="pause" question="Why? For whoever finds it paused." moment={`Until when? Empty: until somebody resumes it. (${zone})`} act="Pause" done={(note, at) => change(automations.pauseAutomation({ ...named, note, ...(at ? { resumeTime: timestampFromDate(at) } : {}) }), "Paused.")} />
      )}
      <Skips it={it} act={act} change={change} />
      {it.state === State.PAUSED && (
        <button type="button" class="primary" onClick={() => void act(automations.resumeAutomation(named), "Resumed.")}><Icon name="play" />Resume</button>
      )}
      {problem && <ProblemNotice problem={problem} />}
    </div>
  );
}

const COME = "The time to skip has come; go back for the next.";
const NOT_NEXT = "It is not the next time any more; go back for the next.";

/** The slot that fires next, with a button that skips it, and the slots that are skipped. */
function Skips({ it, act, change }: {
  it: Automation;
  act: (done: Promise<Automation>, word: string) => Promise<void>;
  change: (done: Promise<Automation>, word: string) => Promise<Problem | undefined>;
}) {
  const live = it.state === State.ACTIVE || it.resumeTime;
  const coming = it.triggers.flatMap((trigger) => {
    const time = dateOf(trigger.nextSlot?.fireTime);
    return live && time && time.getTime() > now.value ? [{ trigger, time }] : [];
  });
  const first = coming.sort((a, b) => a.time.getTime() - b.time.getTime())[0];
  // An open form stays with the slot that it asks about.
  const [asked, ask] = useState<typeof first>();
  const next = asked ?? first;
  const isNext = coming.some(({ trigger, time }) => trigger.name === next?.trigger.name && time.getTime() === next.time.getTime());
  const over = !next || isNext ? undefined : next.time.getTime() <= now.value ? COME : NOT_NEXT;
  const skipped = it.triggers.flatMap((trigger) => trigger.skippedSlots.flatMap((slot) => {
    const time = dateOf(slot.fireTime);
    return time ? [{ trigger, slot, time }] : [];
  }));
  return (
    <>
      {next && (
        <TextPrompt label={`Skip the next: ${nearby(next.time)}`} icon="skip" question={`Why is ${nearby(next.time)} skipped?`} act="Skip" opened={(open) => ask(open ? next : undefined)} over={over} done={(note) => change(automations.skipNextSlot({ name: it.name, requestId: requestId(), trigger: next.trigger.name, slotTime: next.trigger.nextSlot!.slotTime, note }), "Skipped.")} />
      )}
      {skipped.sort((a, b) => a.time.getTime() - b.time.getTime()).map(({ trigger, slot, time }) => (
        <p key={`${trigger.name} ${time.toISOString()}`} class="note">
          Skipped: {nearby(time)}{slot.user && ` by ${slot.user.replace("users/", "")}`}{slot.note && `, “${slot.note}”`}
          {time.getTime() > now.value && <button type="button" class="quiet" onClick={() => void act(automations.unskipSlot({ name: it.name, requestId: requestId(), trigger: trigger.name, slotTime: slot.slotTime }), "It fires after all.")}>Undo</button>}
        </p>
      ))}
    </>
  );
}

export function pauseText(it: Automation): string {
  const end = dateOf(it.resumeTime);
  const until = end ? ` until ${nearby(end)}` : "";
  return it.pauseNote ? `Paused${until}: ${it.pauseNote}` : `Paused${until}`;
}

/** Loads the preview with the same call as the card. */
function Fires({ it, definition }: { it: Automation; definition: JsonObject }) {
  const next = it.triggers.map((trigger) => trigger.nextFireTime?.seconds ?? 0n).join();
  const end = it.state === State.PAUSED ? dateOf(it.resumeTime) : undefined;
  const stopped = it.state === State.PAUSED && !end;
  const asked: JsonObject = it.state === State.ARCHIVED ? {} : { definition };
  const { preview } = usePreview(asked, undefined, next, absenceOf(it));
  return (
    <>
      {preview ? <SchedulePreview preview={preview} none={it.triggers.length ? noFire(it) : undefined} /> : it.triggers.length ? <Skeleton rows={2} /> : <p class="faint">It has no schedule.</p>}
      {stopped && <p class="note">Its slots meanwhile are skipped, and the ledger says so.</p>}
      {end && <p class="note">Its slots before {nearby(end)} are skipped, and the ledger says so.</p>}
    </>
  );
}

/** What its pause and its skips leave out, and the triggers that are over. */
function absenceOf(it: Automation): Absence {
  const skipped = Object.fromEntries(it.triggers.map((each) => [each.triggerId, each.skippedSlots.flatMap((slot) => dateOf(slot.slotTime)?.getTime() ?? [])]));
  const [start, paused] = [dateOf(it.resumeTime), it.state === State.PAUSED];
  const over = it.triggers.filter((each) => (paused && !start) || !each.nextFireTime).map((each) => each.triggerId);
  return { ...(paused && start ? { start } : {}), skipped, over };
}

/** Why no fire is listed. */
function noFire(it: Automation): string {
  if (it.state === State.ARCHIVED) return "It is archived: nothing fires any more.";
  if (it.state === State.PAUSED && !it.resumeTime) return "Nothing fires until it is resumed.";
  const skips = it.triggers.reduce((sum, each) => sum + each.skippedSlots.length, 0);
  if (skips) return skips === 1 ? "The only time left is skipped; Undo takes that back until it comes." : "All times left are skipped; Undo takes each back until it comes.";
  return it.resumeTime ? "Nothing fires after the pause." : "No fire is left.";
}

function Runs({ parent }: { parent: string }) {
  const list = useList(
    async (pageToken) => {
      const page = await automations.listRuns({ parent, pageSize: 20, pageToken });
      return { items: page.runs, next: page.nextPageToken };
    },
    parent,
    2500,
  );
  const [value, problem] = [list.items.value, list.problem.value];
  return (
    <section class="panel">
      <h2>Runs</h2>
      {problem && <ProblemNotice problem={problem} again={() => void list.refresh()} />}
      {!value && !problem && <Skeleton what="Loading runs" />}
      {value?.length === 0 && !list.hasMore.value && <p class="faint">None yet.</p>}
      {!!value?.length && <ul class="rows tight">{value.map((run) => <RunRow key={run.name} run={run} />)}</ul>}
      <More list={list} what="runs" earlier />
    </section>
  );
}
