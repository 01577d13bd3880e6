/** One automation: its schedule, steps, slots, runs and revisions. */
import { type JsonObject, toJson } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useState } from "preact/hooks";
import { usePreview } from "../card/preview.js";
import { definitionRest, Rest, Steps, Tools, Triggers } from "../card/Summary.js";
import { SchedulePreview } from "../card/SchedulePreview.js";
import {
  type Automation,
  Automation_State as State,
  AutomationDefinitionSchema,
  type Run,
} from "../gen/rota/automation/v1/automation_pb.js";
import { announce } from "../lib/announce.js";
import { objectOf } from "../lib/json.js";
import { useList, useQuery } from "../lib/query.js";
import { notifyChange } from "../lib/network.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { automations, idOf, requestId } from "../lib/rpc.js";
import { href } from "../lib/router.js";
import { now } from "../lib/now.js";
import { workspace, zone } from "../lib/session.js";
import { dateOf, nearby, relative, span } from "../lib/time.js";
import { Icon } from "../ui/Icon.js";
import { More } from "../ui/More.js";
import { TextPrompt, Badge, Skeleton, ProblemNotice } from "../ui/parts.js";
import { Revisions } from "./Revisions.js";
import { AUTOMATION, look, RUN } from "./states.js";
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
        <Verbs it={it} again={again} />
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
  const act = async (done: Promise<Automation>, word: string) => {
    blame(undefined);
    try {
      await done;
      announce(word);
      notifyChange();
    } catch (thrown) {
      blame(problemOf(thrown));
    }
    again();
  };
  const named = { name: it.name, requestId: requestId() };
  return (
    <div class="verbs">
      {it.state === State.ACTIVE && (
        <TextPrompt label="Pause" icon="pause" question="Why? For whoever finds it paused." moment={`Until when? Empty: until somebody resumes it. (${zone})`} act="Pause" done={(note, at) => void act(automations.pauseAutomation({ ...named, note, ...(at ? { resumeTime: timestampFromDate(at) } : {}) }), "Paused.")} />
      )}
      <Skips it={it} act={act} />
      {it.state === State.PAUSED && (
        <button type="button" class="primary" onClick={() => void act(automations.resumeAutomation(named), "Resumed.")}><Icon name="play" />Resume</button>
      )}
      {problem && <ProblemNotice problem={problem} />}
    </div>
  );
}

/** The slot that fires next, with a button that skips it, and the slots that are skipped. */
function Skips({ it, act }: { it: Automation; act: (done: Promise<Automation>, word: string) => Promise<void> }) {
  const live = it.state === State.ACTIVE || it.resumeTime;
  const coming = it.triggers.flatMap((trigger) => {
    const time = dateOf(trigger.nextSlot?.fireTime);
    return live && time && time.getTime() > now.value ? [{ trigger, time }] : [];
  });
  const next = coming.sort((a, b) => a.time.getTime() - b.time.getTime())[0];
  const skipped = it.triggers.flatMap((trigger) => trigger.skippedSlots.flatMap((slot) => {
    const time = dateOf(slot.fireTime);
    return time ? [{ trigger, slot, time }] : [];
  }));
  return (
    <>
      {next && (
        <TextPrompt label={`Skip the next: ${nearby(next.time)}`} icon="skip" question={`Why is ${nearby(next.time)} skipped?`} act="Skip" done={(note) => void act(automations.skipNextSlot({ name: it.name, requestId: requestId(), trigger: next.trigger.name, slotTime: next.trigger.nextSlot!.slotTime, note }), "Skipped.")} />
      )}
      {skipped.sort((a, b) => a.time.getTime() - b.time.getTime()).map(({ trigger, slot, time }) => (
        <p key={`${trigger.name} ${time.toISOString()}`} class="note">
          Skipped: {nearby(time)}{slot.note && `, “${slot.note}”`}
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
  const { preview } = usePreview(firing(it, definition), undefined, next);
  return (
    <>
      {preview ? <SchedulePreview preview={preview} /> : it.triggers.length ? <Skeleton rows={2} /> : <p class="faint">It has no schedule.</p>}
      {it.state === State.ACTIVE && it.triggers.length > 0 && !next.replaceAll(/[0,]/g, "") && <p class="note">No fire is left.</p>}
      {it.state === State.PAUSED && <p class="note">While it is paused these slots are skipped, and the ledger says so.</p>}
    </>
  );
}

/** Returns the definition with only the triggers that still have a fire. */
function firing(it: Automation, definition: JsonObject): JsonObject {
  if (it.state === State.ARCHIVED || !Array.isArray(definition.triggers)) return {};
  const left = (id: unknown) => it.state === State.PAUSED || it.triggers.some((each) => each.triggerId === id && each.nextFireTime);
  return { definition: { ...definition, triggers: definition.triggers.filter((each) => left(objectOf(each).trigger_id)) } };
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
      {!!value?.length && <ul class="rows tight">{value.map((run) => <RunRow key={run.name} run={run} parent={parent} />)}</ul>}
      <More list={list} what="runs" earlier />
    </section>
  );
}

function RunRow({ run, parent }: { run: Run; parent: string }) {
  const [word, tone] = look(RUN, run.state);
  const slot = dateOf(run.slotTime) ?? dateOf(run.createTime);
  const [start, end] = [dateOf(run.startTime), dateOf(run.endTime)];
  return (
    <li>
      <a class="row" href={href("automations", idOf(parent), "runs", idOf(run.name))}>
        <Badge tone={tone}>{word}</Badge>
        <span class="row-main">{slot && nearby(slot)}{run.backfill && <span class="faint"> · run afterwards</span>}</span>
        <span class="faint">{start && end ? `took ${span(start, end)}` : slot && relative(slot)}</span>
        <Icon name="chevron" />
      </a>
    </li>
  );
}
