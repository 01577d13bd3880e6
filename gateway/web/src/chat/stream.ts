/** The frames of a turn, over reloads, lost networks and silent connections. */
import { Code } from "@connectrpc/connect";
import type { TurnEvent } from "../gen/rota/chat/v1/chat_pb.js";
import { backoff, sleep, setOnline } from "../lib/network.js";
import { isTransient, type Problem, problemOf } from "../lib/problem.js";
import { chat } from "../lib/rpc.js";

/** Milliseconds. Heartbeats come every few seconds: a connection silent for so long is dead. */
const SILENCE = 45_000;
const OVER = ["completed", "failed", "cancelled"];

type Source = (signal: AbortSignal) => AsyncIterable<TurnEvent>;

export interface StreamOptions {
  name: () => string;
  sequence: () => number;
  frame: (frame: TurnEvent) => void;
  /** Sends the message, with the same id each time, until the turn has a name. */
  begin?: Source;
  stop: AbortSignal;
}

/** Reads until the turn ends or `stop` aborts; returns an error that a retry can't mend. */
export async function followTurn(tail: StreamOptions): Promise<Problem | undefined> {
  for (let failures = 0, first = true; !tail.stop.aborted; first = false) {
    const known = tail.sequence();
    try {
      const last = await once(tail, tail.begin && (first || !tail.name()) ? tail.begin : watch(tail));
      if (OVER.includes(last)) return undefined;
      failures = last ? 0 : failures + 1;
    } catch (thrown) {
      if (tail.stop.aborted) return undefined;
      const problem = problemOf(thrown);
      if (!isTransient(problem) && problem.code !== Code.Canceled) return problem;
      failures = tail.sequence() > known ? 1 : failures + 1;
    }
    if (failures) await sleep(backoff(failures - 1), tail.stop);
  }
  return undefined;
}

function watch(tail: StreamOptions): Source {
  return (signal) =>
    chat.watchTurn({ name: tail.name(), afterSequence: tail.sequence() }, { signal });
}

/** Reads one connection; returns the kind of its last frame. */
async function once(tail: StreamOptions, source: Source): Promise<string> {
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
      setOnline(true);
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
