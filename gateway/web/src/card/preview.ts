/** The next fires of a payload, loaded again after each edit. */
import { create, type JsonValue, type MessageInitShape } from "@bufbuild/protobuf";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Preview, PreviewSchema, type PreviewSlotSchema } from "../gen/rota/chat/v1/chat_pb.js";
import { at, objectOf } from "../lib/json.js";
import { problemOf, type Violation } from "../lib/problem.js";
import { automations } from "../lib/rpc.js";
import { workspace } from "../lib/session.js";

const SHOWN = 5;
const TYPING = 300;

export interface PreviewState {
  preview?: Preview;
  violations: Violation[];
  busy: boolean;
}

/** Also loads again when `moment` changes. */
export function usePreview(payload: JsonValue, first: Preview | undefined, moment = ""): PreviewState {
  const key = JSON.stringify([moment, ...triggers(payload).map(({ config, enabled, type }) => [config, enabled, type])]);
  const [start] = useState(key);
  const [found, hold] = useState<PreviewState>({ preview: first, violations: [], busy: false });
  const asks = useRef(0);
  useEffect(() => {
    if (first && key === start) {
      hold({ preview: first, violations: [], busy: false });
      return;
    }
    let live = true;
    hold((last) => ({ ...last, busy: true }));
    const timer = setTimeout(async () => {
      const next = await ask(payload);
      if (live) hold((last) => (next.violations.length ? { ...next, preview: last.preview } : next));
    }, asks.current++ ? TYPING : 0);
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [key]);
  return found;
}

function triggers(payload: JsonValue) {
  const listed = at(payload, ["definition", "triggers"]);
  return (Array.isArray(listed) ? listed : []).map(objectOf);
}

async function ask(payload: JsonValue): Promise<PreviewState> {
  const violations: Violation[] = [];
  const slots: MessageInitShape<typeof PreviewSlotSchema>[] = [];
  const [summaries, notes] = [[] as string[], new Set<string>()];
  const asked = triggers(payload).map(async (trigger, n) => {
    if (trigger.type !== "schedule" || trigger.enabled === false) return;
    const config = objectOf(trigger.config);
    try {
      const answer = await automations.previewSchedule({ parent: workspace.value, config, count: SHOWN });
      summaries.push(answer.summary);
      answer.notes.forEach((each) => notes.add(each));
      for (const { fireTime, localTime, utcOffset, dstNote, skipped } of answer.slots) {
        const said = { triggerId: String(trigger.trigger_id), timeZone: String(config.timezone) };
        if (skipped) notes.add(dstNote || `${localTime} is skipped.`);
        else slots.push({ ...said, fireTime, localTime, utcOffset, dstNote });
      }
    } catch (thrown) {
      const problem = problemOf(thrown);
      const path = `definition.triggers[${n}].config`;
      violations.push(
        ...problem.violations.map((each) => ({ ...each, field: `${path}${each.field && "."}${each.field}` })),
      );
      if (!problem.violations.length) notes.add(problem.message);
    }
  });
  await Promise.all(asked);
  slots.sort((a, b) => Number((a.fireTime?.seconds ?? 0n) as bigint) - Number((b.fireTime?.seconds ?? 0n) as bigint));
  const preview = create(PreviewSchema, {
    summary: summaries.filter(Boolean).join("; "),
    slots: slots.slice(0, SHOWN),
    notes: [...notes],
  });
  return { preview, violations, busy: false };
}
