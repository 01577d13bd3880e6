/** A tail of a turn that outlives reloads, dropped networks and silent connections. */
import { Code } from "@connectrpc/connect";
import type { TurnEvent } from "../gen/rota/chat/v1/chat_pb.js";
import { backoff, pause, reached } from "../lib/network.js";
import { isPassing, type Problem, problemOf } from "../lib/problem.js";
import { chat } from "../lib/rpc.js";

/** Heartbeats come every few seconds; a connection that says nothing for so long is dead. */
const SILENCE = 45_000;
const OVER = ["completed", "failed", "cancelled"];

type Source = (signal: AbortSignal) => AsyncIterable<TurnEvent>;

export interface Following {
  name: () => string;
  sequence: () => number;
  frame: (frame: TurnEvent) => void;
  /** For the first attempt, and until the turn is named: says it (again, under the same id). */
  begin?: Source;
  stop: AbortSignal;
}

/** Until the turn has ended or `stop`; gives what can't be mended by trying again. */
export async function follow(tail: Following): Promise<Problem | undefined> {
  for (let failures = 0, first = true; !tail.stop.aborted; first = false) {
    const known = tail.sequence();
    try {
      const last = await once(tail, tail.begin && (first || !tail.name()) ? tail.begin : watch(tail));
      if (OVER.includes(last)) return undefined;
      failures = last ? 0 : failures + 1;
    } catch (thrown) {
      if (tail.stop.aborted) return undefined;
      const problem = problemOf(thrown);
      if (!isPassing(problem) && problem.code !== Code.Canceled) return problem;
      failures = tail.sequence() > known ? 1 : failures + 1;
    }
    if (failures) await pause(backoff(failures - 1), tail.stop);
  }
  return undefined;
}

function watch(tail: Following): Source {
  return (signal) =>
    chat.watchTurn({ name: tail.name(), afterSequence: tail.sequence() }, { signal });
}

/** One connection; gives the kind of its last frame. */
async function once(tail: Following, source: Source): Promise<string> {
  const attempt = new AbortController();
  const abort = () => attempt.abort();
  tail.stop.addEventListener("abort", abort);
  addEventListener("offline", abort);
  let watchdog = setTimeout(abort, SILENCE);
  let last = "";
  try {
    for await (const frame of source(attempt.signal)) {
      clearTimeout(watchdog);
      watchdog = setTimeout(abort, SILENCE);
      reached(true);
      tail.frame(frame);
      if (frame.event.case !== "heartbeat") last = frame.event.case ?? last;
    }
  } finally {
    clearTimeout(watchdog);
    tail.stop.removeEventListener("abort", abort);
    removeEventListener("offline", abort);
    attempt.abort();
  }
  return last;
}
