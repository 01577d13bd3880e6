/** The changed fields, with old and new values. */
import type { ComponentChildren } from "preact";
import type { JsonValue } from "@bufbuild/protobuf";
import { type Change, diffPieces, isObject, objectOf } from "../lib/json.js";
import { Values } from "../ui/Values.js";
import { choice, label, place } from "./labels.js";

const SHORT = 48;
const COMPARED = 1500;

export function Changes({ list }: { list: Change[] }) {
  return (
    <dl class="changes">
      {told(list).map((each) => (
        <div key={each.path} class={isShort(each) ? "short" : undefined}>
          <dt>{place(each.path)}</dt>
          <dd><Sides change={each} /></dd>
        </div>
      ))}
    </dl>
  );
}

/** Returns `difference` of an approval's context, or []. */
export function changesOf(value: JsonValue | undefined): Change[] {
  const list = Array.isArray(value) ? value.filter(isObject) : [];
  return list.map(({ path, before, after }) => ({ path: String(path), before, after }));
}

/** Two fields with one value give one row. */
function told(list: Change[]): Change[] {
  const name = list.find((each) => each.path === "display_name");
  return list.filter((each) => each.path !== "definition.name" || each.after !== name?.after);
}

function isShort({ before, after }: Change): boolean {
  return [before, after].every((side) => side === undefined || side === null || (typeof side !== "object" && String(side).length <= SHORT));
}

function Sides({ change }: { change: Change }) {
  const { before, after } = change;
  const [old, fresh] = marked(before, after);
  return (
    <>
      <del class="was"><span class="unseen">was: </span>{old}</del>
      <span class="arrow" aria-hidden="true">→</span>
      <ins class="becomes"><span class="unseen"> becomes: </span>{fresh}</ins>
    </>
  );
}

/** Both values; long texts have their changed words marked. */
function marked(before: JsonValue | undefined, after: JsonValue | undefined): [ComponentChildren, ComponentChildren] {
  const both = typeof before === "string" && typeof after === "string";
  if (!both || Math.min(before.length, after.length) <= SHORT || before.length + after.length > 2 * COMPARED) {
    return [<Side value={before} />, <Side value={after} />];
  }
  const words = diffPieces(before.split(/(\s+)/), after.split(/(\s+)/));
  const side = (kind: "added" | "removed") => (
    <span class="text">
      {words.filter((each) => each.kind === "same" || each.kind === kind)
        .map((each, n) => (each.kind === "same" || !each.text.trim() ? each.text : <mark key={n}>{each.text}</mark>))}
    </span>
  );
  return [side("removed"), side("added")];
}

function Side({ value }: { value: JsonValue | undefined }) {
  if (value === undefined || value === null || value === "") return <span class="faint">nothing</span>;
  if (typeof value === "string") return <span class="text">{choice(value)}</span>;
  const empty = isObject(value) ? !Object.keys(objectOf(value)).length : Array.isArray(value) && !value.length;
  return empty ? <span class="faint">nothing</span> : <Values value={value} name={label} />;
}
