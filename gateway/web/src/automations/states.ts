/** Labels and tones of states and outcomes. */
import {
  Automation_State as Auto,
  Run_State as Run,
  Slot_Outcome as Outcome,
  StepResult_Status as Step,
  type Usage,
} from "../gen/rota/automation/v1/automation_pb.js";
import { Delivery_State as Delivery } from "../gen/rota/automation/v1/delivery_pb.js";
import type { Tone } from "../ui/parts.js";

type Look = [string, Tone];

export const AUTOMATION: Record<number, Look> = {
  [Auto.ACTIVE]: ["Active", "good"],
  [Auto.PAUSED]: ["Paused", "wait"],
  [Auto.ARCHIVED]: ["Archived", "calm"],
};

export const RUN: Record<number, Look> = {
  [Run.PENDING]: ["Pending", "calm"],
  [Run.RUNNING]: ["Running", "busy"],
  [Run.SUCCEEDED]: ["Succeeded", "good"],
  [Run.FAILED]: ["Failed", "bad"],
  [Run.CANCELLED]: ["Cancelled", "calm"],
  [Run.TIMED_OUT]: ["Timed out", "bad"],
};

export const STEP: Record<number, Look> = {
  [Step.RUNNING]: ["Running", "busy"],
  [Step.SUCCEEDED]: ["Succeeded", "good"],
  [Step.FAILED]: ["Failed", "bad"],
  [Step.SKIPPED]: ["Skipped", "calm"],
  [Step.CANCELLED]: ["Cancelled", "calm"],
  [Step.TIMED_OUT]: ["Timed out", "bad"],
};

export const SLOT: Record<number, Look> = {
  [Outcome.FIRED]: ["Fired", "good"],
  [Outcome.CAUGHT_UP]: ["Caught up late", "good"],
  [Outcome.SKIPPED_OVERLAP]: ["Skipped: still running", "wait"],
  [Outcome.SKIPPED_PAUSED]: ["Skipped: paused", "calm"],
  [Outcome.SKIPPED_DST]: ["Skipped: clock change", "calm"],
  [Outcome.MISSED]: ["Missed", "bad"],
  [Outcome.REJECTED]: ["Rejected", "bad"],
  [Outcome.SKIPPED_REQUESTED]: ["Skipped on request", "calm"],
};

export const DELIVERY: Record<number, Look> = {
  [Delivery.PENDING]: ["Waiting", "busy"],
  [Delivery.RETRYING]: ["Trying again", "wait"],
  [Delivery.SENT]: ["Sent", "good"],
  [Delivery.FAILED]: ["Failed", "bad"],
  [Delivery.UNCHANGED]: ["Left out: unchanged", "calm"],
  [Delivery.EMPTY]: ["Left out: empty", "calm"],
};

export function look(table: Record<number, Look>, state: number): Look {
  return table[state] ?? ["Unknown", "calm"];
}

/** `0.0012 USD`; empty for nothing. */
export function costText(usage: Usage | undefined): string {
  const cost = Number(usage?.costMicros ?? 0n) / 1e6;
  return cost ? `${cost.toFixed(4)} USD` : "";
}

export const hasEnded = (state: Run) => ![Run.PENDING, Run.RUNNING, Run.STATE_UNSPECIFIED].includes(state);
