/** A thread: its turns and the composer. */
import { useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { announce } from "../lib/announce.js";
import { poll } from "../lib/network.js";
import { mayAct, onLeave, workspace } from "../lib/session.js";
import { ForEditors } from "../ui/ForEditors.js";
import { Icon } from "../ui/Icon.js";
import { Skeleton, ProblemNotice } from "../ui/parts.js";
import { cacheImage } from "./images.js";
import { Composer, nextField } from "./Composer.js";
import { EMPTY, mergeDrafts } from "./draft.js";
import { models, UNTITLED } from "./models.js";
import { loadPending as onItsWay } from "./outbox.js";
import { ThreadModel } from "./thread.js";
import { TurnBlock } from "./TurnBlock.js";
import { isDelivered, type TurnView } from "./turn.js";

const EXAMPLES = [
  "Every weekday at 9 in Paris, summarise the news",
  "Every evening at 6 tell me a joke",
  "Every Monday at 8:30 say what is due this week",
];

let kept: ThreadModel | undefined;

onLeave(() => {
  kept?.close();
  kept = undefined;
});

/** Returns the model of a thread. A new thread keeps its model when it gets its id. */
function modelOf(id: string): ThreadModel {
  const name = id ? `${workspace.value}/threads/${id}` : "";
  if (kept && kept.name === name && (name || !kept.turns.value.length)) return kept;
  kept?.close();
  kept = new ThreadModel(name);
  return kept;
}

export function Chat({ id }: { id: string }) {
  const model = useMemo(() => modelOf(id), [id]);
  useEffect(() => () => {
    // Leaving the chat ends the tail, never the turn.
    if (kept === model && !location.hash.startsWith("#/chat")) {
      model.close();
      kept = undefined;
    }
  }, [model]);
  useEffect(() => {
    const saying = onItsWay();
    if (!model.name && saying?.thread === `${workspace.value}/threads/-` && !model.turns.value.length) void model.carry(saying);
    return poll(() => void model.look(), 3000);
  }, [model]);
  const turns = model.turns.value;
  const { shown, sent } = modelOfNext(model);
  const say = async ({ without }: { without: string[] }) => {
    const said = model.draft.value;
    model.write(() => EMPTY);
    said.images.forEach((each) => void cacheImage(each));
    if (!(await model.say(said, sent, without))) model.write((now) => mergeDrafts(said, now));
  };
  // A result may come after the turn that is open.
  useSpoken(model.open.value ?? turns.at(-1));
  const last = turns.findLastIndex((turn) => !isDelivered(turn));
  return (
    <section class="chat" aria-label={model.title.value || "New chat"}>
      <header class="screen-head">
        <h1>{model.title.value || (model.name ? UNTITLED : "New chat")}</h1>
      </header>
      <Log turns={turns}>
        {model.loading.value && !model.problem.value && <Skeleton rows={5} what="Loading the thread" />}
        {!model.loading.value && !turns.length && !model.problem.value && <Welcome pick={(text) => model.write((now) => ({ ...now, text }))} />}
        {model.hasEarlier.value && <Earlier model={model} />}
        {turns.map((turn, n) => <TurnBlock key={turn.name || `new-${n}`} turn={turn} retry={n === last && mayAct.value ? (failed) => void model.retry(failed) : undefined} />)}
        {model.refused.value && <ProblemNotice problem={model.refused.value} />}
        {model.problem.value && <ProblemNotice problem={model.problem.value} again={() => void model.look()} />}
      </Log>
      {model.readOnly.value ? (
        <p class="keys">An agent did this for a step of a run; nobody adds to it.</p>
      ) : !mayAct.value ? (
        <p class="keys">You are a viewer of this workspace: editors write here.</p>
      ) : (
        <Composer
          thread={model.name}
          draft={model.draft.value}
          write={(change) => model.write(change)}
          attach={(files) => model.attach(files)}
          open={model.open.value?.state}
          config={shown}
          choose={(id) => (model.chosen.value = id)}
          say={(choices) => void say(choices)}
          cancel={() => void model.cancel()}
        />
      )}
    </section>
  );
}

/** The model of the next message, as it is shown and as it is sent: with 0 the service keeps to the pinned one. */
function modelOfNext({ chosen, pinned, used }: ThreadModel): { shown: bigint; sent: bigint } {
  if (chosen.value !== undefined) return { shown: chosen.value, sent: chosen.value };
  if (pinned.value) return { shown: pinned.value, sent: 0n };
  const isThere = models.value.some((each) => each.id === used.value);
  return isThere ? { shown: used.value, sent: used.value } : { shown: 0n, sent: 0n };
}

function Earlier({ model }: { model: ThreadModel }) {
  const load = async () => {
    const count = await model.loadEarlier();
    if (model.unloaded.value) return;
    announce(`${count} earlier turns loaded.${model.hasEarlier.value ? "" : " That is all."}`);
    // The button may be gone: the log goes on from here by key.
    if (!model.hasEarlier.value) document.querySelector<HTMLElement>(".log")?.focus({ preventScroll: true });
  };
  return (
    <div class="more">
      {model.unloaded.value && <ProblemNotice problem={model.unloaded.value} />}
      <button type="button" class="quiet small" aria-busy={model.busy.value} onClick={() => void load()}>
        {model.unloaded.value ? "Try again" : "Load earlier turns"}
      </button>
    </div>
  );
}

function Welcome({ pick }: { pick: (text: string) => void }) {
  return (
    <div class="welcome">
      <Icon name="spark" />
      <h2>What should happen, and when?</h2>
      <p>Say it in your own words. You see what would run and when before anything does.</p>
      <ForEditors>
        <ul>
          {EXAMPLES.map((example) => (
            <li key={example}>
              <button type="button" onClick={() => { pick(example); document.getElementById("message")?.focus(); }}>{example}</button>
            </li>
          ))}
        </ul>
      </ForEditors>
    </div>
  );
}

/** Follows the end while the end is visible, and shows what the person says; otherwise keeps its position. */
function Log({ turns, children }: { turns: TurnView[]; children: preact.ComponentChildren }) {
  const log = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const count = useRef(0);
  const height = useRef(0);
  const last = useRef<string>();
  useLayoutEffect(() => {
    const here = log.current;
    const end = turns.at(-1);
    const isEarlier = turns.length > count.current && last.current !== undefined && end?.name === last.current;
    const isOwn = turns.length > count.current && !(count.current && end && isDelivered(end));
    if (here && isEarlier) here.scrollTop += here.scrollHeight - height.current;
    else if (here && (atEnd.current || isOwn)) here.scrollTop = endOf(here);
    count.current = turns.length;
    last.current = end?.name;
  }, [turns]);
  useLayoutEffect(() => {
    height.current = log.current?.scrollHeight ?? 0;
  });
  // The event's element, not the ref: it comes a frame late, when the log may be gone.
  const scrolled = ({ currentTarget: here }: { currentTarget: HTMLElement }) => {
    atEnd.current = here.scrollHeight - here.scrollTop - here.clientHeight < 80;
  };
  return (
    <div class="log" ref={log} data-next={nextField()} onScroll={scrolled} role="log" aria-live="off" aria-label="Messages" tabIndex={0}>
      <div class="column">{children}</div>
    </div>
  );
}

/** Returns the end, or the top of a pending card that is higher than the window. */
function endOf(log: HTMLElement): number {
  const card = [...log.querySelectorAll<HTMLElement>(".card:not(.decided)")].at(-1);
  if (!card) return log.scrollHeight;
  const top = card.getBoundingClientRect().top - log.getBoundingClientRect().top + log.scrollTop;
  return Math.min(log.scrollHeight - log.clientHeight, top - 16);
}

/** Announces the streamed text to a screen reader, one sentence at a time. */
function useSpoken(turn: TurnView | undefined): void {
  const told = useRef({ name: "", length: 0 });
  useEffect(() => {
    if (!turn) return;
    const text = turn.items.map((item) => (item.kind === "text" ? item.text : "")).join(" ");
    if (told.current.name !== turn.name) {
      const old = turn.state !== "running" && turn.state !== "sending";
      told.current = { name: turn.name, length: old ? text.length : 0 };
    }
    const fresh = text.slice(told.current.length);
    const end = turn.state === "running" ? fresh.search(/[.!?:]\s(?!.*[.!?:]\s)/s) + 1 : fresh.length;
    if (end <= 0 || !fresh.slice(0, end).trim()) return;
    announce(fresh.slice(0, end).trim());
    told.current.length += end;
  }, [turn]);
}
