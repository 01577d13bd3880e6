/** A form field, built from the JSON Schema of its value. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { createContext } from "preact";
import { useContext, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { isObject, normalise, objectOf, parsePath, type Path, pretty, formatPath } from "../lib/json.js";
import { visible } from "../lib/invisible.js";
import type { Violation } from "../lib/problem.js";
import { zones } from "../lib/time.js";
import { Icon } from "../ui/Icon.js";
import { threads } from "../lib/lists.js";
import { models, UNTITLED } from "../chat/models.js";
import { watchDestinations } from "../settings/destinations.js";
import { catalogue } from "./catalogue.js";
import { INBOX, placesFor, useTitles } from "./destinations.js";
import { faultOf, isLocalTime, NOT_JSON } from "./fault.js";
import { choice, FORMS, label, refusalText } from "./labels.js";
import { formsOf, inForm, uselessIn } from "./schedule.js";
import { CompletionList, useCompletions } from "./Completions.js";

export interface Form {
  defs: JsonObject;
  violations: Violation[];
  set: (path: Path, value: JsonValue | undefined) => void;
  /** Says what is wrong in a field; empty: nothing. */
  tell: (field: string, fault: string) => void;
  /** Grows when all that was typed is given up. */
  round: number;
  /** The whole that is edited. */
  payload: JsonValue;
  /** The thread that the card is in; empty: unknown. */
  thread: string;
}

export const FormContext = createContext<Form>({ defs: {}, violations: [], set: () => {}, tell: () => {}, round: 0, payload: null, thread: "" });

/** Tells the card what is wrong in a field, while the field is there. */
export function useFault(field: string, fault: string): void {
  const { tell } = useContext(FormContext);
  useLayoutEffect(() => {
    if (!fault) return;
    tell(field, fault);
    return () => tell(field, "");
  }, [tell, field, fault]);
}

export interface FieldProps {
  path: Path;
  schema: JsonObject;
  value: JsonValue | undefined;
  required?: boolean;
  name?: string;
}

const NOWHERE = "Choose a place, or remove the step.";
const LONG = ["prompt", "description", "goal", "when", "body"];
const FIRST = [
  "cron", "at", "every", "count", "unit", "anchor", "timezone", "excluded_dates", "prompt", "tools", "model", "config", "enabled", "trigger_id", "step_id", "type", "action",
];

export function fieldId(path: Path | string): string {
  return `field ${typeof path === "string" ? path : formatPath(path)}`.replaceAll(" ", "-");
}

/** Focuses the field of a path, or what holds it, and opens what hides it. */
export function showField(field: string): void {
  const path = parsePath(field);
  for (let length = path.length; length > 0; length--) {
    const found = document.getElementById(fieldId(path.slice(0, length)));
    if (!found) continue;
    for (let up = found.parentElement; up; up = up.parentElement) {
      if (up instanceof HTMLDetailsElement) up.open = true;
    }
    // In the middle, clear of the bar of buttons beneath.
    found.focus({ preventScroll: true });
    return found.scrollIntoView({ block: "center" });
  }
}

export function Field(props: FieldProps) {
  const { defs } = useContext(FormContext);
  const { schema, nullable } = resolved(props.schema, defs);
  const key = String(props.path.at(-1));
  const given = { ...props, schema, required: props.required && !nullable };
  if (key === "tools" && catalogue.value.tools.length) return <Tools {...given} />;
  if (key === "to" && props.path[0] === "definition") return <Destinations {...given} />;
  if (key === "model" && models.value.length) return <Model {...given} />;
  if (schema.enum) return <Choice {...given} />;
  switch (schema.type) {
    case "boolean":
      return <Tick {...given} />;
    case "integer":
    case "number":
      return <Text {...given} number />;
    case "string":
      return <Text {...given} />;
    case "array":
      return isObject(schema.items) && resolved(schema.items, defs).schema.type === "object"
        ? <Several {...given} items={schema.items} />
        : <Lines {...given} />;
    case "object":
      if (isObject(schema.properties)) return <Group {...given} />;
  }
  return <Raw {...given} />;
}

/** All properties of an object; a config follows the schema of its type. */
export function Properties(props: FieldProps & { leave?: string[] }) {
  const { defs } = useContext(FormContext);
  const { schema } = resolved(props.schema, defs);
  const properties = objectOf(schema.properties);
  const value = objectOf(props.value);
  const required = Array.isArray(schema.required) ? schema.required : [];
  const rank = (key: string) => (FIRST.includes(key) ? FIRST.indexOf(key) : FIRST.length);
  const keys = Object.keys(properties)
    .filter((key) => !props.leave?.includes(key) && objectOf(properties[key]).const === undefined)
    .sort((a, b) => rank(a) - rank(b));
  return (
    <>
      {keys.map((key) => (
        <Field
          key={key}
          path={[...props.path, key]}
          schema={key === "config" ? configSchema(value) : objectOf(properties[key])}
          value={value[key]}
          required={required.includes(key)}
        />
      ))}
    </>
  );
}

function configSchema(owner: JsonObject): JsonObject {
  const { triggers, actions } = catalogue.value;
  return triggers.get(String(owner.type)) ?? actions.get(String(owner.action)) ?? { type: "object" };
}

function resolved(schema: JsonObject, defs: JsonObject): { schema: JsonObject; nullable: boolean } {
  if (typeof schema.$ref === "string") {
    return resolved(objectOf(defs[schema.$ref.replace("#/$defs/", "")]), defs);
  }
  if (Array.isArray(schema.anyOf)) {
    const real = schema.anyOf.filter(isObject).find((each) => each.type !== "null");
    const { anyOf: _, ...rest } = schema;
    return { schema: { ...rest, ...resolved(real ?? {}, defs).schema }, nullable: true };
  }
  return { schema, nullable: false };
}

/** `fault`: what the page itself finds wrong. `whole`: what is refused inside of it is told here too. */
function useField(path: Path, fault = "", whole = true) {
  const { violations, set } = useContext(FormContext);
  const name = formatPath(path);
  useFault(name, fault);
  const mine = violations.filter(({ field }) => field === name || (whole && field.startsWith(name) && /^[.[]/.test(field.slice(name.length))));
  const id = fieldId(name);
  return {
    id,
    set: (value: JsonValue | undefined) => set(path, value),
    wrong: fault !== "" || mine.length > 0,
    marks: {
      id,
      "aria-invalid": fault || mine.length > 0 ? ("true" as const) : undefined,
      "aria-describedby": `${id}-help`,
    },
    help: (hint: JsonValue | undefined) => (
      <span id={`${id}-help`} class="help">
        {fault && <span class="error">{fault}</span>}
        {!fault && mine.map((each) => <span key={each.field + each.description} class="error">{each.field !== name && `${each.field.slice(name.length).replace(/^\./, "")}: `}{refusalText(each.description)}</span>)}
        {!fault && !mine.length && typeof hint === "string" && hint.length < 140 && hint}
      </span>
    ),
  };
}

function Text({ path, schema, value, required, name, number }: FieldProps & { number?: boolean }) {
  const field = useField(path, faultOf(schema, value, required));
  const key = String(path.at(-1));
  const change = (text: string) => {
    if (!text && !required) return field.set(undefined);
    field.set(number && text.trim() && Number.isFinite(Number(text)) ? Number(text) : text);
  };
  const shown = value === undefined || value === null ? "" : String(value);
  const shared = {
    ...field.marks,
    value: shown,
    required,
    placeholder: schema.default === undefined || schema.default === null ? "" : String(schema.default),
  };
  const long = LONG.includes(key);
  const area = useRef<HTMLTextAreaElement>(null);
  const { payload } = useContext(FormContext);
  const completions = useCompletions({ area, id: field.id, path, payload, text: shown, write: change });
  const write = (text: string) => {
    change(text);
    completions.look();
  };
  return (
    <div class={`field ${long ? "wide" : ""} ${field.wrong ? "wrong" : ""}`}>
      <label for={field.id}>{name ?? label(key)}</label>
      {long
        ? <textarea {...shared} {...completions.marks} ref={area} rows={Math.min(9, Math.max(2, Math.ceil(shown.length / 60)))} onInput={(event) => write(event.currentTarget.value)} />
        : <input
            {...shared}
            class={key === "cron" ? "mono" : undefined}
            inputMode={number ? "decimal" : undefined}
            type={isLocalTime(schema) && !faultOf(schema, shown || undefined) ? "datetime-local" : undefined}
            list={key === "timezone" ? "zones" : undefined}
            spellcheck={false}
            onInput={(event) => change(event.currentTarget.value)}
          />}
      <CompletionList id={field.id} options={completions.options} at={completions.at} pick={completions.pick} />
      <Hidden text={shown} />
      {field.help(schema.description)}
    </div>
  );
}

/** A field keeps what nobody sees; beneath it the text is marked. */
function Hidden({ text }: { text: string }) {
  return visible(text) === text ? null : <span class="help">It holds hidden characters: {text}</span>;
}

function Choice({ path, schema, value, required }: FieldProps) {
  const field = useField(path, faultOf(schema, value, required));
  const options = (schema.enum as JsonValue[]).map(String);
  const key = String(path.at(-1));
  const shown = value === undefined || value === null ? "" : String(value);
  return (
    <div class={field.wrong ? "field wrong" : "field"}>
      <label for={field.id}>{label(key)}</label>
      <select {...field.marks} value={shown} onChange={(event) => field.set(event.currentTarget.value || undefined)}>
        {!required && <option value="">{typeof schema.default === "string" ? `default: ${choice(schema.default, key)}` : "default"}</option>}
        {shown && !options.includes(shown) && <option value={shown}>{shown}</option>}
        {options.map((each) => <option key={each} value={each}>{choice(each, key)}</option>)}
      </select>
      {field.help(schema.description)}
    </div>
  );
}

/** One of the service's models, by either of its names, or the person's own. What is there stays a choice. */
function Model({ path, schema, value, required }: FieldProps) {
  const field = useField(path, faultOf(schema, value, required));
  const shown = value === undefined || value === null ? "" : String(value);
  const options = models.value.map((each) => ({ words: each.displayName, value: each.own ? each.name : each.model === shown ? shown : each.displayName }));
  return (
    <div class={field.wrong ? "field wrong" : "field"}>
      <label for={field.id}>{label(String(path.at(-1)))}</label>
      <select {...field.marks} value={shown} onChange={(event) => field.set(event.currentTarget.value || undefined)}>
        <option value="">Auto</option>
        {shown && !options.some((each) => each.value === shown) && <option value={shown}>{shown}</option>}
        {options.map((each) => <option key={each.value} value={each.value}>{each.words}</option>)}
      </select>
      {field.help(schema.description)}
    </div>
  );
}

function Tick({ path, schema, value }: FieldProps) {
  const field = useField(path, faultOf(schema, value));
  const on = typeof value === "boolean" ? value : schema.default === true;
  return (
    <div class="field tick">
      <label>
        <input type="checkbox" {...field.marks} checked={on} onChange={(event) => field.set(event.currentTarget.checked)} />
        {label(String(path.at(-1)))}
      </label>
      {field.help(schema.description)}
    </div>
  );
}

function Tools({ path, value }: FieldProps) {
  const field = useField(path);
  const chosen = Array.isArray(value) ? value.map(String) : [];
  const known = catalogue.value.tools;
  const gone = chosen.filter((id) => !known.some((tool) => tool.id === id));
  const toggle = (id: string, on: boolean) => {
    const next = on ? [...chosen, id] : chosen.filter((each) => each !== id);
    field.set(next.length ? next : undefined);
  };
  return (
    <fieldset class="field wide tools" id={field.id} tabIndex={-1}>
      <legend>Tools it may use</legend>
      {known.map((tool) => (
        <label key={tool.id}>
          <input type="checkbox" checked={chosen.includes(tool.id)} onChange={(event) => toggle(tool.id, event.currentTarget.checked)} />
          <span><code>{tool.id}</code> <span class="faint">{tool.description}</span></span>
        </label>
      ))}
      {gone.map((id) => (
        <label key={id}>
          <input type="checkbox" checked onChange={() => toggle(id, false)} />
          <span><code>{id}</code> <span class="error">there is no such tool</span></span>
        </label>
      ))}
      {field.help("")}
    </fieldset>
  );
}

/** Where a step delivers: the conversations, the inbox and the destinations that a person may choose. */
function Destinations({ path, schema, value }: FieldProps) {
  const { thread } = useContext(FormContext);
  const chosen = Array.isArray(value) ? value.map(String) : [];
  const field = useField(path, chosen.length ? faultOf(schema, value) : NOWHERE);
  useEffect(watchDestinations, []);
  // What was chosen once stays in the list, to be chosen again.
  const shown = useRef<string[]>([]);
  shown.current = [...shown.current, ...chosen.filter((each) => !shown.current.includes(each))];
  useTitles(shown.current);
  const others = (threads.items.value ?? []).filter((each) => each.name !== thread && !shown.current.includes(each.name));
  const toggle = (name: string, on: boolean) => field.set(on ? [...chosen, name] : chosen.filter((each) => each !== name));
  return (
    <fieldset class="field wide tools" id={field.id} tabIndex={-1}>
      <legend>{label("to")}</legend>
      {placesFor(shown.current, thread).map((place) => (
        <label key={place.name}>
          <input type="checkbox" checked={chosen.includes(place.name)} onChange={(event) => toggle(place.name, event.currentTarget.checked)} />
          <span>{place.words} <span class={place.gone ? "error" : "faint"}>{place.about}</span></span>
        </label>
      ))}
      {others.length > 0 && (
        <select aria-label="Another conversation" value="" onChange={(event) => event.currentTarget.value && toggle(event.currentTarget.value, true)}>
          <option value="">Another conversation…</option>
          {others.map((each) => <option key={each.name} value={each.name}>{each.displayName || UNTITLED}</option>)}
        </select>
      )}
      {field.help("")}
    </fieldset>
  );
}

/** A list of texts, one per line. */
function Lines({ path, schema, value }: FieldProps) {
  const field = useField(path, faultOf(schema, value));
  const [text, write] = useState<string>();
  const shown = Array.isArray(value) ? value.map(String).join("\n") : "";
  const split = (from: string) => from.split("\n").map((each) => each.trim()).filter(Boolean);
  const mine = text !== undefined && split(text).join("\n") === shown ? text : shown;
  return (
    <div class={field.wrong ? "field wide wrong" : "field wide"}>
      <label for={field.id}>{label(String(path.at(-1)))} <span class="faint">one a line</span></label>
      <textarea {...field.marks} rows={Math.max(2, mine.split("\n").length)} value={mine} onInput={(event) => { write(event.currentTarget.value); field.set(split(event.currentTarget.value)); }} />
      <Hidden text={mine} />
      {field.help(schema.description)}
    </div>
  );
}

/** A list of objects. */
function Several({ path, schema, value, items }: FieldProps & { items: JsonObject }) {
  const field = useField(path, faultOf(schema, value), false);
  const list = Array.isArray(value) ? value : [];
  const [removals, count] = useState(0);
  const key = String(path.at(-1));
  const one = key === "triggers" ? "trigger" : "step";
  const { thread } = useContext(FormContext);
  const delivery: JsonObject = { step_id: freshId(list, "deliver"), action: "deliver", config: { to: [thread || INBOX] } };
  const fresh: JsonObject = key === "triggers"
    ? { trigger_id: `trigger-${list.length + 1}`, type: "schedule", config: { cron: "0 9 * * *", timezone: "UTC" } }
    : { step_id: `step-${list.length + 1}`, action: "agent_task", config: { prompt: "" } };
  return (
    <div class="several" id={field.id} tabIndex={-1}>
      {field.help(list.length ? undefined : schema.description)}
      {list.map((each, n) => (
        <fieldset key={`${removals} ${n}`} class="one">
          <legend>{list.length > 1 ? `${one} ${n + 1}` : one}</legend>
          <button type="button" class="bare remove" aria-label={`Remove ${one} ${n + 1}`} onClick={() => { field.set(list.toSpliced(n, 1)); count(removals + 1); }}><Icon name="cross" /></button>
          <div class="grid"><Properties path={[...path, n]} schema={items} value={each} /></div>
        </fieldset>
      ))}
      <button type="button" class="quiet small" onClick={() => field.set([...list, fresh])}><Icon name="plus" />Add a {one}</button>
      {key !== "triggers" && catalogue.value.actions.has("deliver") && <button type="button" class="quiet small" onClick={() => field.set([...list, delivery])}><Icon name="plus" />Add a delivery</button>}
    </div>
  );
}

/** An id that no step has: `deliver`, `deliver-2` and so on. */
function freshId(steps: JsonValue[], id: string): string {
  const taken = new Set(steps.map((step) => objectOf(step).step_id));
  let found = id;
  for (let n = 2; taken.has(found); n++) found = `${id}-${n}`;
  return found;
}

/** A nested object, in its own block. */
function Group(props: FieldProps) {
  const { violations } = useContext(FormContext);
  const name = formatPath(props.path);
  const open = useOpen(violations.some((each) => each.field.startsWith(name) && /^[.[]/.test(each.field.slice(name.length))) || props.path.length === 1);
  if (props.path.at(-1) === "config") return <ConfigFields {...props} />;
  if (props.path.at(-1) === "every") return <Interval {...props} />;
  return (
    <details class="group wide" open={open}>
      <summary>{props.name ?? label(String(props.path.at(-1)))}</summary>
      <div class="grid"><Properties {...props} /></div>
    </details>
  );
}

/** The parts of an interval, beside the other fields of its schedule. */
function Interval(props: FieldProps) {
  const field = useField(props.path, "", false);
  return (
    <div class="group wide" role="group" aria-label={label("every")} id={field.id} tabIndex={-1}>
      <div class="grid"><Properties {...props} /></div>
      {field.help(undefined)}
    </div>
  );
}

/** A block that was opened is not folded while somebody writes in it. */
function useOpen(wanted: boolean): true | undefined {
  const open = useRef(false);
  open.current ||= wanted;
  return open.current || undefined;
}

const RARE = [
  "day_match", "max_fires", "start_time", "end_time", "jitter_seconds",
  "catchup_window_seconds", "on_gap", "on_fold",
  "output_schema", "auto_approve",
];

/** Important properties first; the others in a folded block. */
function ConfigFields(props: FieldProps) {
  const { violations } = useContext(FormContext);
  const value = objectOf(props.value);
  const forms = formsOf(props.schema);
  const given = forms.filter((each) => value[each] !== undefined && value[each] !== null);
  const form = given[0] ?? forms[0];
  // What has no meaning in its form, and is not there, has no field.
  const left = [...forms.filter((each) => each !== form), ...uselessIn(form ?? "", value)].filter((each) => value[each] === undefined);
  const all = Object.keys(objectOf(props.schema.properties));
  const required = Array.isArray(props.schema.required) ? props.schema.required : [];
  const schema = form ? { ...props.schema, required: [...required, form] } : props.schema;
  const name = formatPath(props.path);
  const wrong = violations.some((each) => RARE.some((key) => each.field.startsWith(`${name}.${key}`)));
  const used = RARE.some((key) => value[key] !== undefined && all.includes(key));
  const open = useOpen(wrong || used);
  return (
    <>
      {form && <FormChoice path={props.path} forms={forms} form={form} value={value} />}
      <Properties {...props} schema={schema} leave={[...RARE, ...left]} />
      <details class="group wide" open={open}>
        <summary>More settings</summary>
        <div class="grid"><Properties {...props} schema={schema} leave={[...left, ...all.filter((key) => !RARE.includes(key))]} /></div>
      </details>
    </>
  );
}

/** Which of its forms a schedule has. What was written in the others comes back with them. */
function FormChoice({ path, forms, form, value }: { path: Path; forms: string[]; form: string; value: JsonObject }) {
  const { set, round } = useContext(FormContext);
  const id = fieldId([...path, "form"]);
  const kept = useRef<JsonObject>({});
  useLayoutEffect(() => void (kept.current = {}), [round]);
  const turn = (next: string) => {
    const turned = inForm(value, forms, next, kept.current);
    kept.current = turned.kept;
    set(path, turned.config);
  };
  return (
    <div class="field wide kind">
      <label for={id}>Kind of schedule</label>
      <select id={id} value={form} onChange={(event) => turn(event.currentTarget.value)}>
        {forms.map((each) => <option key={each} value={each}>{FORMS[each] ?? label(each)}</option>)}
      </select>
    </div>
  );
}

/** An open object as JSON. Invalid JSON changes nothing, and the card can't be approved with it. */
function Raw({ path, schema, value }: FieldProps) {
  const { round } = useContext(FormContext);
  const shown = value === undefined || value === null ? "" : pretty(value);
  const [text, write] = useState(shown);
  const [bad, blame] = useState(false);
  const field = useField(path, bad ? NOT_JSON : faultOf(schema, value));
  useLayoutEffect(() => {
    // What one types is left as typed while it means the same.
    if (shown && normalise(text) === shown) return;
    write(shown);
    blame(false);
  }, [shown, round]);
  const change = (next: string) => {
    write(next);
    try {
      const parsed = next.trim() ? (JSON.parse(next) as JsonValue) : undefined;
      blame(false);
      if (parsed === undefined ? shown !== "" : pretty(parsed) !== shown) field.set(parsed);
    } catch {
      blame(true);
    }
  };
  return (
    <div class={field.wrong ? "field wide wrong" : "field wide"}>
      <label for={field.id}>{label(String(path.at(-1)))} <span class="faint">JSON</span></label>
      <textarea {...field.marks} class="mono" rows={Math.min(8, Math.max(1, text.split("\n").length))} spellcheck={false} value={text} onInput={(event) => change(event.currentTarget.value)} />
      <Hidden text={text} />
      {field.help(schema.description)}
    </div>
  );
}

export function Zones() {
  return <datalist id="zones">{zones.map((zone) => <option key={zone} value={zone} />)}</datalist>;
}
