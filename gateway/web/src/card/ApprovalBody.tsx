/** The effect of an approval that creates no automation. */
import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { type Approval, type Preview, PreviewSchema } from "../gen/rota/chat/v1/chat_pb.js";
import { changes, isObject, objectOf } from "../lib/json.js";
import { resourceHref } from "../lib/router.js";
import { Icon } from "../ui/Icon.js";
import { Values } from "../ui/Values.js";
import { Changes, changesOf } from "./Changes.js";
import { threadOf } from "./destinations.js";
import { isEmpty, isObjects, isText, type Place, restOf } from "./rest.js";
import { Consequences, definitionRest, Deliveries, Rest, Steps, Tools, Triggers, Warnings } from "./Summary.js";
import { PASSED, withoutPassed } from "./preview.js";
import { SchedulePreview } from "./SchedulePreview.js";
import { label } from "./labels.js";

interface Act {
  approval: Approval;
  payload: JsonObject;
  preview: Preview | undefined;
  busy: boolean;
}

/** The body of a card that is not being edited. */
export function ApprovalBody(act: Act) {
  switch (act.approval.actionType) {
    case "automation_create":
      return <Creating {...act} />;
    case "automation_update":
      return <Updating {...act} />;
    case "automation_pause":
    case "automation_resume":
    case "automation_skip":
      return <Turning {...act} />;
    case "automation_delete":
      return <Deleting {...act} />;
    case "automation_rollback":
      return <RollingBack {...act} />;
    case "automation_backfill":
    case "automation_unskip":
      return <Listing {...act} />;
    case "tool_call":
      return <Calling {...act} />;
    case "question":
      return <Answering {...act} />;
    default:
      return <Other {...act} />;
  }
}

export function titleOf(approval: Approval, payload: JsonObject): string {
  const context = objectOf(approval.context);
  const named = [context.display_name, payload.display_name, objectOf(payload.definition).name].find((each): each is string => typeof each === "string" && each !== "") ?? "";
  switch (approval.actionType) {
    case "automation_create":
      return named || approval.summary;
    case "automation_update":
      return `Change ${named || "an automation"}`;
    case "automation_pause":
      return `Pause ${named || "an automation"}`;
    case "automation_resume":
      return `Resume ${named || "an automation"}`;
    case "automation_skip":
      return `Skip one time of ${named || "an automation"}`;
    case "automation_unskip":
      return `Run ${named || "an automation"} after all`;
    case "automation_delete":
      return `Delete ${named || "an automation"}`;
    case "automation_rollback":
      return `Roll ${named || "an automation"} back`;
    case "automation_backfill":
      return `Run ${named || "an automation"} afterwards`;
    case "tool_call":
      return `Use ${typeof payload.tool === "string" ? payload.tool : "a tool"}`;
    case "question":
      return `${typeof context.server === "string" ? context.server : "A tool"} asks you something`;
    default:
      return approval.summary || label(approval.actionType);
  }
}

function Creating({ approval, payload, preview, busy }: Act) {
  const definition = objectOf(payload.definition);
  return (
    <>
      {typeof payload.description === "string" && payload.description && <p class="about">{payload.description}</p>}
      <div class="sections">
        <Mine approval={approval} payload={payload} />
        <section><h3>When</h3><SchedulePreview preview={preview} busy={busy} /><Triggers definition={definition} /></section>
        <section><h3>What it does</h3><Steps definition={definition} thread={threadOf(approval.turn)} /></section>
        <Deliveries context={objectOf(approval.context)} />
        <section><h3>Tools granted</h3><Tools definition={definition} /></section>
        <section><h3>What follows</h3><Consequences context={objectOf(approval.context)} definition={definition} who={approval.requestedBy} /></section>
        <Others approval={approval} payload={payload} />
      </div>
    </>
  );
}

function Updating({ approval, payload, preview, busy }: Act) {
  const context = objectOf(approval.context);
  const definition = objectOf(payload.definition);
  const before = firesOf(objectOf(context.fires).before);
  const differences = changesOf(context.difference);
  const moved = differences.some((each) => /^definition\.triggers/.test(each.path)) || !isProposed(approval, payload);
  return (
    <>
      <WhichOne context={context} />
      {typeof context.change === "string" && context.change && <p class="about">“{context.change}”</p>}
      <div class="sections">
        <section><h3>What changes</h3><Changes list={differences} thread={threadOf(approval.turn)} /></section>
        <Mine approval={approval} payload={payload} />
        {moved && before ? (
          <div class="beside">
            <section><h3>It fires now</h3><SchedulePreview preview={withoutPassed(before)} brief /></section>
            <section><h3>It would fire</h3><SchedulePreview preview={preview} busy={busy} brief /></section>
          </div>
        ) : (
          <section><h3>It fires as before</h3><SchedulePreview preview={preview} busy={busy} /></section>
        )}
        <Deliveries context={context} />
        <section>
          <details>
            <summary>All it would do then</summary>
            <Triggers definition={definition} />
            <Steps definition={definition} thread={threadOf(approval.turn)} />
            <h3>Tools granted</h3>
            <Tools definition={definition} />
          </details>
        </section>
        <section><h3>What follows</h3><Consequences context={context} definition={definition} who={approval.requestedBy} /></section>
        <Others approval={approval} payload={payload} />
      </div>
    </>
  );
}

const COME = "The times that were next when this was asked have come.";

/** A change of no schedule stays as good when the times that it lists have come. */
function timeless(preview: Preview | undefined): Preview | undefined {
  return preview && { ...preview, notes: preview.notes.filter((note) => note !== PASSED) };
}

function Turning({ approval, payload, preview, busy }: Act) {
  const context = objectOf(approval.context);
  const pausing = approval.actionType === "automation_pause";
  const skipping = approval.actionType === "automation_skip";
  const which = pausing ? context.until : skipping ? context.slot : undefined;
  const note = typeof payload.note === "string" ? payload.note : "";
  const listed = (approval.preview?.slots.length ?? 0) > 0;
  return (
    <>
      <WhichOne context={context} />
      <div class="sections">
        {typeof which === "string" && <section><h3>{pausing ? "It goes on by itself" : "This time is skipped"}</h3><p>{which}</p></section>}
        {(pausing || skipping) && <section><h3>{pausing ? "Why, for whoever finds it paused" : "Why, for the ledger"}</h3><p>{note ? `“${note}”` : <span class="faint">No reason is given.</span>}</p></section>}
        <Mine approval={approval} payload={payload} />
        <section>
          <h3>{skipping ? "It fires after that" : !pausing ? "It fires again" : which ? "Fires before then are skipped" : "These fires are skipped"}</h3>
          <SchedulePreview preview={timeless(preview)} busy={busy} none={listed ? COME : pausing && which ? "None comes before then." : undefined} />
        </section>
        <Deliveries context={context} />
        {isObject(context.consequences)
          ? <section><h3>What follows</h3><Consequences context={context} who={approval.requestedBy} /></section>
          : <Warnings value={context.warnings} />}
        <Others approval={approval} payload={payload} />
      </div>
    </>
  );
}

function Deleting({ approval, payload, preview, busy }: Act) {
  const context = objectOf(approval.context);
  return (
    <>
      <WhichOne context={context} />
      <div class="sections">
        <Mine approval={approval} payload={payload} />
        <section><h3>These fires do not come</h3><SchedulePreview preview={timeless(preview)} busy={busy} none="None is left." /></section>
        <Warnings value={context.warnings} />
        <Others approval={approval} payload={payload} />
        <Context context={context} known={["automation", "display_name"]} />
      </div>
    </>
  );
}

function RollingBack({ approval, payload, preview, busy }: Act) {
  const context = objectOf(approval.context);
  const before = firesOf(objectOf(context.fires).before);
  const differences = changesOf(context.difference);
  const moved = differences.some((each) => /^definition\.triggers/.test(each.path));
  return (
    <>
      <WhichOne context={context} />
      {typeof context.version === "string" && <p class="about">It is again what it was in {context.version}.</p>}
      <div class="sections">
        <section><h3>What changes</h3><Changes list={differences} thread={threadOf(approval.turn)} /></section>
        <Mine approval={approval} payload={payload} />
        {moved && before ? (
          <div class="beside">
            <section><h3>It fires now</h3><SchedulePreview preview={withoutPassed(before)} brief /></section>
            <section><h3>It would fire</h3><SchedulePreview preview={preview} busy={busy} brief /></section>
          </div>
        ) : (
          <section><h3>It fires as before</h3><SchedulePreview preview={preview} busy={busy} /></section>
        )}
        <section><h3>What follows</h3><Consequences context={context} who={approval.requestedBy} /></section>
        <Others approval={approval} payload={payload} />
      </div>
    </>
  );
}

/** The very slots that run: now, of those that have passed, or when their time comes. */
function Listing({ approval, payload, preview, busy }: Act) {
  const context = objectOf(approval.context);
  const unskipping = approval.actionType === "automation_unskip";
  return (
    <>
      <WhichOne context={context} />
      <div class="sections">
        <Mine approval={approval} payload={payload} />
        <section>
          <h3>{unskipping ? "It runs at these times after all" : "These times are run now"}</h3>
          {unskipping ? <SchedulePreview preview={preview} busy={busy} none="The time has come." /> : <SchedulePreview preview={approval.preview} />}
        </section>
        <Warnings value={context.warnings} />
        <Others approval={approval} payload={payload} />
      </div>
    </>
  );
}

/** Whether the slots of a payload are those that the card shows by their times. */
function isShown(approval: Approval, slots: JsonValue | undefined): boolean {
  return Array.isArray(slots) && slots.length === approval.preview?.slots.length && !changes(approval.payload?.slots ?? null, slots).length;
}

function Calling({ approval, payload }: Act) {
  const context = objectOf(approval.context);
  const given = objectOf(payload.arguments);
  return (
    <>
      {typeof context.description === "string" && <p class="about multi">{context.description}</p>}
      <div class="sections">
        <section><h3>Tool</h3><p><code class="chip">{[payload.tool, context.tool].find((each) => typeof each === "string") ?? ""}</code></p></section>
        <section><h3>With</h3>{Object.keys(given).length ? <Values value={given} name={label} /> : <p>Nothing: it takes no arguments.</p>}</section>
        <Mine approval={approval} payload={payload} />
        <Others approval={approval} payload={payload} />
        <Context context={context} known={["tool", "description"]} />
      </div>
    </>
  );
}

function Answering({ approval, payload }: Act) {
  return (
    <>
      <Question approval={approval} />
      {Object.keys(payload).length > 0 && <div class="sections"><section><h3>Your answer</h3><Values value={payload} name={label} /></section></div>}
    </>
  );
}

/** What a server asks, above the form of the answer. */
export function Question({ approval, schema }: { approval: Approval; schema?: JsonObject | undefined }) {
  const context = objectOf(approval.context);
  const fields = Object.entries(objectOf(schema?.properties)).map(([key, field]) => [key, objectOf(field).description] as const);
  const told = Object.fromEntries(fields.filter((each): each is [string, string] => typeof each[1] === "string"));
  return (
    <>
      {typeof context.message === "string" && <p class="about multi">{context.message}</p>}
      <div class="sections">
        {Object.keys(told).length > 0 && <section><h3>The fields</h3><Values value={told} name={label} /></section>}
        <Context context={context} known={["message", "server"]} />
      </div>
    </>
  );
}

/** The body for an action unknown to this page: the service's description. */
function Other({ approval, payload, preview, busy }: Act) {
  return (
    <>
      <p class="about">{approval.summary}</p>
      <div class="sections">
        {preview?.summary && <section><h3>When</h3><SchedulePreview preview={preview} busy={busy} /></section>}
        <section><h3>What would be done</h3><Values value={payload} name={label} /></section>
        <Mine approval={approval} payload={payload} />
        <Context context={objectOf(approval.context)} known={[]} />
      </div>
    </>
  );
}

/** The person's edits so far. */
function Mine({ approval, payload }: { approval: Approval; payload: JsonObject }) {
  const mine = changes(approval.payload ?? {}, payload);
  if (!mine.length) return null;
  return <section><h3>Your changes</h3><Changes list={mine} thread={threadOf(approval.turn)} /></section>;
}

function WhichOne({ context }: { context: JsonObject }) {
  const link = typeof context.automation === "string" ? resourceHref(context.automation) : undefined;
  return link ? <p class="which"><Icon name="clock" /><a href={link}>Open the automation as it is</a></p> : null;
}

/** What the payload says beyond what the card shows elsewhere. */
export function Others({ approval, payload }: { approval: Approval; payload: JsonObject }) {
  const rest = payloadRest(approval, payload);
  if (isEmpty(rest)) return null;
  return <section><h3>What else it says</h3><Rest value={rest} triggers={isObjects(objectOf(payload.definition).triggers ?? null) ? (objectOf(payload.definition).triggers as JsonObject[]) : []} /></section>;
}

function payloadRest(approval: Approval, payload: JsonObject): JsonObject {
  const title = titleOf(approval, payload);
  const isTitle: Place = (value) => value === title;
  switch (approval.actionType) {
    case "automation_create":
    case "automation_update": {
      const creating = approval.actionType === "automation_create";
      const rest = restOf(payload, { display_name: isTitle, definition: isObject, ...(creating ? { description: isText } : {}) });
      const ofDefinition = definitionRest(objectOf(payload.definition), typeof payload.display_name === "string" ? payload.display_name : title);
      return { ...rest, ...(isEmpty(ofDefinition) ? {} : { definition: ofDefinition }) };
    }
    case "automation_pause":
    case "automation_skip":
      return restOf(payload, { note: isText });
    case "tool_call":
      return restOf(payload, { tool: isText, arguments: isObject });
    case "automation_delete":
      return restOf(payload, { display_name: (value) => value === objectOf(approval.context).display_name });
    case "automation_rollback":
    case "automation_resume":
      return restOf(payload, {});
    case "automation_backfill":
    case "automation_unskip":
      return restOf(payload, { slots: (value) => isShown(approval, value) });
    default:
      return {};
  }
}

/** The remaining fields of the context. */
function Context({ context, known }: { context: JsonObject; known: string[] }) {
  const { warnings, ...more } = context;
  const keys = Object.keys(more).filter((key) => !known.includes(key));
  return (
    <>
      <Warnings value={warnings} />
      {keys.length > 0 && <section><h3>What else is known</h3><Values value={Object.fromEntries(keys.map((key) => [key, more[key]!]))} name={label} /></section>}
    </>
  );
}

function firesOf(value: JsonValue | undefined): Preview | undefined {
  if (!isObject(value)) return undefined;
  try {
    return fromJson(PreviewSchema, value, { ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}

function isProposed(approval: Approval, payload: JsonObject): boolean {
  return !changes(approval.payload ?? {}, payload).some((each) => each.path.startsWith("definition.triggers"));
}
