/** JSON values: paths, key order, and differences by line. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

export type Path = (string | number)[];

const ORDER = [
  "display_name", "name", "description", "definition", "schema_version", "goal",
  "trigger_id", "step_id", "type", "action", "enabled", "cron", "at", "every", "unit", "count", "anchor", "timezone", "when",
  "prompt", "tools", "model", "triggers", "plan", "config", "static_inputs", "inputs", "execution",
];

/** Sorts keys in an order for people. */
export function sortKeys(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (!isObject(value)) return value;
  const rank = (key: string) => (ORDER.includes(key) ? ORDER.indexOf(key) : ORDER.length);
  const keys = Object.keys(value).sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return Object.fromEntries(keys.map((key) => [key, sortKeys(value[key]!)]));
}

export function pretty(value: JsonValue): string {
  return JSON.stringify(sortKeys(value), null, 2);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

export function same(a: JsonValue, b: JsonValue): boolean {
  return pretty(a) === pretty(b);
}

export function at(value: JsonValue | undefined, path: Path): JsonValue | undefined {
  let here: JsonValue | undefined = value;
  for (const key of path) {
    if (Array.isArray(here)) here = here[Number(key)];
    else if (isObject(here)) here = here[key];
    else return undefined;
  }
  return here;
}

/** Returns a copy with another value at the path; `undefined` removes it. */
export function put(value: JsonValue, path: Path, to: JsonValue | undefined): JsonValue {
  const [key, ...rest] = path;
  if (key === undefined) return to ?? null;
  if (typeof key === "number") {
    const list = Array.isArray(value) ? [...value] : [];
    if (!rest.length && to === undefined) list.splice(key, 1);
    else list[key] = put(list[key] ?? null, rest, to);
    return list;
  }
  const copy: JsonObject = isObject(value) ? { ...value } : {};
  if (!rest.length && to === undefined) delete copy[key];
  else copy[key] = put(copy[key] ?? null, rest, to);
  return copy;
}

/** `definition.plan[0].config["a b"]` */
export function formatPath(path: Path): string {
  return path.map(formatKey).join("").replace(/^\./, "");
}

function formatKey(key: string | number): string {
  if (typeof key === "number") return `[${key}]`;
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

export interface Change {
  path: string;
  /** Absent: the field is new. */
  before?: JsonValue;
  /** Absent: the field was removed. */
  after?: JsonValue;
}

/** Returns the changed fields; lists of different lengths change as a whole. */
export function changes(before: JsonValue | undefined, after: JsonValue | undefined, path: Path = []): Change[] {
  if (before !== undefined && after !== undefined && same(before, after)) return [];
  if (isObject(before) && isObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return keys.flatMap((key) => (before[key] === undefined && after[key] === undefined ? [] : changes(before[key], after[key], [...path, key])));
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length && before.some(isObject)) {
    return before.flatMap((each, n) => changes(each, after[n], [...path, n]));
  }
  return [{ path: formatPath(path), before, after }];
}

/** `definition.plan[0].config["a b"]` → keys and indexes. */
export function parsePath(path: string): Path {
  return [...path.matchAll(/\[("(?:[^"\\]|\\.)*")\]|\[(\d+)\]|([^.[\]]+)/g)].map(([, text, place, key]) => (text ? unquote(text) : (key ?? Number(place))));
}

/** The text of a key in brackets. One that was cut is shown as it came. */
function unquote(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}

export interface Line {
  kind: "same" | "added" | "removed";
  text: string;
}

/** Keeps the longest common lines; the rest is removed or added. */
export function diffLines(before: string, after: string): Line[] {
  return diffPieces(before.split("\n"), after.split("\n"));
}

/** The same for other pieces, such as words. */
export function diffPieces(a: string[], b: string[]): Line[] {
  const length = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      length[i]![j] =
        a[i] === b[j]
          ? length[i + 1]![j + 1]! + 1
          : Math.max(length[i + 1]![j]!, length[i]![j + 1]!);
    }
  }
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push({ kind: "same", text: a[i]! });
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && length[i + 1]![j]! >= length[i]![j + 1]!)) {
      lines.push({ kind: "removed", text: a[i++]! });
    } else {
      lines.push({ kind: "added", text: b[j++]! });
    }
  }
  return lines;
}

/** Returns the JSON as `pretty` prints it; empty for invalid JSON. */
export function normalise(text: string): string {
  try {
    return pretty(JSON.parse(text) as JsonValue);
  } catch {
    return "";
  }
}
