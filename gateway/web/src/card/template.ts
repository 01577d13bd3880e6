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
