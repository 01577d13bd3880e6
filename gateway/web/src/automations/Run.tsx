/** One live run: its steps, their outputs and its result. */
import { toJson } from "@bufbuild/protobuf";
import { type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { useEffect, useMemo, useState } from "preact/hooks";
import type { Run, StepResult } from "../gen/rota/automation/v1/automation_pb.js";
import { useQuery } from "../lib/query.js";
import { backoff, sleep } from "../lib/network.js";
import { isTransient, problemOf, errorText } from "../lib/problem.js";
import { automations, requestId } from "../lib/rpc.js";
import { href, previousAddress } from "../lib/router.js";
import { mayAct, workspace } from "../lib/session.js";
import { isObject, pretty } from "../lib/json.js";
import { dateOf, moment, relative, span } from "../lib/time.js";
import { Icon } from "../ui/Icon.js";
import { Markdown } from "../ui/Markdown.js";
import { Values } from "../ui/Values.js";
import { Badge, Facts, Skeleton, ProblemNotice } from "../ui/parts.js";
import { RunDeliveries } from "./Deliveries.js";
import { costText, hasEnded, look, RUN, STEP } from "./states.js";
import { Transcript } from "./Transcript.js";

export function RunDetail({ automation, run: id }: { automation: string; run: string }) {
  const name = `${workspace.value}/automations/${automation}/runs/${id}`;
  const { value: run, problem, again } = useQuery(() => automations.getRun({ name }), name, 5000);
  const doing = useWatched(name, run !== undefined && !hasEnded(run.state), again);
  const slot = run && dateOf(run.slotTime);
  const back = useMemo(cameFrom, []);
  return (
    <section class="screen" aria-label="Run">
      <header class="screen-head">
        <a class="back" href={back?.[0] ?? href("automations", automation)}><Icon name="back" />{back?.[1] ?? (run?.definitionSnapshot?.name || "Automation")}</a>
        {back && <a class="faint" href={href("automations", automation)}>{run?.definitionSnapshot?.name || "Automation"}</a>}
        <h1>{slot ? `Run of ${moment(slot)}` : "Run"}</h1>
        {run && <Badge tone={look(RUN, run.state)[1]}>{look(RUN, run.state)[0]}</Badge>}
      </header>
      <div class="scroll">
        <div class="column">
          {problem && <ProblemNotice problem={problem} again={again} />}
          {!run && !problem && <Skeleton rows={6} what="Loading the run" />}
          {run && <Body run={run} doing={doing} again={again} />}
        </div>
      </div>
    </section>
  );
}

/** The screen that one came from, if it is another list than that of the automation, and its name. */
function cameFrom(): [string, string] | undefined {
  const address = previousAddress();
  if (/^#\/runs\b/.test(address)) return [address, "Runs"];
  if (/^#\/inbox\b/.test(address)) return [address, "Inbox"];
  if (/^#\/chat\/./.test(address)) return [address, "Thread"];
  return undefined;
}

/** Loads the run again at each event; returns the progress of each step. */
function useWatched(name: string, live: boolean, again: () => void): Record<string, string> {
  const [doing, tell] = useState<Record<string, string>>({});
  useEffect(() => {
    if (!live) return;
    const stop = new AbortController();
    void watch(name, stop.signal, again, (step, title) => tell((all) => ({ ...all, [step]: title })));
    return () => stop.abort();
  }, [name, live]);
  return doing;
}

async function watch(name: string, stop: AbortSignal, again: () => void, tell: (step: string, title: string) => void) {
  for (let after = 0, failures = 0; !stop.aborted; failures++) {
    try {
      for await (const frame of automations.watchRun({ name, afterSequence: after }, { signal: stop })) {
        [after, failures] = [frame.sequence, 0];
        if (frame.event.case === "stepProgress") tell(frame.event.value.stepId, frame.event.value.title);
        if (frame.event.case !== "heartbeat") again();
        if (frame.event.case === "ended") return;
      }
    } catch (thrown) {
      if (!isTransient(problemOf(thrown))) return; // it is asked every few seconds anyway
    }
    await sleep(backoff(failures), stop);
  }
}

function Body({ run, doing, again }: { run: Run; doing: Record<string, string>; again: () => void }) {
  const [start, end] = [dateOf(run.startTime), dateOf(run.endTime)];
  const took = start && (end ? span(start, end) : `${relative(start)}, still going`);
  const untold = run.usage?.untoldTasks ?? 0;
  const tokens = Number((run.usage?.inputTokens ?? 0n) + (run.usage?.outputTokens ?? 0n));
  return (
    <>
      {run.error && <p class="banner bad" role="alert"><Icon name="warning" />{errorText(run.error)}</p>}
      <Facts
        rows={[
          ["Run", run.backfill ? "afterwards: somebody asked for it" : ""],
          ["Began", start && moment(start)],
          ["Took", took],
          ["Revision", String(run.revision)],
          ["Tokens", tokens ? tokens.toLocaleString("en") : ""],
          ["Cost", [costText(run.usage), untold && `${untold === 1 ? "a task has" : `${untold} tasks have`} not told theirs yet`].filter(Boolean).join("; ")],
        ]}
      />
      {run.output && (
        <section class="panel">
          <h2>What came of it</h2>
          <Output value={run.output} />
        </section>
      )}
      <RunDeliveries run={run.name} />
      {Object.keys(run.inputs ?? {}).length > 0 && (
        <section class="panel">
          <h2>What it was given</h2>
          <Values value={run.inputs!} name={(key) => key} />
        </section>
      )}
      <section class="panel">
        <h2>Steps</h2>
        {!run.stepResults.length && <p class="faint">None has begun.</p>}
        <ol class="results">{run.stepResults.map((step) => <Step key={step.stepId} step={step} doing={doing[step.stepId]} shown={isShown(run, step)} />)}</ol>
      </section>
      {!hasEnded(run.state) && mayAct.value && (
        <button type="button" class="quiet danger" onClick={() => void automations.cancelRun({ name: run.name, requestId: requestId() }).then(again, again)}>
          <Icon name="cross" />Cancel this run
        </button>
      )}
    </>
  );
}

/** Whether what a step gave is above already: as what came of the run, or as its deliveries. */
function isShown(run: Run, step: StepResult): boolean {
  const others = run.stepResults.filter((each) => !gaveDeliveries(each));
  return gaveDeliveries(step) || (run.output !== undefined && others.length === 1);
}

/** A step that delivers gives the names of its deliveries, and nothing else. */
function gaveDeliveries({ output }: StepResult): boolean {
  const json = output && toJson(ValueSchema, output);
  if (json === undefined || !isObject(json) || Object.keys(json).join() !== "deliveries" || !Array.isArray(json.deliveries)) return false;
  return json.deliveries.every((name) => typeof name === "string" && name.includes("/deliveries/"));
}

function Step({ step, doing, shown }: { step: StepResult; doing: string | undefined; shown: boolean }) {
  const [word, tone] = look(STEP, step.status);
  const [start, end] = [dateOf(step.startTime), dateOf(step.endTime)];
  return (
    <li>
      <p class="result-head">
        <strong>{step.stepId}</strong>
        <Badge tone={tone}>{word}</Badge>
        <span class="faint">
          {[start && end && span(start, end), step.attempts > 1 && `${step.attempts} tries`, tokensText(step), costText(step.usage)].filter(Boolean).join(" · ")}
        </span>
      </p>
      {doing && tone === "busy" && <p class="working"><span class="pulse" />{doing}</p>}
      {step.error && <p class="error">{errorText(step.error)}</p>}
      {step.notes.map((note) => <p key={note} class="faint">{note}</p>)}
      {step.output && !shown && <Output value={step.output} />}
      {step.earlierSessionIds.map((session, n) => (
        <Transcript key={session} session={session} title={`What the agent did in try ${n + 1}`} live={false} />
      ))}
      {step.sessionId && (
        <Transcript key={step.sessionId} session={step.sessionId} title="What the agent did" live={tone === "busy"} expires={dateOf(step.sessionExpireTime)} />
      )}
    </li>
  );
}

function tokensText({ usage }: StepResult): string {
  const tokens = Number((usage?.inputTokens ?? 0n) + (usage?.outputTokens ?? 0n));
  return tokens ? `${tokens.toLocaleString("en")} tokens` : "";
}

function Output({ value }: { value: Value }) {
  const json = toJson(ValueSchema, value);
  return typeof json === "string" ? <Markdown text={json} /> : <pre tabIndex={0}>{pretty(json)}</pre>;
}
