/** A JSON value for a person: names and values, lists, text. */
import type { ComponentChildren } from "preact";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { isObject, sortKeys } from "../lib/json.js";

/** `name` returns the label of a key. */
export function Values({ value, name }: { value: JsonValue; name: (key: string) => string }) {
  if (isObject(value)) return <Pairs value={sortKeys(value) as JsonObject} name={name} />;
  if (!Array.isArray(value)) return <>{scalar(value)}</>;
  if (!value.length) return <span class="faint">none</span>;
  return <ul class="plain">{value.map((each, n) => <li key={n}><Values value={each} name={name} /></li>)}</ul>;
}

function Pairs({ value, name }: { value: JsonObject; name: (key: string) => string }) {
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  if (!keys.length) return <span class="faint">nothing</span>;
  return (
    <dl class="values">
      {keys.map((key) => (
        <div key={key}>
          <dt>{name(key)}</dt>
          <dd><Values value={value[key]!} name={name} /></dd>
        </div>
      ))}
    </dl>
  );
}

function scalar(value: JsonValue): ComponentChildren {
  if (value === null || value === "") return <span class="faint">nothing</span>;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return value.toLocaleString("en", { maximumFractionDigits: 6 });
  return <span class="text">{String(value)}</span>;
}
