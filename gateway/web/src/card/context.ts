/** What the service says of a payload that is edited, asked for again after each edit. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { useEffect, useState } from "preact/hooks";
import type { Approval } from "../gen/rota/chat/v1/chat_pb.js";
import { objectOf } from "../lib/json.js";
import { problemOf, type Violation } from "../lib/problem.js";
import { chat } from "../lib/rpc.js";
import { TYPING } from "./preview.js";

const UNREFUSED = { refused: [] as Violation[], more: 0 };

export interface ContextState {
  context: JsonObject;
  /** An answer for the payload is on its way. */
  busy: boolean;
  /** The context is of an earlier payload, as this one could not be checked or was refused. */
  stale: boolean;
  /** Why the payload was refused. */
  refused: Violation[];
  /** How many violations there are beside these. */
  more: number;
}

/** `altered`: the payload is another than the approval's. `checkable`: it has no fault that is known. */
export function useCardContext(approval: Approval, payload: JsonValue, altered: boolean, checkable: boolean): ContextState {
  const first = objectOf(approval.context);
  const key = !altered ? "" : checkable ? JSON.stringify(payload) : undefined;
  const [known] = useState(() => new Map<string, JsonObject>());
  const [last, hold] = useState({ key: "", context: first, failed: false, ...UNREFUSED });
  useEffect(() => {
    if (key === undefined) return;
    const there = key ? known.get(key) : first;
    if (there) return hold({ key, context: there, failed: false, ...UNREFUSED });
    let live = true;
    const timer = setTimeout(async () => {
      const { name, payloadDigest } = approval;
      const decision = { approval: name, payloadDigest, decision: { case: "edit" as const, value: { payload: objectOf(payload) } } };
      try {
        const context = objectOf((await chat.previewDecision({ name, decision })).context);
        known.set(key, context);
        if (live) hold({ key, context, failed: false, ...UNREFUSED });
      } catch (thrown) {
        const { violations: refused, more } = problemOf(thrown);
        if (live) hold(({ context }) => ({ key, context, failed: true, refused, more }));
      }
    }, TYPING);
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [key, approval.payloadDigest]);
  if (key === undefined) return { context: last.context, busy: false, stale: true, ...UNREFUSED };
  if (!key) return { context: first, busy: false, stale: false, ...UNREFUSED };
  if (last.key !== key) return { context: last.context, busy: true, stale: false, ...UNREFUSED };
  return { ...last, busy: false, stale: last.failed };
}
