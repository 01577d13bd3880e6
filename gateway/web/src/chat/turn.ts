/** Frames → the view of a turn. Pure: the same frames give the same view. */
import type { JsonObject } from "@bufbuild/protobuf";
import {
  type Approval,
  type Message,
  type Part,
  type RunResult,
  type Turn,
  type TurnEvent,
  Step_State,
  ToolCallFinished_Outcome as Outcome,
  Turn_State,
} from "../gen/rota/chat/v1/chat_pb.js";
import { errorText, isPassing } from "../lib/problem.js";
import { dateOf } from "../lib/time.js";

export type Item =
  | { kind: "step"; id: string; title: string; lines: string[]; done: boolean }
  | { kind: "text" | "reasoning"; message: string; block: number; text: string }
  | Tool
  | { kind: "approval"; approval: Approval }
  | { kind: "result"; message: string; result: RunResult; time: Date | undefined }
  | { kind: "note"; text: string };

export interface Tool {
  kind: "tool";
  id: string;
  message: string;
  block: number;
  tool: string;
  args: string;
  outcome: Outcome;
  output?: JsonObject;
  resource: string;
}

export type State = "sending" | "running" | "waiting" | "done" | "failed" | "cancelled";

export interface TurnView {
  /** Empty until the service names the turn. */
  name: string;
  /** Sequence of the last applied frame. */
  sequence: number;
  state: State;
  said: Part[];
  items: Item[];
  /** The error of a failed turn. */
  failure: string;
  /** The same message may succeed later. */
  passing: boolean;
}

export const isOpen = (view: TurnView) => ["sending", "running", "waiting"].includes(view.state);

/** Whether a run brought the turn, and no person asked for it. */
export const isDelivered = (view: TurnView) => view.items.some((item) => item.kind === "result");

export function newTurn(said: Part[], name = ""): TurnView {
  return { name, sequence: 0, state: name ? "running" : "sending", said, items: [], failure: "", passing: false };
}

/** Returns the view with one more frame; a known frame changes nothing. */
export function applyFrame(view: TurnView, frame: TurnEvent): TurnView {
  const { event } = frame;
  if (event.case === "heartbeat" || frame.sequence <= view.sequence) return view;
  const next = { ...view, sequence: frame.sequence };
  switch (event.case) {
    case "started":
      return { ...next, name: event.value.turn, state: "running" };
    case "step": {
      const { id, title, items: lines, state } = event.value;
      const step: Item = { kind: "step", id, title, lines, done: state === Step_State.COMPLETED };
      return { ...next, items: placed(view.items, step, (i) => i.kind === "step" && i.id === id) };
    }
    case "textDelta":
      return { ...next, items: appended(view.items, "text", event.value) };
    case "reasoningDelta":
      return { ...next, items: appended(view.items, "reasoning", event.value) };
    case "toolCallStarted": {
      const { toolCallId: id, message, block, tool } = event.value;
      return { ...next, items: placed(view.items, begun(id, message, block, tool), isTool(id)) };
    }
    case "toolCallArgsDelta": {
      const { toolCallId, json } = event.value;
      return { ...next, items: tooled(view.items, toolCallId, (t) => ({ ...t, args: t.args + json })) };
    }
    case "toolCallFinished": {
      const { toolCallId, outcome, output, resource } = event.value;
      const ended = (tool: Tool): Tool => ({ ...tool, outcome, output, resource });
      return { ...next, items: tooled(view.items, toolCallId, ended) };
    }
    case "approvalRequested":
    case "approvalDecided":
      return { ...next, items: withApproval(view.items, event.value.approval) };
    case "suspended":
      return { ...next, state: "waiting", items: event.value.approvals.reduce(withApproval, view.items) };
    case "modelRerouted":
      return { ...next, items: [...view.items, note(`Another model continues: ${event.value.reason}`)] };
    case "retrying":
      return { ...next, items: [...view.items, note(`Trying again: ${event.value.reason}`)] };
    case "textRetracted": {
      const { message, fromBlock } = event.value;
      const holds = (item: Item) =>
        !("block" in item) || item.message !== message || item.block < fromBlock;
      return { ...next, items: view.items.filter(holds) };
    }
    case "completed":
      return { ...next, state: "done" };
    case "failed":
      return { ...next, state: "failed", failure: errorText(event.value.status), passing: isPassing(event.value.status) };
    case "cancelled":
      return { ...next, state: "cancelled" };
    default:
      return next;
  }
}

/** Returns the view of an ended turn from its stored messages. */
export function storedTurn(turn: Turn, messages: Message[]): TurnView {
  const [people, agents] = [messages.filter(isUser), messages.filter((each) => !isUser(each))];
  let items: Item[] = [];
  for (const message of agents) {
    message.parts.forEach((part, block) => (items = withPart(items, message, block, part)));
  }
  items = turn.approvals.reduce(withApproval, items);
  const states: Partial<Record<Turn_State, State>> = {
    [Turn_State.RUNNING]: "running",
    [Turn_State.AWAITING_APPROVAL]: "waiting",
    [Turn_State.FAILED]: "failed",
    [Turn_State.CANCELLED]: "cancelled",
  };
  return {
    ...newTurn(people.flatMap((each) => each.parts), turn.name),
    sequence: turn.lastSequence,
    state: states[turn.state] ?? "done",
    items,
    failure: turn.state === Turn_State.FAILED ? errorText(turn.error) : "",
    passing: turn.state === Turn_State.FAILED && isPassing(turn.error),
  };
}

export function isUser(message: Message): boolean {
  return message.role === 1;
}

function withPart(items: Item[], { name: message, createTime }: Message, block: number, part: Part): Item[] {
  switch (part.part.case) {
    case "runResult":
      return [...items, { kind: "result", message, result: part.part.value, time: dateOf(createTime) }];
    case "text":
    case "reasoning":
      return [...items, { kind: part.part.case, message, block, text: part.part.value }];
    case "toolCall": {
      const { toolCallId, tool, argsJson, outcome, output, resource } = part.part.value;
      const made = { ...begun(toolCallId, message, block, tool), args: argsJson, outcome, output, resource };
      // A call that waited is told in two messages: asked in one, ended in the next.
      const ended = (old: Tool): Tool => ({ ...old, outcome, output, resource });
      return items.some(isTool(toolCallId)) ? tooled(items, toolCallId, ended) : [...items, made];
    }
    default:
      return items;
  }
}

function begun(id: string, message: string, block: number, tool: string): Tool {
  const outcome = Outcome.OUTCOME_UNSPECIFIED;
  return { kind: "tool", id, message, block, tool, args: "", outcome, resource: "" };
}

const isTool = (id: string) => (item: Item) => item.kind === "tool" && item.id === id;
const note = (text: string): Item => ({ kind: "note", text });

function placed(items: Item[], item: Item, is: (item: Item) => boolean): Item[] {
  return items.some(is) ? items.map((each) => (is(each) ? item : each)) : [...items, item];
}

function tooled(items: Item[], id: string, change: (tool: Tool) => Tool): Item[] {
  return items.map((item) => (item.kind === "tool" && item.id === id ? change(item) : item));
}

function appended(
  items: Item[],
  kind: "text" | "reasoning",
  { message, block, text }: { message: string; block: number; text: string },
): Item[] {
  const last = items.at(-1);
  if (last?.kind === kind && last.message === message && last.block === block) {
    return [...items.slice(0, -1), { ...last, text: last.text + text }];
  }
  return [...items, { kind, message, block, text }];
}

/** Adds or replaces an approval; keeps a schema that is known. */
function withApproval(items: Item[], approval: Approval | undefined): Item[] {
  if (!approval) return items;
  const is = (item: Item) => item.kind === "approval" && item.approval.name === approval.name;
  const old = items.find(is);
  const schema = approval.payloadSchema ?? (old?.kind === "approval" ? old.approval.payloadSchema : undefined);
  const item: Item = { kind: "approval", approval: { ...approval, payloadSchema: schema } };
  if (old) return placed(items, item, is);
  const call = items.findIndex((each) => each.kind === "tool" && each.id === approval.toolCallId);
  return call < 0 ? [...items, item] : items.toSpliced(call + 1, 0, item);
}
