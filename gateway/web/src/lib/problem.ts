/** Errors as a person reads them. */
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Status } from "../gen/google/rpc/status_pb.js";
import { formatPath, parsePath } from "./json.js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.js";

export interface Violation {
  /** Path in the payload, such as `definition.plan[0].config.prompt`. */
  field: string;
  description: string;
  /** Such as `NEVER_FIRES`. */
  reason: string;
}

export interface Problem {
  code: Code;
  reason: string;
  message: string;
  violations: Violation[];
  /** How many violations there are beside these. */
  more: number;
}

const NAMED = /^\w+\//;
const PREFIX = /^(?:decision\.edit\.payload|automation|destination|model_config|config)\.?/;

export function problemOf(thrown: unknown): Problem {
  const error = ConnectError.from(thrown);
  const info = error.findDetails(ErrorInfoSchema)[0];
  return {
    code: error.code,
    reason: info?.reason ?? "",
    message: withRetry(worded(error.code, error.rawMessage), Number(error.findDetails(RetryInfoSchema)[0]?.retryDelay?.seconds ?? 0n)),
    violations: error
      .findDetails(BadRequestSchema)
      .flatMap((each) => each.fieldViolations)
      .map(({ field, description, reason }) => ({ field: formatPath(parsePath(field.replace(PREFIX, ""))), description, reason })),
    more: Number(info?.metadata.more_violations ?? 0) || 0,
  };
}

/** True if a retry can help: the connection failed, not the request. */
export function isTransient(problem: Problem): boolean {
  const passing = [Code.Unavailable, Code.DeadlineExceeded, Code.Aborted, Code.Internal];
  return passing.includes(problem.code) || (problem.code === Code.Unknown && !problem.reason);
}

export function errorText(status: Status | undefined): string {
  return status?.message || "It did not say why.";
}

const PASSING = [
  "INTERNAL", "MODEL_RATE_LIMITED", "MODEL_UNAVAILABLE", "PEER_UNAVAILABLE", "RATE_LIMITED", "SERVICE_UNAVAILABLE", "TIMED_OUT",
  "TOO_MANY_STREAMS",
];

/** Whether a turn that failed so may succeed later, with the same message and model. */
export function isPassing(status: Status | undefined): boolean {
  const info = status?.details.map((each) => anyUnpack(each, ErrorInfoSchema)).find((each) => each !== undefined);
  // The provider refused the key, the account or the request itself.
  const isRefused = [info?.metadata.account, info?.metadata.request].includes("refused");
  return !isRefused && PASSING.includes(info?.reason ?? "");
}

/** The message, and when it can be tried again, unless that is soon. */
function withRetry(message: string, seconds: number): string {
  if (seconds < 30) return message;
  const time = new Date(Date.now() + seconds * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  return `${message.replace(/[.!?]?$/, ".")} It can be tried again at ${time}.`;
}

function worded(code: Code, message: string): string {
  if (/failed to fetch|networkerror|load failed/i.test(message)) {
    return "The gateway can't be reached. Is the network there?";
  }
  // A name is written as it is.
  if (message) return NAMED.test(message) ? message : message.charAt(0).toUpperCase() + message.slice(1);
  return `It failed: ${Code[code]}.`;
}
