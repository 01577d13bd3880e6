/** Labels, tones and filters of the kinds of inbox items. */
import { InboxItem_Kind as Kind } from "../gen/rota/automation/v1/inbox_pb.js";
import type { Tone } from "../ui/parts.js";

export const KINDS: Record<number, [string, Tone]> = {
  [Kind.RESULT]: ["Result", "good"],
  [Kind.RUN_FAILED]: ["Run failed", "bad"],
  [Kind.APPROVAL_WAITING]: ["Approval", "wait"],
  [Kind.AUTOMATION_PAUSED]: ["Automation paused", "bad"],
  [Kind.AUTOMATION_RESUMED]: ["Automation resumed", "calm"],
  [Kind.TRIGGER_DISABLED]: ["Trigger disabled", "bad"],
  [Kind.DESTINATION_PAUSED]: ["Destination paused", "bad"],
  [Kind.DELIVERY_FAILED]: ["Result not delivered", "bad"],
};

/** What the list can be narrowed to, and the filter of the API that does so. */
export const FILTERS: [string, string][] = [
  ["Everything", ""],
  ["Unread", "state = UNREAD"],
  ["Results", "kind = RESULT"],
  ["Approvals", "kind = APPROVAL_WAITING"],
  ["Other notices", "kind != RESULT AND kind != APPROVAL_WAITING"],
];
