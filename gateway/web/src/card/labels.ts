/** Labels of the fields of a definition. */
import { parsePath } from "../lib/json.js";
import { moment } from "../lib/time.js";

export const LABELS: Record<string, string> = {
  display_name: "Name",
  cron: "Cron",
  at: "At",
  every: "Every",
  anchor: "First time",
  excluded_dates: "Not on these dates",
  day_match: "Day of month and day of week",
  timezone: "Time zone",
  trigger_id: "Trigger id",
  step_id: "Step id",
  when: "Only when",
  output_as: "Also called",
  max_retries: "Retries",
  timeout_seconds: "Time limit (s)",
  retry_backoff: "Wait between tries",
  concurrency: "While it still runs",
  budget_cap_usd: "Budget a run (USD)",
  on_failure: "If a step fails for good",
  static_inputs: "Fixed inputs",
  max_fires: "Fires at most",
  start_time: "Not before",
  end_time: "Not after",
  jitter_seconds: "Random delay (s)",
  catchup_window_seconds: "May be late by (s)",
  on_gap: "Skipped local times",
  on_fold: "Repeated local times",
  auto_approve: "Approve what it asks for",
  output_schema: "Shape of the answer",
  created_from_nl: "Made from a sentence",
  schema_version: "Schema version",
  runs_per_month: "Runs a month",
  plan: "Steps",
  to: "Where it goes",
  only: "Send it",
  resume_time: "Until",
  slot_time: "Skip",
  estimated_cost_usd: "Estimated cost a month (USD)",
};

const VALUES: Record<string, string> = {
  drop_if_running: "skip the new one",
  queue: "wait in line",
  always: "run beside it",
  cancel_running: "cancel it, then run",
  previous: "what it gave in the last run",
  exponential: "longer each time",
  linear: "5 s more each time",
  none: "no wait",
  shift: "run right after",
  skip: "skip them",
  first: "the first",
  last: "the last",
  both: "both",
  any: "either is enough",
  all: "both must match",
};

/** The forms of a schedule. */
export const FORMS: Record<string, string> = {
  cron: "by cron",
  at: "once",
  every: "every so often",
};

/** A key that is no plain word is shown as it is. */
export function label(key: string): string {
  if (Object.hasOwn(LABELS, key)) return LABELS[key]!;
  if (!/^[a-z][a-z0-9_]*$/.test(key)) return key;
  const words = key.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Words of the values of one field. */
const VALUES_OF: Record<string, Record<string, string>> = {
  only: { always: "every time", changed: "only when it changes", when_not_empty: "only when there is something in it" },
};

/** A value that has no words of its own is shown as it is. */
export function choice(value: string, key = ""): string {
  const own = Object.hasOwn(VALUES_OF, key) ? VALUES_OF[key]! : {};
  if (Object.hasOwn(own, value)) return own[value]!;
  return Object.hasOwn(VALUES, value) ? VALUES[value]! : value;
}

/** `definition.plan[0].config.prompt` → `Step 1 · Prompt` */
export function place(path: string): string {
  const words: string[] = [];
  const keys = parsePath(path);
  keys.forEach((key, n) => {
    const next = keys[n + 1];
    if (typeof key === "number" || key === "definition" || key === "config") return;
    if (typeof next === "number") words.push(`${Object.hasOwn(ONE, key) ? ONE[key] : label(key)} ${next + 1}`);
    else if (key !== "execution" || n === keys.length - 1) words.push(label(key));
  });
  return words.join(" · ") || "The card";
}

const INSTANT = /\b\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)/g;
const PATH = /\b(?:decision\.edit\.payload|automation)?\.?(?:definition\.[a-z_]+|(?:triggers|plan|on_failure)\[\d+\])(?:\[\d+\]|\.[a-z_]+)*/g;

/** A refusal of the service in the card's words: labels in place of paths and keys, times as everywhere. */
export function refusalText(text: string): string {
  return text
    .replace(PATH, (path) => `“${place(path.replace(/^(?:decision\.edit\.payload|automation)\./, ""))}”`)
    .replace(/\b[a-z]+(?:_[a-z]+)+\b/g, (key) => (Object.hasOwn(LABELS, key) ? `“${LABELS[key]}”` : key))
    .replace(INSTANT, (time) => moment(new Date(time)));
}

const ONE: Record<string, string> = { plan: "Step", triggers: "Trigger", on_failure: "After a failure, step" };

export const WHILE_RUNNING: Record<string, string> = {
  drop_if_running: "If the last run still goes on, the new one is skipped and the ledger says so.",
  queue: "If the last run still goes on, the new one waits in line.",
  always: "A new run starts even while the last one still goes on.",
  cancel_running: "If the last run still goes on, it is cancelled, and the new one runs after its end.",
};
