/** Destinations: where results go. The page sends their secrets and never shows them. */
import { useEffect, useRef, useState } from "preact/hooks";
import { describeUsers } from "../automations/users.js";
import { Destination_State as State, type Destination } from "../gen/rota/automation/v1/destination_pb.js";
import { announce } from "../lib/announce.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { destinations as service, idOf, requestId } from "../lib/rpc.js";
import { claims, mayAct, workspace } from "../lib/session.js";
import { dateOf, moment } from "../lib/time.js";
import { ForEditors } from "../ui/ForEditors.js";
import { Icon } from "../ui/Icon.js";
import { More } from "../ui/More.js";
import { Badge, ProblemNotice, Skeleton, TextPrompt, type Tone } from "../ui/parts.js";
import { AddDestination } from "./AddDestination.js";
import { destinations, watchDestinations } from "./destinations.js";
import { labelOf } from "./destinationKinds.js";
import { TextField } from "./TextField.js";

const STATES: Record<State, [Tone, string]> = {
  [State.STATE_UNSPECIFIED]: ["calm", ""],
  [State.ACTIVE]: ["good", "Takes results"],
  [State.PAUSED]: ["bad", "Paused"],
  [State.UNVERIFIED]: ["wait", "Not verified"],
};

/** `id`: the one that a link leads to. */
export function Destinations({ id }: { id?: string | undefined }) {
  useEffect(watchDestinations, []);
  const found = destinations.items.value;
  const sought = id && `${workspace.value}/destinations/${id}`;
  const isMissing = !!sought && found !== undefined && !found.some((each) => each.name === sought);
  const hasMore = destinations.hasMore.value;
  useEffect(() => {
    if (isMissing && hasMore) void destinations.more();
  }, [isMissing, hasMore, found?.length]);
  return (
    <section class="screen" aria-label="Destinations">
      <header class="screen-head"><h1>Destinations</h1></header>
      <div class="scroll">
        <div class="column">
          <section class="panel">
            <h2>Where results go</h2>
            {destinations.problem.value && <ProblemNotice problem={destinations.problem.value} again={() => void destinations.refresh()} />}
            {!found && !destinations.problem.value && <Skeleton what="Loading destinations" />}
            {isMissing && !hasMore && <p class="error" role="status">There is no destination “{id}”, or it is not for you.</p>}
            {found?.length === 0 && <p class="faint">None yet. Results reach your inbox and your threads without one.</p>}
            {found && found.length > 0 && <ul class="rows tight">{found.map((each) => <One key={each.name} destination={each} isSought={each.name === sought} />)}</ul>}
            <More list={destinations} what="destinations" />
          </section>
          <ForEditors words="Editors of the workspace add destinations."><AddDestination /></ForEditors>
        </div>
      </div>
    </section>
  );
}

function One({ destination, isSought }: { destination: Destination; isSought: boolean }) {
  const line = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (!isSought) return;
    line.current?.scrollIntoView({ block: "center" });
    line.current?.focus({ preventScroll: true });
  }, [isSought]);
  const [sure, ask] = useState(false);
  const [warning, warn] = useState("");
  const [busy, setBusy] = useState(false);
  const [said, say] = useState("");
  const [problem, blame] = useState<Problem>();
  const attempt = async (act: () => Promise<void>) => {
    setBusy(true);
    say("");
    blame(undefined);
    try {
      await act();
    } catch (thrown) {
      blame(problemOf(thrown));
    }
    setBusy(false);
    void destinations.refresh();
  };
  const { name, displayName, state } = destination;
  const [tone, label] = STATES[state] ?? STATES[State.STATE_UNSPECIFIED];
  const test = () => attempt(async () => {
    const { error } = await service.testDestination({ name, requestId: requestId() });
    say(error ? `It was not taken: ${error}.` : "It was taken.");
  });
  useEffect(() => say(""), [destination.verifyTime?.seconds]);
  const send = () => attempt(async () => {
    const { error } = await service.testDestination({ name, verify: true, requestId: requestId() });
    say(error ? `No code was sent: ${error}.` : "A code was sent. Enter it below.");
  });
  const rename = async (text: string): Promise<Problem | undefined> => {
    try {
      const renamed = await service.updateDestination({ destination: { name, etag: destination.etag, displayName: text.trim() }, updateMask: { paths: ["display_name"] }, requestId: requestId() });
      announce(`It is called ${renamed.displayName} now.`);
    } catch (thrown) {
      return problemOf(thrown);
    } finally {
      void destinations.refresh();
    }
    return undefined;
  };
  const enable = (sendMissed: boolean) => attempt(async () => {
    await service.enableDestination({ name, etag: destination.etag, sendMissed, requestId: requestId() });
    announce(sendMissed ? `${displayName} takes results again, and what it missed.` : `${displayName} takes results again.`);
  });
  const remove = () => {
    if (!sure) {
      ask(true);
      warn("");
      void describeUsers(name, "their results will not arrive there any more.").then(warn);
      return;
    }
    ask(false);
    void attempt(async () => {
      await service.deleteDestination({ name, etag: destination.etag, requestId: requestId() });
      announce(`${displayName} is removed.`);
    });
  };
  return (
    <li ref={line} class={isSought ? "destination sought" : "destination"} tabIndex={isSought ? -1 : undefined} aria-current={isSought ? "location" : undefined}>
      <div class="row still">
        <span class="row-main">
          <span class="row-title">{displayName}</span>
          <span class="faint text">{labelOf(destination.kind)} at {destination.host}</span>
          <span class="faint">{whose(destination)}{destination.secretHint && `; secret …${destination.secretHint}`}</span>
          {destination.verifyTime && <span class="faint">Verified by {idOf(destination.verifiedMember)}, {moment(dateOf(destination.verifyTime)!)}</span>}
          {destination.pauseReason && <span class="error text">Paused: {destination.pauseReason}</span>}
          {!destination.pauseReason && destination.lastError && <span class="error text">Last error: {destination.lastError}</span>}
        </span>
        <span class="badges"><Badge tone={tone}>{label}</Badge></span>
      </div>
      {manages(destination) && (
        <div class="acts">
          <button type="button" class="quiet small" disabled={busy} aria-busy={busy} onClick={() => void test()} aria-label={`Test ${displayName}`}>{busy ? "Please wait…" : "Test"}</button>
          {!destination.verifyTime && <button type="button" class="quiet small" disabled={busy} onClick={() => void send()} aria-label={`Send a code to ${displayName}`}>Send a code</button>}
          {state === State.PAUSED && <button type="button" class="quiet small" disabled={busy} onClick={() => void enable(false)} aria-label={`Enable ${displayName}`}><Icon name="play" />Enable</button>}
          {state === State.PAUSED && <button type="button" class="quiet small" disabled={busy} onClick={() => void enable(true)} aria-label={`Enable ${displayName} and send what it missed`}><Icon name="play" />Enable and send what it missed</button>}
          <button type="button" class={sure ? "quiet danger small" : "quiet small"} disabled={busy} onBlur={() => ask(false)} onClick={remove} aria-label={sure ? `Really remove ${displayName}` : `Remove ${displayName}`}>
            <Icon name="trash" />{sure ? "Really remove?" : "Remove"}
          </button>
          <TextPrompt label="Rename" icon="pencil" question={`A new name for ${displayName}`} act="Rename" kind="quiet small" text={displayName} done={rename} />
        </div>
      )}
      {sure && warning && <p role="status">{warning}</p>}
      {said && <p role="status">{said}</p>}
      {problem && <ProblemNotice problem={problem} />}
      {destination.codeExpireTime && mayAct.value && <Code destination={destination} />}
    </li>
  );
}

/** The code that was sent, to be given back. */
function Code({ destination }: { destination: Destination }) {
  const [busy, setBusy] = useState(false);
  const [problem, blame] = useState<Problem>();
  const give = async (form: HTMLFormElement) => {
    setBusy(true);
    blame(undefined);
    try {
      const code = String(new FormData(form).get("code") ?? "").trim();
      await service.verifyDestination({ name: destination.name, code, requestId: requestId() });
      announce(`${destination.displayName} is verified.`);
      void destinations.refresh();
    } catch (thrown) {
      blame(problemOf(thrown));
    }
    setBusy(false);
  };
  const wrong = problem?.violations.find((each) => each.field === "code")?.description;
  return (
    <form class="form" aria-label={`Verify ${destination.displayName}`} onSubmit={(event) => { event.preventDefault(); void give(event.currentTarget); }}>
      <TextField id={`code-${idOf(destination.name)}`} name="code" label="Code" help={`As it arrived there; good until ${moment(dateOf(destination.codeExpireTime)!)}`} wrong={wrong} required maxLength={32} />
      {problem && !wrong && <ProblemNotice problem={problem} />}
      <p><button type="submit" class="primary" disabled={busy} aria-busy={busy}>Verify</button></p>
    </form>
  );
}

function whose(destination: Destination): string {
  if (!destination.owner) return "Shared";
  return idOf(destination.owner) === claims.value?.user ? "Yours" : `Of ${idOf(destination.owner)}`;
}

/** Settings are shown only to whoever may change them. */
function manages(destination: Destination): boolean {
  return mayAct.value && destination.settings.case !== undefined;
}
