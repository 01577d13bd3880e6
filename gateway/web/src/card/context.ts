/** What the service says of a payload that is edited, asked for again after each edit. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { useEffect, useState } from "preact/hooks";
import type { Approval } from "../gen/rota/chat/v1/chat_pb.js";
import { objectOf } from "../lib/json.js";
import { chat } from "../lib/rpc.js";
import { TYPING } from "./preview.js";

export interface ContextState {
  context: JsonObject;
  /** An answer for the payload is on its way. */
  busy: boolean;
  /** The context is of an earlier payload, as this one could not be checked. */
  stale: boolean;
}

/** `altered`: the payload is another than the approval's. `checkable`: it has no fault that is known. */
export function useCardContext(approval: Approval, payload: JsonValue, altered: boolean, checkable: boolean): ContextState {
  const first = objectOf(approval.context);
  const key = !altered ? "" : checkable ? JSON.stringify(payload) : undefined;
  const [known] = useState(() => new Map<string, JsonObject>());
  const [last, hold] = useState({ key: "", context: first, failed: false });
  useEffect(() => {
    if (key === undefined) return;
    const there = key ? known.get(key) : first;
    if (there) return hold({ key, context: there, failed: false });
    let live = true;
    const timer = setTimeout(async () => {
      const { name, payloadDigest } = approval;
      const decision = { approval: name, payloadDigest, decision: { case: "edit" as const, value: { payload: objectOf(payload) } } };
      const answer = await chat.previewDecision({ name, decision }).catch(() => undefined);
      if (!live) return;
      if (!answer) return hold(({ context }) => ({ key, context, failed: true }));
      const context = objectOf(answer.context);
      known.set(key, context);
      hold({ key, context, failed: false });
    }, TYPING);
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [key, approval.payloadDigest]);
  if (key === undefined) return { context: last.context, busy: false, stale: true };
  if (!key) return { context: first, busy: false, stale: false };
  return { context: last.context, busy: last.key !== key, stale: last.key === key && last.failed };
}
