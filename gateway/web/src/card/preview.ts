/** The next fires of a payload, loaded again after each edit. */
import { create, type JsonObject, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Approval, type Preview, PreviewSchema, type PreviewSlot, type PreviewSlotSchema } from "../gen/rota/chat/v1/chat_pb.js";
import { at, changes, objectOf, parsePath, same } from "../lib/json.js";
import { now } from "../lib/now.js";
import { problemOf, type Violation } from "../lib/problem.js";
import { automations } from "../lib/rpc.js";
import { workspace } from "../lib/session.js";
import { dateOf } from "../lib/time.js";
import { changesOf } from "./Changes.js";

const SHOWN = 5;
/** Milliseconds without an edit before the service is asked. */
export const TYPING = 300;
/** Milliseconds until the service, whose clock may be behind, is asked again whether a fire has passed. */
const AGAIN = 30_000;
export const PASSED = "What was planned has passed.";

/** What an automation leaves out of the times that its schedules name. */
export interface Absence {
  /** Times before it are left out. */
  start?: Date;
  /** By trigger id: the slots that are skipped, in milliseconds. */
  skipped: Record<string, number[]>;
  /** Trigger ids of which no time fires. */
  over: string[];
}

export interface PreviewState {
  preview?: Preview;
  violations: Violation[];
  /** Schedules without a fire that is left. */
  spent: Violation[];
  busy: boolean;
}

/** Loads again when the schedules, `moment` or `absence` change, and when the next fire has passed. */
export function usePreview(payload: JsonValue, first: Preview | undefined, moment = "", absence?: Absence): PreviewState {
  const key = JSON.stringify([moment, absence, ...triggers(payload).map(({ config, enabled, type }) => [config, enabled, type])]);
  const [start] = useState(key);
  const [found, hold] = useState<PreviewState>(() => ({ preview: first, violations: [], spent: [], busy: false }));
  const [known] = useState(() => new Map<string, PreviewState>(first && [[key, found]]));
  const isAsked = triggers(payload).some(fires);
  const next = found.preview?.slots[0];
  const late = isAsked && next && isOver(next) ? Math.floor(now.value / AGAIN) : 0;
  const asks = useRef(0);
  useEffect(() => {
    const there = known.get(key);
    if (there && !late) {
      hold(there);
      return;
    }
    let live = true;
    hold((last) => ({ ...last, busy: true }));
    const timer = setTimeout(async () => {
      const { failed, ...next } = await ask(payload, absence);
      if (!live) return;
      if (key === start && first) next.preview.timeZoneAssumed = first.timeZoneAssumed;
      hold((last) => {
        if (failed && late) return { ...last, busy: false };
        const state = next.violations.length ? { ...next, preview: last.preview } : next;
        if (!failed) known.set(key, state);
        return state;
      });
    }, asks.current++ ? TYPING : 0);
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [key, late]);
  return isAsked ? found : { ...found, preview: withoutPassed(found.preview) };
}

/** What is planned and has not come. */
export function withoutPassed(preview: Preview | undefined): Preview | undefined {
  if (!preview?.slots.some(isOver)) return preview;
  const slots = preview.slots.filter((slot) => !isOver(slot));
  return create(PreviewSchema, { ...preview, slots, notes: slots.length ? preview.notes : [...preview.notes, PASSED] });
}

/** Why a card about one moment can't be approved any more; empty while it is ahead. */
export function overdue({ actionType, payload }: Approval): string {
  if (actionType === "automation_unskip") {
    const times = slotsOf(payload).map((each) => Date.parse(String(each.fire_time)));
    return times.length && times.every((time) => time <= now.value) ? "The time has come, so it stays skipped." : "";
  }
  const isSkip = actionType === "automation_skip";
  if (!isSkip && actionType !== "automation_pause") return "";
  const moment = payload?.[isSkip ? "slot_time" : "resume_time"];
  if (typeof moment !== "string" || !(Date.parse(moment) <= now.value)) return "";
  return isSkip ? "The time to skip has come; ask again for the next." : "The end of this pause has come; ask again for a later one.";
}

const slotsOf = (payload: JsonObject | undefined) => (Array.isArray(payload?.slots) ? payload.slots : []).map(objectOf);

/** Of the schedules without a fire that is left, those that are refused: new ones and changed ones. */
export function refusedOf(approval: Approval, payload: JsonValue, spent: Violation[]): Violation[] {
  if (approval.actionType === "automation_create") return spent;
  const changed = [...changesOf(objectOf(approval.context).difference), ...changes(approval.payload ?? {}, payload)];
  return spent.filter(({ field }) => changed.some(({ path }) => path.startsWith(triggerOf(field))));
}

/** Whether the schedule that is refused is the one that was proposed: it had a time that was left. */
export function hasPassed(approval: Approval, payload: JsonValue, { field }: Violation): boolean {
  const path = parsePath(triggerOf(field));
  const [before, after] = [at(approval.payload, path), at(payload, path)];
  return before !== undefined && after !== undefined && same(before, after);
}

const triggerOf = (field: string) => field.slice(0, field.indexOf(".config"));

function isOver({ fireTime }: PreviewSlot): boolean {
  const date = dateOf(fireTime);
  return date !== undefined && date.getTime() <= now.value;
}

const fires = (trigger: JsonObject) => trigger.type === "schedule" && trigger.enabled !== false;

function triggers(payload: JsonValue) {
  const listed = at(payload, ["definition", "triggers"]);
  return (Array.isArray(listed) ? listed : []).map(objectOf);
}

async function ask(payload: JsonValue, absence?: Absence): Promise<PreviewState & { preview: Preview; failed: boolean }> {
  const [violations, spent] = [[] as Violation[], [] as Violation[]];
  let failed = false;
  const slots: MessageInitShape<typeof PreviewSlotSchema>[] = [];
  const [summaries, notes] = [[] as string[], new Set<string>()];
  const asked = triggers(payload).map(async (trigger, n) => {
    if (!fires(trigger)) return;
    const config = objectOf(trigger.config);
    const path = `definition.triggers[${n}].config`;
    try {
      const id = String(trigger.trigger_id);
      const skips = absence?.skipped[id] ?? [];
      const start = absence?.start && absence.start.getTime() > Date.now() ? { startTime: timestampFromMs(absence.start.getTime() - 1) } : {};
      const answer = await automations.previewSchedule({ parent: workspace.value, config, count: Math.min(SHOWN + skips.length, 100), ...start });
      summaries.push(answer.summary);
      answer.notes.forEach((each) => notes.add(each));
      if (!answer.slots.length) spent.push(spentAt(path, config));
      if (absence?.over.includes(id)) return;
      for (const { slotTime, fireTime, localTime, utcOffset, dstNote, skipped } of answer.slots) {
        if (slotTime && skips.includes(timestampMs(slotTime))) continue;
        const said = { triggerId: id, timeZone: String(config.timezone) };
        if (skipped) notes.add(dstNote || `${localTime} is skipped.`);
        else slots.push({ ...said, fireTime, localTime, utcOffset, dstNote });
      }
    } catch (thrown) {
      const problem = problemOf(thrown);
      violations.push(
        ...problem.violations.map((each) => ({ ...each, field: `${path}${each.field && "."}${each.field}` })),
      );
      if (problem.violations.length) return;
      notes.add(problem.message);
      failed = true;
    }
  });
  await Promise.all(asked);
  slots.sort((a, b) => Number((a.fireTime?.seconds ?? 0n) as bigint) - Number((b.fireTime?.seconds ?? 0n) as bigint));
  const preview = create(PreviewSchema, {
    summary: summaries.filter(Boolean).join("; "),
    slots: slots.slice(0, SHOWN),
    notes: [...notes],
  });
  return { preview, violations, spent, busy: false, failed };
}

function spentAt(path: string, { end_time, at: moment, every }: JsonObject): Violation {
  const isEnded = typeof end_time === "string" && Date.parse(end_time) <= Date.now();
  const form = moment ? "at" : every ? "every" : "cron";
  const isPast = isEnded || form === "at";
  const [field, description] = [isEnded ? "end_time" : form, `${isPast ? "is past" : "names no time that is left"}, so it would never fire`];
  return { field: `${path}.${field}`, description, reason: "NEVER_FIRES" };
}
