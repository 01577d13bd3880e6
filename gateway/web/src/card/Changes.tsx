/** The changed fields, with old and new values. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { type Change, diffPieces, isObject, objectOf } from "../lib/json.js";
import { Values } from "../ui/Values.js";
import { isPlace, placeOf, useTitles } from "./destinations.js";
import { choice, label, place } from "./labels.js";
import { watchDestinations } from "../settings/destinations.js";

const SHORT = 48;
const COMPARED = 1500;

/** A change, with the destinations that it adds and removes where the service names them. */
export interface CardChange extends Change {
  added?: JsonObject[];
  removed?: JsonObject[];
}

/** `thread` is the one that is looked at. */
export function Changes({ list, thread = "" }: { list: CardChange[]; thread?: string }) {
  useEffect(watchDestinations, []);
  useTitles(list.flatMap((each) => [...namesIn(each.before), ...namesIn(each.after)]));
  return (
    <dl class="changes">
      {told(list).map((each) => (
        <div key={each.path} class={isShort(each) ? "short" : undefined}>
          <dt>{place(each.path)}</dt>
          <dd>{isTo(each) ? <Destinations change={each} thread={thread} /> : <Sides change={each} thread={thread} />}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Returns `difference` of an approval's context, or []. */
export function changesOf(value: JsonValue | undefined): CardChange[] {
  return objects(value).map(({ path, before, after, added, removed }) => ({ path: String(path), before, after, added: objects(added), removed: objects(removed) }));
}

const objects = (value: JsonValue | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);

/** The names of destinations and threads in a value. */
function namesIn(value: JsonValue | undefined): string[] {
  if (typeof value === "string") return isPlace(value) ? [value] : [];
  if (Array.isArray(value)) return value.flatMap(namesIn);
  return isObject(value) ? Object.values(value).flatMap(namesIn) : [];
}

function isTo({ path, before, after }: Change): boolean {
  const isList = (side: JsonValue | undefined) => side === undefined || (Array.isArray(side) && side.every((each) => typeof each === "string"));
  return path.endsWith(".config.to") && isList(before) && isList(after);
}

/** The destinations that a step delivers to from now on, and those that it leaves out. */
function Destinations({ change, thread }: { change: CardChange; thread: string }) {
  const [was, becomes] = [change.before, change.after].map((side) => (Array.isArray(side) ? side.map(String) : [])) as [string[], string[]];
  const words = (name: string, known: JsonObject[] = []) => {
    const found = known.find((each) => each.destination === name);
    if (!found) return placeOf(name, thread);
    const about = [found.kind, found.host].filter((each) => typeof each === "string" && each && each !== "inbox" && each !== "thread").join(", ");
    return { words: String(found.display_name ?? name), about };
  };
  const added = becomes.filter((name) => !was.includes(name)).map((name) => words(name, change.added));
  const removed = was.filter((name) => !becomes.includes(name)).map((name) => words(name, change.removed));
  if (!added.length && !removed.length) return <span class="faint">in another order</span>;
  const drawn = ({ words: name, about }: { words: string; about: string }) => <span class="text">{name}{about && ` (${about})`}</span>;
  return (
    <ul class="plain">
      {removed.map((each) => <li key={each.words}><del class="was"><span class="unseen">no longer to: </span>{drawn(each)}</del></li>)}
      {added.map((each) => <li key={each.words}><ins class="becomes"><span class="unseen">also to: </span>{drawn(each)}</ins></li>)}
    </ul>
  );
}

/** Two fields with one value give one row. */
function told(list: Change[]): Change[] {
  const name = list.find((each) => each.path === "display_name");
  return list.filter((each) => each.path !== "definition.name" || each.after !== name?.after);
}

function isShort({ before, after }: Change): boolean {
  return [before, after].every((side) => side === undefined || side === null || (typeof side !== "object" && String(side).length <= SHORT));
}

/** What a field is where nothing is written. */
const DEFAULTS: Record<string, string> = { only: "always" };

function Sides({ change, thread }: { change: Change; thread: string }) {
  const key = change.path.split(".").at(-1) ?? "";
  const { before = DEFAULTS[key], after = DEFAULTS[key] } = change;
  const [old, fresh] = marked(before, after, { of: key, thread });
  return (
    <>
      <del class="was"><span class="unseen">was: </span>{old}</del>
      <span class="arrow" aria-hidden="true">→</span>
      <ins class="becomes"><span class="unseen"> becomes: </span>{fresh}</ins>
    </>
  );
}

/** Both values; long texts have their changed words marked. */
function marked(before: JsonValue | undefined, after: JsonValue | undefined, field: Field): [ComponentChildren, ComponentChildren] {
  const both = typeof before === "string" && typeof after === "string";
  if (!both || Math.min(before.length, after.length) <= SHORT || before.length + after.length > 2 * COMPARED) {
    return [<Side value={before} {...field} />, <Side value={after} {...field} />];
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

interface Field {
  /** The key of the field. */
  of: string;
  thread: string;
}

function Side({ value, of, thread }: { value: JsonValue | undefined; of: string; thread: string }) {
  if (value === undefined || value === null || value === "") return <span class="faint">nothing</span>;
  if (typeof value === "string") return <span class="text">{isPlace(value) ? placeOf(value, thread).words : choice(value, of)}</span>;
  const empty = isObject(value) ? !Object.keys(objectOf(value)).length : Array.isArray(value) && !value.length;
  return empty ? <span class="faint">nothing</span> : <Values value={value} name={label} text={(text) => (isPlace(text) ? <span class="text">{placeOf(text, thread).words}</span> : undefined)} />;
}
