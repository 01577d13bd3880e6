/** A form for the whole payload, and the same payload as JSON. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { useContext, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { visible } from "../lib/invisible.js";
import { at, normalise, objectOf, type Path, pretty, put } from "../lib/json.js";
import type { Violation } from "../lib/problem.js";
import type { Preview } from "../gen/rota/chat/v1/chat_pb.js";
import { loadModels } from "../chat/models.js";
import { catalogue, loadCatalogue } from "./catalogue.js";
import { NOT_JSON } from "./fault.js";
import { Field, FormContext, Properties, showField, useFault, Zones } from "./Field.js";
import { place, refusalText } from "./labels.js";
import { SchedulePreview } from "./SchedulePreview.js";

interface Props {
  schema: JsonObject;
  payload: JsonValue;
  change: (payload: JsonValue) => void;
  violations: Violation[];
  /** How many violations there are beside these. */
  more: number;
  /** Takes the focus, once for each object. */
  sought: { field: string } | undefined;
  preview: Preview | undefined;
  previewing: boolean;
  /** The preview is of an earlier schedule, as the one in the form has a fault. */
  outdated: boolean;
  tell: (field: string, fault: string) => void;
  round: number;
  /** The thread that the card is in. */
  thread: string;
}

/** The field of the whole payload. */
const WHOLE = "JSON";

export function Editor(props: Props) {
  const { payload, schema, sought, tell, round } = props;
  useEffect(() => void loadCatalogue(), []);
  useEffect(loadModels, []);
  const [side, turn] = useState<"form" | "json">("form");
  const defs = objectOf(schema.$defs);
  const form = useMemo(
    () => ({
      defs,
      violations: props.violations,
      set: (path: Path, value: JsonValue | undefined) => props.change(changed(payload, path, value)),
      tell,
      round,
      payload,
      thread: props.thread,
    }),
    [schema, props.violations, payload, tell, round, props.thread],
  );
  const known = catalogue.value.triggers.size > 0;
  const found = useRef<{ sought?: object; known: boolean }>({ known });
  useEffect(() => {
    const { current: last } = found;
    // Again with the catalogue, which draws other fields.
    if (!sought || (last.sought === sought && last.known === known)) return;
    const there = sought.field === WHOLE ? "json" : "form";
    if (side !== there) return turn(there);
    found.current = { sought, known };
    if (sought.field === WHOLE) document.getElementById("raw-json")?.focus();
    else showField(sought.field);
  }, [sought, known, side]);
  return (
    <FormContext.Provider value={form}>
      <div class="sides" role="group" aria-label="Edit as">
        <button type="button" aria-pressed={side === "form"} onClick={() => turn("form")}>Form</button>
        <button type="button" aria-pressed={side === "json"} onClick={() => turn("json")}>JSON</button>
      </div>
      <div class={`editor ${side}`} data-ready={known}>
        <div class="form">
          <Zones />
          <Wrongs violations={props.violations} more={props.more} show={showField} />
          {at(schema, ["properties", "definition"]) ? <AutomationForm {...props} /> : <div class="grid"><Properties path={[]} schema={schema} value={payload} /></div>}
        </div>
        <RawSide payload={payload} change={props.change} />
      </div>
    </FormContext.Provider>
  );
}

function AutomationForm({ schema, payload, preview, previewing, outdated }: Props) {
  const defs = objectOf(schema.$defs);
  const whole = objectOf(at(schema, ["properties", "definition"]));
  const definition = typeof whole.$ref === "string" ? objectOf(defs[whole.$ref.replace("#/$defs/", "")]) : whole;
  const part = (key: string): { path: Path; schema: JsonObject; value: JsonValue | undefined } => ({
    path: ["definition", key],
    schema: objectOf(at(definition, ["properties", key])),
    value: at(payload, ["definition", key]),
  });
  const top = (key: string) => ({ path: [key], schema: objectOf(at(schema, ["properties", key])), value: at(payload, [key]) });
  return (
    <>
      <div class="grid">
        <Field {...top("display_name")} required />
        <Field {...top("description")} />
      </div>
      <section aria-label="When">
        <h3>When</h3>
        <Field {...part("triggers")} />
        <SchedulePreview preview={preview} busy={previewing} outdated={outdated} />
      </section>
      <section aria-label="What it does">
        <h3>What it does</h3>
        <Field {...part("plan")} />
      </section>
      <section aria-label="How it runs">
        <h3>How it runs</h3>
        <Field {...part("execution")} name="Limits, retries, failure" />
        <details class="group">
          <summary>Everything else</summary>
          <div class="grid">
            {["goal", "inputs", "metadata", "schema_version"].map((key) => <Field key={key} {...part(key)} />)}
          </div>
        </details>
      </section>
    </>
  );
}

/** Keeps `display_name` and `definition.name` equal. */
function changed(payload: JsonValue, path: Path, value: JsonValue | undefined): JsonValue {
  const next = put(payload, path, value);
  const isName = path.length === 1 && path[0] === "display_name";
  return isName ? put(next, ["definition", "name"], value) : next;
}

export const PAST = "This moment has passed: choose a later one.";

/** What was refused, each with the label of its field. */
export function Wrongs({ violations, more, show }: { violations: Violation[]; more: number; show: (field: string) => void }) {
  if (!violations.length) return null;
  const fields = new Set(violations.map((each) => each.field)).size;
  return (
    <div class="wrongs" role="alert">
      {violations.some(isPast) && <p class="lead-word">{PAST}</p>}
      <p>{more > 0 ? "These fields need another look:" : fields === 1 ? "One field needs another look:" : `${fields} fields need another look:`}</p>
      <ul>
        {violations.map((each) => (
          <li key={each.field + each.description}>
            <button type="button" class="link" onClick={() => show(each.field)}>{place(each.field)}</button>: {refusalText(each.description)}
          </li>
        ))}
        {more > 0 && <li>and {more} more</li>}
      </ul>
    </div>
  );
}

/** A schedule without a time that is left. */
function isPast({ field, reason }: Violation): boolean {
  return reason === "NEVER_FIRES" && /\.config\.(?:cron|at|every|end_time)$/.test(field);
}

function RawSide({ payload, change }: { payload: JsonValue; change: (payload: JsonValue) => void }) {
  const { round } = useContext(FormContext);
  const shown = pretty(payload);
  const [text, write] = useState(shown);
  const [bad, blame] = useState("");
  useFault(WHOLE, bad && NOT_JSON);
  useLayoutEffect(() => {
    // What one types here is left as typed while it means the same.
    if (normalise(text) !== shown) {
      write(shown);
      blame("");
    }
  }, [shown, round]);
  const typed = (next: string) => {
    write(next);
    try {
      const parsed = JSON.parse(next) as JsonValue;
      blame("");
      if (pretty(parsed) !== shown) change(parsed);
    } catch (thrown) {
      blame(thrown instanceof Error ? thrown.message : "Not JSON.");
    }
  };
  return (
    <div class="raw">
      <label for="raw-json">JSON</label>
      <textarea id="raw-json" class="mono" spellcheck={false} value={text} aria-invalid={bad !== ""} aria-describedby="raw-help" onInput={(event) => typed(event.currentTarget.value)} />
      <p id="raw-help" class={bad ? "error" : "faint"}>{bad || (visible(text) === text ? "The same, as it will be saved." : "The same, as it will be saved. It holds hidden characters, which the form marks.")}</p>
    </div>
  );
}
