/** Templates with the fixed inputs of triggers filled in. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { at, isObject, type Path } from "../lib/json.js";

export interface Piece {
  text: string;
  /** It comes of a fixed input. */
  filled: boolean;
}

export interface Filling {
  /** The triggers that fill it in so. */
  triggers: string[];
  pieces: Piece[];
}

const TEMPLATE = /\{\{\s*inputs((?:\s*\.\s*[A-Za-z_]\w*|\s*\[\s*(?:\d+|'[^'\\]*'|"[^"\\]*")\s*\])+)\s*\}\}/g;
/** Statements and comments, which only a run carries out. */
const STATEMENT = /\{[%#]/;
const KEY = /\.\s*(\w+)|\[\s*(?:(\d+)|'([^']*)'|"([^"]*)")\s*\]/g;

/** What the text becomes with each trigger's fixed inputs; [] when they fill in nothing. */
export function fillings(text: string, triggers: JsonObject[]): Filling[] {
  const found = new Map<string, Filling>();
  if (STATEMENT.test(text)) return [];
  triggers.forEach((trigger, n) => {
    const pieces = isObject(trigger.static_inputs) ? filled(text, trigger.static_inputs) : [];
    if (!pieces.some((piece) => piece.filled)) return;
    const whole = JSON.stringify(pieces);
    const filling = found.get(whole) ?? { triggers: [], pieces };
    filling.triggers.push(typeof trigger.trigger_id === "string" ? trigger.trigger_id : `trigger ${n + 1}`);
    found.set(whole, filling);
  });
  return [...found.values()];
}

function filled(text: string, inputs: JsonObject): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(TEMPLATE)) {
    const value = written(at(inputs, pathOf(match[1]!)));
    if (value === undefined) continue;
    pieces.push({ text: text.slice(from, match.index), filled: false }, { text: value, filled: true });
    from = match.index + match[0].length;
  }
  pieces.push({ text: text.slice(from), filled: false });
  return pieces.filter((piece) => piece.filled || piece.text);
}

function pathOf(text: string): Path {
  return [...text.matchAll(KEY)].map(([, name, place, single, double]) => (place === undefined ? (name ?? single ?? double ?? "") : Number(place)));
}

/** As a run writes it into a text. Undefined for what is no text there; it is told beside the trigger. */
function written(value: JsonValue | undefined): string | undefined {
  if (value === null) return "";
  return typeof value === "object" || value === undefined ? undefined : String(value);
}

/** What stands in a template at a caret, and what it may be completed to. */
export interface Completion {
  /** The part of the text that is replaced. */
  from: number;
  to: number;
  options: string[];
}

/** The filters of docs/templates.md. */
export const FILTERS = [
  "abs", "batch", "capitalize", "center", "count", "d", "date", "default", "dictsort", "e", "escape", "filesizeformat",
  "first", "float", "forceescape", "format", "groupby", "indent", "int", "items", "join", "last", "length", "list",
  "lower", "map", "max", "min", "regex_replace", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select",
  "selectattr", "slice", "slugify", "sort", "string", "striptags", "sum", "title", "tojson", "trim", "truncate", "unique",
  "upper", "urlencode", "wordcount", "wordwrap",
];
/** Names of which `date` makes no date: times and names. */
const NO_DATE = /\b(?:(?:run|previous)\.local_time|run\.(?:id|name|time_zone)|previous\.run|trigger\.(?:trigger_id|type)|steps\.[\w-]+\.(?:status|attempts))\s*\|\s*\w*$/;
const STEP = ["output", "status", "error", "attempts", "started_at", "finished_at"];
const RUN = ["slot_time", "local_date", "local_time", "time_zone", "id", "name"];
const PREVIOUS = ["output", "run", "slot_time", "local_date", "local_time"];
const FIRED = ["fired_at", "scheduled_for", "last_fired_at"];
const TRIGGER = ["trigger_id", "type", ...FIRED];
const ERROR = ["step_id", "reason", "message", "code", "metadata"];
const MOST = 12;

/** The names that a step's templates may use, each written out. `path` is that of a text in the step. */
export function names(definition: JsonValue | undefined, path: Path): string[] {
  const failing = path.includes("on_failure");
  const position = Number(path[path.indexOf(failing ? "on_failure" : "plan") + 1]);
  const plan = steps(at(definition, ["plan"]));
  const before = failing ? [...plan, ...steps(at(definition, ["execution", "on_failure"])).slice(0, position)] : plan.slice(0, position);
  const inputs = new Set<string>();
  const declared = at(definition, ["inputs", "schema", "properties"]);
  for (const each of [declared, ...objects(at(definition, ["triggers"])).map((trigger) => trigger.static_inputs)]) {
    if (isObject(each)) Object.keys(each).forEach((name) => inputs.add(name));
  }
  FIRED.forEach((name) => inputs.add(name));
  return [
    ...[...inputs].map((name) => (/^[A-Za-z_]\w*$/.test(name) ? `inputs.${name}` : `inputs['${name}']`)),
    ...before.flatMap(({ id, output }) => [...STEP.map((member) => `steps.${id}.${member}`), ...(output ? [`steps.${output}`] : [])]),
    ...RUN.map((name) => `run.${name}`),
    ...TRIGGER.map((name) => `trigger.${name}`),
    ...PREVIOUS.map((name) => `previous.${name}`),
    ...plan.flatMap(({ id }) => STEP.map((member) => `previous.steps.${id}.${member}`)),
    ...(failing ? ERROR.map((name) => `error.${name}`) : []),
  ];
}

/** What a caret may be completed with; undefined where nothing is begun. `bare`: the text is an expression. */
export function complete(text: string, caret: number, known: string[], bare = false): Completion | undefined {
  const before = text.slice(0, caret);
  const open = Math.max(before.lastIndexOf("{{"), before.lastIndexOf("{%"));
  const inside = open >= 0 && !/[%}]\}/.test(before.slice(open + 2));
  if (!inside && !bare) return undefined;
  const code = inside ? before.slice(open + 2) : before;
  const filter = /\|\s*(\w*)$/.exec(code);
  const typed = filter ? filter[1]! : /[\w.\-']*(?:\['?[\w -]*)?$/.exec(code)![0];
  if (!filter && !typed && (bare || !/\s$/.test(code))) return undefined;
  const fitting = NO_DATE.test(code) ? FILTERS.filter((each) => each !== "date") : FILTERS;
  const options = (filter ? fitting : known).filter((each) => each.startsWith(typed) && each !== typed).slice(0, MOST);
  return options.length ? { from: caret - typed.length, to: caret, options } : undefined;
}

function steps(value: JsonValue | undefined): { id: string; output: string }[] {
  return objects(value).map((step) => ({ id: String(step.step_id ?? ""), output: typeof step.output_as === "string" ? step.output_as : "" }));
}

function objects(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}
