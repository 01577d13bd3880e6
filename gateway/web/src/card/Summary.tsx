/** A definition as text: triggers, steps, tools, consequences, and the rest. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { useEffect } from "preact/hooks";
import { isObject, objectOf } from "../lib/json.js";
import { watchDestinations } from "../settings/destinations.js";
import { Icon } from "../ui/Icon.js";
import { Values } from "../ui/Values.js";
import { type Place, placeOf, useTitles } from "./destinations.js";
import { choice, label, WHILE_RUNNING } from "./labels.js";
import { isEmpty, isNumber, isObjects, isSwitch, isText, isTexts, restOf } from "./rest.js";
import { intervalOf, isInterval } from "./schedule.js";
import { fillings } from "./template.js";

const list = (value: JsonValue | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : []);
const texts = (value: JsonValue | undefined): string[] => (Array.isArray(value) && value.every(isText) ? value.map(String) : []);
const textOf = (value: JsonValue | undefined): string => (typeof value === "string" ? value : "");

/** The triggers as they are written, with their fixed inputs. */
export function Triggers({ definition }: { definition: JsonObject }) {
  return <>{list(definition.triggers).map((trigger, n) => <Trigger key={n} trigger={trigger} />)}</>;
}

function Trigger({ trigger }: { trigger: JsonObject }) {
  const config = objectOf(trigger.config);
  const [zone, id] = [textOf(config.timezone), textOf(trigger.trigger_id)];
  const forms = [textOf(config.cron), textOf(config.at).replace("T", " "), intervalOf(config.every)].filter(Boolean);
  const said = [zone, trigger.enabled === false && "Switched off", id && `Trigger ${id}`].filter(Boolean);
  const ofConfig = restOf(config, { cron: isText, at: isText, every: isInterval, timezone: isText });
  const others = restOf(trigger, { trigger_id: isText, type: (value) => value === "schedule", enabled: isSwitch, config: isObject });
  return (
    <div class="trigger">
      <p class="faint">{forms.map((form) => <code key={form} class="chip">{form}</code>)}{said.join(" · ")}</p>
      <Rest value={ofConfig} />
      <Rest value={others} />
    </div>
  );
}

/** `thread` is the one that is looked at. */
export function Steps({ definition, thread = "" }: { definition: JsonObject; thread?: string }) {
  const after = list(objectOf(definition.execution).on_failure);
  const triggers = list(definition.triggers);
  const goal = textOf(definition.goal);
  const isSaid = list(definition.plan).some((step) => objectOf(step.config).prompt === goal);
  return (
    <>
      {goal && !isSaid && <p class="goal">{goal}</p>}
      <ol class="steps">{list(definition.plan).map((step, n) => <Step key={n} step={step} triggers={triggers} thread={thread} />)}</ol>
      {after.length > 0 && (
        <>
          <p class="faint">If a step fails for good:</p>
          <ol class="steps">{after.map((step, n) => <Step key={n} step={step} triggers={triggers} thread={thread} />)}</ol>
        </>
      )}
    </>
  );
}

interface StepProps {
  step: JsonObject;
  triggers: JsonObject[];
  thread: string;
}

function Step({ step, triggers, thread }: StepProps) {
  const names = texts(objectOf(step.config).to);
  return step.action === "deliver" && names.length ? <Delivery step={step} names={names} triggers={triggers} thread={thread} /> : <Work step={step} triggers={triggers} />;
}

/** A step that sends a result. */
function Delivery({ step, names, triggers, thread }: StepProps & { names: string[] }) {
  useEffect(watchDestinations, []);
  useTitles(names);
  const config = objectOf(step.config);
  const only = textOf(config.only);
  const more = [
    `Step ${textOf(step.step_id)}`,
    textOf(step.when) && `Only when ${step.when}`,
    only && only !== "always" && `Sent ${choice(only, "only")}`,
    textOf(config.format) && config.format !== "markdown" && `As ${config.format}`,
    typeof step.timeout_seconds === "number" && `At most ${step.timeout_seconds} s`,
  ].filter(Boolean);
  const ofConfig = restOf(config, { to: isTexts, only: isText, format: isText, body: isText });
  const others = restOf(step, { step_id: isText, action: isText, when: isText, timeout_seconds: isNumber, config: isObject });
  return (
    <li>
      {textOf(config.body) ? <Template text={textOf(config.body)} triggers={triggers} /> : <p class="prompt">Sends what came before it.</p>}
      <p class="faint">
        {names.map((name) => <span key={name} class="chip" title={name}>{chipOf(placeOf(name, thread))}</span>)}
        {more.join(" · ")}
      </p>
      <Rest value={ofConfig} triggers={triggers} />
      <Rest value={others} triggers={triggers} />
    </li>
  );
}

/** `context.consequences.deliveries`: where a result goes, with kind and host. */
export function Deliveries({ context }: { context: JsonObject }) {
  const { deliveries } = objectOf(context.consequences);
  if (!Array.isArray(deliveries)) return null;
  const lines = deliveries.filter(isObject).map((each) => {
    const about = [textOf(each.kind), textOf(each.host)].filter((one) => one && one !== "inbox").join(", ");
    return { name: textOf(each.destination), words: textOf(each.display_name) || textOf(each.destination), about };
  });
  const once = lines.filter((each, n) => lines.findIndex(({ name }) => name === each.name) === n);
  return (
    <section>
      <h3>Where it goes</h3>
      {once.length > 0
        ? <ul class="plain">{once.map(({ name, words, about }) => <li key={name}>{words} {about && <span class="faint">{about}</span>}</li>)}</ul>
        : <p>Nowhere. Its result is read in the run only.</p>}
    </section>
  );
}

const isMemory = (value: JsonValue | undefined) => value === "previous";

function Work({ step, triggers }: { step: JsonObject; triggers: JsonObject[] }) {
  const config = objectOf(step.config);
  const tools = texts(config.tools);
  const id = textOf(step.step_id);
  const prompt = textOf(config.prompt);
  const more = [
    prompt && id && `Step ${id}`,
    textOf(step.action) && `Action ${step.action}`,
    textOf(step.when) && `Only when ${step.when}`,
    textOf(config.model) && `Model ${config.model}`,
    typeof step.timeout_seconds === "number" && `At most ${step.timeout_seconds} s`,
    config.auto_approve === true && "Approves what it asks for by itself",
    isMemory(config.memory) && "Is told what it gave in the last run",
  ].filter(Boolean);
  const ofConfig = restOf(config, { prompt: isText, tools: isTexts, model: isText, auto_approve: isSwitch, memory: isMemory });
  const others = restOf(step, { step_id: isText, action: isText, when: isText, timeout_seconds: isNumber, config: isObject });
  return (
    <li>
      {prompt ? <Template text={prompt} triggers={triggers} /> : <p class="prompt">{id}</p>}
      {(tools.length > 0 || more.length > 0) && (
        <p class="faint">
          {tools.map((tool) => <code key={tool} class="chip">{tool}</code>)}
          {more.join(" · ")}
        </p>
      )}
      <Rest value={ofConfig} triggers={triggers} />
      <Rest value={others} triggers={triggers} />
    </li>
  );
}

/** A text, and what it becomes where fixed inputs fill it in. */
function Template({ text, triggers }: { text: string; triggers: JsonObject[] }) {
  const all = fillings(text, triggers);
  return (
    <>
      <p class="prompt">{text}</p>
      {all.map((filling) => (
        <p key={filling.triggers.join()} class="prompt filled">
          <span class="faint">{all.length > 1 ? `With the fixed inputs of ${filling.triggers.join(", ")}: ` : "With its fixed inputs: "}</span>
          {filling.pieces.map((piece, n) => (piece.filled ? <ins key={n}>{piece.text}</ins> : piece.text))}
        </p>
      ))}
    </>
  );
}

/** Fields without a place of their own, with their names. */
export function Rest({ value, triggers = [], title }: { value: JsonObject; triggers?: JsonObject[]; title?: string }) {
  if (!Object.keys(value).length) return null;
  const filled = (text: string) => (fillings(text, triggers).length ? <Template text={text} triggers={triggers} /> : undefined);
  return (
    <>
      {title && <h3>{title}</h3>}
      <Values value={value} name={label} text={filled} />
    </>
  );
}

/** What a definition says beyond its triggers, steps and limits. `title` is shown already. */
export function definitionRest(definition: JsonObject, title: string): JsonObject {
  const execution = restOf(objectOf(definition.execution), {
    on_failure: isObjects,
    concurrency: (value) => worded(value),
    budget_cap_usd: isNumber,
    timeout_seconds: isNumber,
    max_retries: isNumber,
    retry_backoff: isText,
  });
  const rest = restOf(definition, {
    name: (value) => value === title,
    goal: isText,
    triggers: isObjects,
    plan: isObjects,
    execution: isObject,
    inputs: (value) => isObject(value) && isEmpty(restOf(value, {})),
  });
  if (isObject(rest.metadata)) rest.metadata = withoutEmptyTags(rest.metadata);
  return restOf({ ...rest, ...(isObject(definition.execution) ? { execution } : {}) }, {});
}

function withoutEmptyTags({ tags, ...others }: JsonObject): JsonObject {
  return tags === undefined || isEmpty(tags) ? others : { tags, ...others };
}

export function grantedTools(definition: JsonObject): string[] {
  const steps = [...list(definition.plan), ...list(objectOf(definition.execution).on_failure)];
  return [...new Set(steps.flatMap((step) => texts(objectOf(step.config).tools)))].sort();
}

export function Tools({ definition }: { definition: JsonObject }) {
  const tools = grantedTools(definition);
  if (!tools.length) return <p>None. It can only think and write.</p>;
  return <p>{tools.map((tool) => <code key={tool} class="chip">{tool}</code>)}</p>;
}

const worded = (value: JsonValue | undefined) => Object.hasOwn(WHILE_RUNNING, String(value));

/** `context.consequences`, and the execution block in words. */
export function Consequences({ context, definition, who }: { context: JsonObject; definition?: JsonObject; who: string }) {
  const said = objectOf(context.consequences);
  const runs = Number(said.runs_per_month ?? 0);
  const execution = objectOf(definition?.execution);
  const cap = execution.budget_cap_usd;
  const lines = [
    runs > 0 && (runs === 1 ? "It runs once in the next month." : `About ${runs.toLocaleString("en")} runs a month.`),
    who && `It runs on behalf of ${who.replace("users/", "")}.`,
    typeof said.estimated_cost === "string" && `Estimated cost: ${said.estimated_cost.replace(/\.$/, "")}.`,
    definition && WHILE_RUNNING[worded(execution.concurrency) ? String(execution.concurrency) : "drop_if_running"],
    typeof said.on_failure === "string" && said.on_failure,
    typeof execution.timeout_seconds === "number" && `A run may take at most ${execution.timeout_seconds.toLocaleString("en")} s.`,
    typeof said.on_failure !== "string" && typeof execution.max_retries === "number" && `A step that fails is tried again at most ${execution.max_retries === 1 ? "once" : `${execution.max_retries} times`}.`,
    textOf(execution.retry_backoff) && `Wait between tries: ${choice(textOf(execution.retry_backoff))}.`,
    definition && (typeof cap === "number" ? `A run may spend at most ${cap} USD.` : "What a run may spend is not capped."),
    said.auto_approve === true && "It approves by itself what its tools ask for.",
  ];
  const { runs_per_month: _runs, tools: _tools, auto_approve: _auto, on_failure: _failure, deliveries: _deliveries, warnings, ...rest } = said;
  const { estimated_cost: cost, estimated_cost_usd: usd, ...others } = rest;
  const more = typeof cost === "string" ? others : { ...others, ...(usd === undefined ? {} : { estimated_cost_usd: usd }) };
  return (
    <>
      <Warnings value={warnings} />
      <Warnings value={context.warnings} />
      <ul class="plain">{lines.filter((line): line is string => !!line).map((line) => <li key={line}>{line}</li>)}</ul>
      {Object.keys(more).length > 0 && <Values value={more} name={label} />}
    </>
  );
}

export function Warnings({ value }: { value: JsonValue | undefined }) {
  const list = (Array.isArray(value) ? value : value ? [value] : []).map((each) => (isObject(each) ? String(each.message ?? each.text ?? Object.values(each).join(": ")) : String(each)));
  if (!list.length) return null;
  return <div class="warnings">{list.map((each) => <p key={each} class="assumed"><Icon name="warning" />{each}</p>)}</div>;
}

function chipOf({ words, about, gone }: Place): string {
  return gone && about ? `${words}: ${about}` : words;
}
