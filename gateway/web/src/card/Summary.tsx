/** A definition as text: steps, tools, consequences. */
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { isObject, objectOf } from "../lib/json.js";
import { Icon } from "../ui/Icon.js";
import { Values } from "../ui/Values.js";
import { label, WHILE_RUNNING } from "./labels.js";

const list = (value: JsonValue | undefined): JsonObject[] => (Array.isArray(value) ? value.map(objectOf) : []);

export function Steps({ definition }: { definition: JsonObject }) {
  const after = list(objectOf(definition.execution).on_failure);
  return (
    <>
      <ol class="steps">{list(definition.plan).map((step, n) => <Step key={n} step={step} />)}</ol>
      {after.length > 0 && (
        <>
          <p class="faint">If a step fails for good:</p>
          <ol class="steps">{after.map((step, n) => <Step key={n} step={step} />)}</ol>
        </>
      )}
    </>
  );
}

function Step({ step }: { step: JsonObject }) {
  const config = objectOf(step.config);
  const tools = Array.isArray(config.tools) ? config.tools.map(String) : [];
  const more = [
    step.action !== "agent_task" && `Action ${step.action}`,
    step.when && `Only when ${step.when}`,
    config.model && `Model ${config.model}`,
    step.timeout_seconds && `At most ${step.timeout_seconds} s`,
    config.auto_approve === true && "Approves what it asks for by itself",
  ].filter(Boolean);
  return (
    <li>
      <p class="prompt">{String(config.prompt ?? step.step_id ?? "")}</p>
      {(tools.length > 0 || more.length > 0) && (
        <p class="faint">
          {tools.map((tool) => <code key={tool} class="chip">{tool}</code>)}
          {more.join(" · ")}
        </p>
      )}
    </li>
  );
}

export function grantedTools(definition: JsonObject): string[] {
  const steps = [...list(definition.plan), ...list(objectOf(definition.execution).on_failure)];
  const tools = steps.flatMap((step) => objectOf(step.config).tools ?? []);
  return [...new Set(tools.map(String))].sort();
}

export function Tools({ definition }: { definition: JsonObject }) {
  const tools = grantedTools(definition);
  if (!tools.length) return <p>None. It can only think and write.</p>;
  return <p>{tools.map((tool) => <code key={tool} class="chip">{tool}</code>)}</p>;
}

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
    definition && WHILE_RUNNING[String(execution.concurrency ?? "drop_if_running")],
    typeof said.on_failure === "string" && said.on_failure,
    definition && (typeof cap === "number" ? `A run may spend at most ${cap} USD.` : "What a run may spend is not capped."),
    said.auto_approve === true && "It approves by itself what its tools ask for.",
  ];
  const { runs_per_month: _runs, tools: _tools, auto_approve: _auto, on_failure: _failure, warnings, ...rest } = said;
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
