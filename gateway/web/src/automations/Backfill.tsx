/** Buttons that run slots afterwards, each with a question first. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { useState } from "preact/hooks";
import { type Automation, Automation_State as State, Run_State as Run, type Slot, Slot_Outcome as Outcome } from "../gen/rota/automation/v1/automation_pb.js";
import { announce } from "../lib/announce.js";
import { notifyChange } from "../lib/network.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { automations, requestId } from "../lib/rpc.js";
import { resourceHref } from "../lib/router.js";
import { mayAct } from "../lib/session.js";
import { moment } from "../lib/time.js";
import { Icon } from "../ui/Icon.js";
import { ProblemNotice } from "../ui/parts.js";
import { look, RUN } from "./states.js";

/** The most slots of a call. */
const MOST = 100;
const FIRED = [Outcome.FIRED, Outcome.CAUGHT_UP, Outcome.SKIPPED_DST];
const ENDED_BADLY = [Run.FAILED, Run.CANCELLED, Run.TIMED_OUT];

/** Whether the service would run a slot of an active automation whose trigger it still has. */
export function canRun(it: Automation, slot: Slot): boolean {
  const held = it.state === State.ACTIVE && it.triggers.some((trigger) => trigger.name === slot.trigger);
  const done = slot.backfill && !ENDED_BADLY.includes(slot.backfill.runState);
  return held && !FIRED.includes(slot.outcome) && !done;
}

/** Nothing unless there is a slot that can be run. `slots` are in any order. */
export function Backfill({ it, slots, done }: { it: Automation; slots: Slot[]; done: () => void }) {
  const [asking, ask] = useState<Slot[]>();
  const [problem, blame] = useState<Problem>();
  const able = slots.filter((slot) => canRun(it, slot)).sort((a, b) => Number(a.slotTime!.seconds - b.slotTime!.seconds)).slice(-MOST);
  if (!mayAct.value || (!asking && !able.length && !problem)) return null;
  const run = async (chosen: Slot[]) => {
    ask(undefined);
    blame(undefined);
    try {
      await automations.backfillSlots({ parent: it.name, slots: chosen.map((slot) => slot.name), requestId: requestId() });
      announce(chosen.length === 1 ? "It runs now." : `${chosen.length} slots run now, one after another.`);
      notifyChange();
    } catch (thrown) {
      blame(problemOf(thrown));
    }
    done();
  };
  return (
    <div class="backfill">
      {asking ? (
        <div role="group" aria-label="Run these slots now?">
          <p>Run {asking.length === 1 ? "this slot" : `these ${asking.length} slots`} now, with {asking.length === 1 ? "its own time" : "their own times, one after another"}? What the ledger says of {asking.length === 1 ? "it" : "them"} stays.</p>
          {asking.length > 1 && <ul class="times">{asking.map((slot) => <li key={slot.name}>{moment(timestampDate(slot.slotTime!))}</li>)}</ul>}
          <button type="button" class="primary small" onClick={() => void run(asking)}>{asking.length === 1 ? "Run it now" : `Run ${asking.length} now`}</button>
          <button type="button" class="quiet small" onClick={() => ask(undefined)}>Don't run</button>
        </div>
      ) : (
        able.length > 0 && <button type="button" class="quiet small" onClick={() => ask(able)}><Icon name="play" />{slots.length === 1 ? "Run this now" : `Run the ${able.length} that did not run`}</button>
      )}
      {problem && <ProblemNotice problem={problem} />}
    </div>
  );
}

/** Says what became of the last backfill of a slot, with a link to its run. */
export function Backfilled({ slot }: { slot: Slot }) {
  const found = slot.backfill;
  if (!found) return null;
  const link = found.run && resourceHref(found.run);
  const [word] = look(RUN, found.runState);
  return <p>It was run afterwards: {found.run ? word.toLowerCase() : "that run is no longer kept"}. {link && <a href={link}>Open that run<Icon name="chevron" /></a>}</p>;
}
