/** A JSON value for a person: names and values, lists, text. */
import type { ComponentChildren } from "preact";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { isObject, sortKeys } from "../lib/json.js";

interface Props {
  value: JsonValue;
  /** Returns the label of a key. */
  name: (key: string) => string;
  /** Draws a text. */
  text?: (text: string) => ComponentChildren;
  /** How many values hold this one. */
  depth?: number;
}

/** Objects whose keys somebody chose: they are shown as they are. */
const CHOSEN = ["arguments", "inputs", "metadata", "output_schema", "schema", "static_inputs"];
/** What lies deeper is not indented further: a narrow screen has no room for it. */
const INDENTED = 5;
const asIs = (key: string) => key;

export function Values(props: Props) {
  const { value, depth = 0 } = props;
  if (isObject(value)) return <Pairs {...props} value={sortKeys(value) as JsonObject} />;
  if (!Array.isArray(value)) return <>{scalar(value, props.text)}</>;
  if (!value.length) return <span class="faint">none</span>;
  return <ul class={classOf("plain", depth)}>{value.map((each, n) => <li key={n}><Values {...props} value={each} depth={depth + 1} /></li>)}</ul>;
}

function Pairs({ value, name, text, depth = 0 }: Props & { value: JsonObject }) {
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  if (!keys.length) return <span class="faint">nothing</span>;
  return (
    <dl class={classOf("values", depth)}>
      {keys.map((key) => (
        <div key={key} class={holdsMore(value[key]!) ? "nested" : undefined}>
          <dt>{name(key)}</dt>
          <dd><Values value={value[key]!} name={CHOSEN.includes(key) ? asIs : name} text={text} depth={depth + 1} /></dd>
        </div>
      ))}
    </dl>
  );
}

function classOf(kind: string, depth: number): string {
  return depth > INDENTED ? `${kind} deep` : kind;
}

function holdsMore(value: JsonValue): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

function scalar(value: JsonValue, text: Props["text"]): ComponentChildren {
  if (value === null || value === "") return <span class="faint">nothing</span>;
  if (typeof value === "boolean") return <span>{value ? "yes" : "no"}</span>;
  if (typeof value === "number") return <span>{value.toLocaleString("en", { maximumFractionDigits: 6 })}</span>;
  return text?.(String(value)) ?? <span class="text">{String(value)}</span>;
}
