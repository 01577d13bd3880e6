/** The card of an approval: read, edit, decide. */
import type { JsonValue, MessageInitShape } from "@bufbuild/protobuf";
import { useCallback, useEffect, useId, useState } from "preact/hooks";
import { type Approval, Approval_State as State, type DecisionSchema } from "../gen/rota/chat/v1/chat_pb.js";
import { announce } from "../lib/announce.js";
import { changes, objectOf, same } from "../lib/json.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { chat, requestId } from "../lib/rpc.js";
import { resourceHref } from "../lib/router.js";
import { mayAct } from "../lib/session.js";
import { dateOf, nearby, relative } from "../lib/time.js";
import { ForEditors } from "../ui/ForEditors.js";
import { Icon } from "../ui/Icon.js";
import { TextPrompt, Badge, type Tone, ProblemNotice } from "../ui/parts.js";
import { ApprovalBody, Others, Question, titleOf } from "./ApprovalBody.js";
import { Changes, changesOf } from "./Changes.js";
import { type ContextState, useCardContext } from "./context.js";
import { threadOf } from "./destinations.js";
import { Editor, PAST, Wrongs } from "./Editor.js";
import { place, refusalText } from "./labels.js";
import { hasPassed, overdue, refusedOf, usePreview } from "./preview.js";
import { Steps, Triggers, Warnings } from "./Summary.js";

type Choice = MessageInitShape<typeof DecisionSchema>["decision"];

const STATES: Partial<Record<State, [string, Tone]>> = {
  [State.PENDING]: ["Waits for you", "wait"],
  [State.APPROVED]: ["Approved", "good"],
  [State.REJECTED]: ["Rejected", "bad"],
  [State.EXPIRED]: ["Expired", "calm"],
  [State.CANCELLED]: ["Cancelled", "calm"],
};

export function ApprovalCard({ approval: given, decided }: { approval: Approval; decided: () => void }) {
  const [mine, hold] = useState<Approval>();
  // What the service said last wins; a decision is never undone.
  const approval = given.state === State.PENDING ? (mine ?? given) : given;
  const [isEdited, mark] = useState(false);
  if (approval.state === State.PENDING) return <Pending approval={approval} hold={hold} decided={decided} mark={mark} />;
  return (
    <>
      {isEdited && <p class="banner" role="status"><Icon name="warning" />It was decided elsewhere meanwhile. Your changes were not saved.</p>}
      <Decided approval={approval} />
    </>
  );
}

function Pending({ approval, hold, decided, mark }: {
  approval: Approval;
  hold: (approval: Approval) => void;
  decided: () => void;
  /** Told whether something of the card is changed and not decided. */
  mark: (isEdited: boolean) => void;
}) {
  const original = approval.payload ?? {};
  const schema = useSchema(approval);
  const asks = approval.actionType === "question";
  const [editing, edit] = useState(asks && mayAct.value);
  const [sought, seek] = useState<{ field: string }>();
  const [payload, change] = useState<JsonValue>(original);
  const [typed, hear] = useState<Record<string, string>>({});
  const [round, setRound] = useState(0);
  const [busy, setBusy] = useState(false);
  const [problem, blame] = useState<Problem>();
  const held = useId();
  const tell = useCallback((field: string, fault: string) => hear(({ [field]: _, ...others }) => (fault ? { ...others, [field]: fault } : others)), []);
  const { preview, violations: told, spent, busy: previewing } = usePreview(payload, approval.preview);
  const late = refusedOf(approval, payload, spent);
  const violations = [...told, ...late];
  const altered = !same(payload, original);
  const said = useCardContext(approval, payload, altered && !asks, !violations.length);
  const shown = { ...approval, context: said.context };
  // By an attempt to decide, or by the check of an edit.
  const refused = problem?.violations ?? said.refused;
  const more = problem?.more ?? said.more;
  const wrong = [...violations, ...refused.filter((each) => !violations.some((v) => v.field === each.field))];

  const faults = [...Object.entries(typed).map(([field, description]) => ({ field, description })), ...violations.filter((each) => !(each.field in typed))];
  // What the service refused is in sight beside the buttons, and may be tried again as it is.
  const inSight = editing && schema ? [...faults, ...refused.filter((each) => !faults.some((fault) => fault.field === each.field))] : faults;
  const outdated = [...Object.keys(typed), ...told.map((each) => each.field)].some((field) => /^definition\.triggers/.test(field));
  const come = overdue(approval);
  const isTyped = Object.keys(typed).length > 0;
  useEffect(() => mark(altered || isTyped), [altered, isTyped]);

  const decide = async (decision: Choice, said: string) => {
    setBusy(true);
    blame(undefined);
    try {
      const { name, payloadDigest } = approval;
      const answer = await chat.decideApproval({
        name,
        requestId: requestId(),
        decision: { approval: name, payloadDigest, decision },
      });
      announce(said);
      mark(false);
      hold(answer);
      decided();
    } catch (thrown) {
      await refusedWith(problemOf(thrown));
    }
    setBusy(false);
  };
  const show = (field: string) => {
    edit(true);
    seek({ field });
  };
  const refusedWith = async (found: Problem) => {
    blame(found);
    if (found.violations.length) {
      show(found.violations[0]!.field);
      return;
    }
    // Decided elsewhere, expired or changed meanwhile: show how it stands.
    const now = await chat.getApproval({ name: approval.name }).catch(() => undefined);
    if (now && now.state !== State.PENDING) hold(now);
  };
  const approve = () =>
    altered
      ? decide({ case: "edit", value: { payload: objectOf(payload) } }, "Approved with your changes.")
      : decide({ case: "approve", value: {} }, "Approved.");

  const whole = objectOf(payload);
  const title = titleOf(approval, whole);
  const expires = dateOf(approval.expireTime);
  return (
    <section class={editing ? "card editing" : "card"} aria-label={`Approval wanted: ${title}`} data-approval={approval.name}>
      <header>
        <Badge tone="wait">Waits for you</Badge>
        <span class="faint">{expires && `expires ${relative(expires)}`}</span>
      </header>
      <h2>{title}</h2>
      {asks && editing && schema && <Question approval={approval} schema={schema} />}
      {editing && schema ? (
        <Editor
          schema={schema}
          payload={payload}
          change={(next) => { change(next); if (problem) blame(undefined); }}
          violations={wrong}
          more={more}
          sought={sought}
          preview={preview}
          previewing={previewing}
          outdated={outdated}
          tell={tell}
          round={round}
          thread={threadOf(approval.turn)}
        />
      ) : (
        <ApprovalBody approval={shown} payload={whole} preview={preview} busy={previewing} />
      )}
      {altered && !asks && <Said said={said} editing={editing && schema !== undefined} />}
      {refused.length > 0 && !(editing && schema) && <Wrongs violations={refused} more={more} show={show} />}
      <footer>
        {problem && !problem.violations.length && <div class="held"><ProblemNotice problem={problem} /></div>}
        <ForEditors words="You are a viewer of this workspace: an editor decides this.">
          {come && <p class="held error" id={`${held}-come`} role="status">{come}</p>}
          {inSight.length > 0 && <Held id={held} faults={inSight} passed={late.some((each) => hasPassed(approval, payload, each))} show={show} />}
          <button type="button" class="primary" disabled={busy || said.busy || faults.length > 0 || come !== ""} aria-busy={busy || said.busy} aria-describedby={inSight.length ? held : come ? `${held}-come` : undefined} onClick={() => void approve()}>
            <Icon name="check" />{asks ? "Answer" : altered || isTyped ? "Approve with changes" : "Approve"}
          </button>
          {schema && (
            <button type="button" class="quiet" aria-pressed={editing} disabled={editing && faults.length > 0 && (altered || isTyped)} aria-describedby={editing && faults.length ? held : undefined} onClick={() => edit(!editing)}>
              <Icon name="pencil" />{editing ? "Done editing" : "Edit"}
            </button>
          )}
          {(altered || isTyped) && <button type="button" class="quiet" onClick={() => { change(original); blame(undefined); setRound(round + 1); }}>Undo changes</button>}
          <TextPrompt
            label="Reject"
            icon="cross"
            question="Why not? The agent is told."
            act="Reject"
            kind="quiet danger"
            disabled={busy}
            done={(reason) => void decide({ case: "reject", value: { reason } }, "Rejected.")}
          />
        </ForEditors>
      </footer>
    </section>
  );
}

/** The warnings beside the form of an edit, and whether they are of the edit. */
function Said({ said, editing }: { said: ContextState; editing: boolean }) {
  const of = (value: JsonValue | undefined) => (Array.isArray(value) ? value : []);
  const warnings = [...of(objectOf(said.context.consequences).warnings), ...of(said.context.warnings)];
  return (
    <div class="said" role="status" aria-busy={said.busy}>
      {said.stale && <p class="note">Your changes {said.refused.length ? "can't be saved like this" : "could not be checked"}: warnings and cost are those from before them.</p>}
      {editing && <Warnings value={warnings} />}
    </div>
  );
}

/** Why a card can't be approved as it is, or was not: the fields at fault. */
function Held({ id, faults, passed, show }: { id: string; faults: { field: string; description: string }[]; passed: boolean; show: (field: string) => void }) {
  return (
    <div class="held" id={id} role="status">
      {passed && <p class="error lead-word">{PAST}</p>}
      {faults.map(({ field, description }) => (
        <p key={field + description} class="error">
          <button type="button" class="link" onClick={() => show(field)}>{place(field)}</button>: {refusalText(description)}
        </p>
      ))}
    </div>
  );
}

/** Loads the schema, which lists omit. */
function useSchema(approval: Approval) {
  const [schema, hold] = useState(approval.payloadSchema);
  useEffect(() => {
    if (approval.payloadSchema) hold(approval.payloadSchema);
    else chat.getApproval({ name: approval.name }).then((full) => hold(full.payloadSchema), () => {});
  }, [approval.name, approval.payloadSchema !== undefined]);
  return schema;
}

function Decided({ approval }: { approval: Approval }) {
  const [word, tone] = STATES[approval.state] ?? ["Unknown", "calm"];
  const saved = objectOf(approval.editedPayload ?? approval.payload);
  const definition = objectOf(saved.definition);
  const title = titleOf(approval, saved);
  const differences = changesOf(objectOf(approval.context).difference);
  const edits = approval.editedPayload ? changes(approval.payload ?? {}, approval.editedPayload) : [];
  // What it made is told once it is made; what it is about is known before.
  const about = objectOf(approval.context).automation;
  const named = approval.resource || (typeof about === "string" ? about : "");
  const link = named && resourceHref(named);
  const when = dateOf(approval.decideTime);
  const by = approval.decidedBy.replace("users/", "");
  return (
    <section class="card decided" aria-label={`${word}: ${title}`} data-approval={approval.name}>
      <header>
        <Badge tone={tone}>{word}{approval.editedPayload ? " with changes" : ""}</Badge>
        <span class="faint">{[by && `by ${by}`, when && nearby(when)].filter(Boolean).join(", ")}</span>
      </header>
      <h2>{link ? <a href={link}>{title}</a> : title}</h2>
      {approval.reason && <p class="about">“{approval.reason}”</p>}
      <details>
        <summary>What it was about</summary>
        <p>{approval.summary}</p>
        {differences.length > 0 && <Changes list={differences} thread={threadOf(approval.turn)} />}
        <Triggers definition={definition} />
        <Steps definition={definition} thread={threadOf(approval.turn)} />
        {edits.length > 0 && <><h3>Changed before it was decided</h3><Changes list={edits} thread={threadOf(approval.turn)} /></>}
        <Others approval={approval} payload={saved} />
      </details>
    </section>
  );
}
