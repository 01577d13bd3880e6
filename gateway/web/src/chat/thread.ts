/** One thread: its turns, and the stream of the open turn. */
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { computed, signal } from "@preact/signals";
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { type Message, MessageSchema, type Part, PartSchema, Thread_Kind, type Turn } from "../gen/rota/chat/v1/chat_pb.js";
import { announce } from "../lib/announce.js";
import { latest } from "../lib/latest.js";
import { notifyChange } from "../lib/network.js";
import { type Problem, problemOf } from "../lib/problem.js";
import { chat, idOf, requestId } from "../lib/rpc.js";
import { replace } from "../lib/router.js";
import { workspace, zone } from "../lib/session.js";
import { attachImages, bytesOf } from "./images.js";
import { type Draft, EMPTY, saveDraft, mentionsOf, loadDraft } from "./draft.js";
import { followTurn } from "./stream.js";
import { loadChoice, loadPending, type PendingMessage, removePending, saveChoice, savePending } from "./outbox.js";
import { storedTurn, isDelivered, isOpen, newTurn, type TurnView, applyFrame } from "./turn.js";

const PAGE = 200;

export class ThreadModel {
  readonly turns = signal<TurnView[]>([]);
  readonly title = signal("");
  /** It is that of a run's step, which nobody adds to. */
  readonly readOnly = signal(false);
  /** The model that a message goes to: what the person chose here, or else what the thread has. */
  readonly chosen = signal<bigint | undefined>(undefined);
  readonly pinned = signal(0n);
  /** What the last turn used. A thread without a pinned model goes on with it. */
  readonly used = signal(0n);
  readonly loading = signal(true);
  /** Turns before the first that is shown. */
  readonly hasEarlier = signal(false);
  readonly busy = signal(false);
  /** Why the earlier turns could not be loaded. */
  readonly unloaded = signal<Problem | undefined>(undefined);
  readonly problem = signal<Problem | undefined>(undefined);
  /** The error of the last action in this thread. */
  readonly refused = signal<Problem | undefined>(undefined);
  readonly open = computed(() => this.turns.value.find(isOpen));
  /** The draft for this thread. */
  readonly draft = signal<Draft>(EMPTY);
  private readonly stop = new AbortController();
  private readonly asking = latest();
  private attaching: Promise<unknown> = Promise.resolve();
  private seen = "";
  /** Turns that are shown, at least. */
  private wanted = PAGE;
  private prepended = 0;

  /** `name` is empty until the first message creates the thread. */
  constructor(public name: string) {
    this.loading.value = name !== "";
    this.draft.value = loadDraft(name);
  }

  close(): void {
    this.stop.abort();
  }

  write(change: (draft: Draft) => Draft): void {
    this.draft.value = change(this.draft.value);
    saveDraft(this.name, this.draft.value);
  }

  /** Adds files one batch after the other; `fresh` counts the added images. */
  attach(files: File[]): Promise<{ fresh: number; refused: string[] }> {
    const done = this.attaching.then(async () => {
      const { images, refused } = await attachImages(files, this.draft.value.images);
      this.write((now) => ({ ...now, images: [...now.images, ...images] }));
      return { fresh: images.length, refused };
    });
    this.attaching = done;
    return done;
  }

  /** Loads changes from other tabs and devices. */
  async look(): Promise<void> {
    if (!this.name || this.stop.signal.aborted) return;
    const isNews = this.asking();
    try {
      const [thread, { turns }] = await Promise.all([
        chat.getThread({ name: this.name }),
        chat.listTurns({ parent: this.name, pageSize: 1 }),
      ]);
      if (!isNews()) return;
      this.title.value = thread.displayName;
      this.readOnly.value = thread.kind === Thread_Kind.TASK;
      this.pinned.value = thread.modelConfigId;
      // A turn that a run delivered used none.
      this.used.value = turns[0]?.modelConfigId || this.used.value;
      this.problem.value = undefined;
      const news = `${turns[0]?.name} ${turns[0]?.state}`;
      if (this.loading.value || (!this.open.value && news !== this.seen)) {
        if (!(await this.load())) return;
      } else if (news !== this.seen && !this.turns.value.some((view) => view.name === turns[0]?.name)) {
        await this.insertDelivered();
      }
      this.seen = news;
    } catch (thrown) {
      this.problem.value = problemOf(thrown);
      if (this.problem.value.code === Code.NotFound) this.loading.value = false;
    }
  }

  async say(draft: Draft, modelConfigId: bigint, disabledTools: string[]): Promise<boolean> {
    return this.send({
      text: draft.text.trim(),
      images: draft.images.map((each) => base64Encode(each.bytes)),
      mentions: mentionsOf(draft),
      modelConfigId: String(modelConfigId),
      disabledTools,
    });
  }

  /** Sends the message of a failed turn as a new one. */
  async retry(turn: TurnView): Promise<void> {
    const said = contentOf(turn.said);
    if (!said) return;
    const { modelConfigId, disabledTools } = loadChoice(turn.name) ?? { modelConfigId: "0", disabledTools: [] };
    await this.send({ ...said, modelConfigId, disabledTools });
  }

  private send(message: Omit<PendingMessage, "thread" | "requestId" | "timeZone">): Promise<boolean> {
    const thread = this.name || `${workspace.value}/threads/-`;
    const saying: PendingMessage = { ...message, thread, requestId: requestId(), timeZone: zone };
    this.refused.value = undefined;
    savePending(saying);
    return this.carry(saying);
  }

  /** Sends a message, also again after a reload: the request id makes it idempotent. */
  async carry(saying: PendingMessage): Promise<boolean> {
    const parts = partsOf(saying);
    const view = newTurn(parts);
    const place = this.follow(this.turns.value.length);
    this.turns.value = [...this.turns.value, view];
    const problem = await this.tail(place(), (signal) =>
      chat.sendMessage(
        {
          name: saying.thread,
          message: create(MessageSchema, { parts }),
          modelConfigId: BigInt(saying.modelConfigId),
          disabledTools: saying.disabledTools,
          timeZone: saying.timeZone,
          locale: navigator.language,
          requestId: saying.requestId,
        },
        { signal },
      ),
    );
    const { name } = this.turns.value[place()] ?? { name: "" };
    if (!problem) return true;
    removePending(saying.requestId);
    if (!name) {
      this.turns.value = this.turns.value.toSpliced(place(), 1);
      this.refused.value = problem;
      return false;
    }
    return true;
  }

  async cancel(): Promise<void> {
    const turn = this.open.value?.name;
    if (!turn) return;
    try {
      await chat.cancelTurn({ name: turn, requestId: requestId() });
      notifyChange();
    } catch (thrown) {
      this.refused.value = problemOf(thrown);
    }
  }

  /** Returns false when the thread changed here meanwhile and the stored state may be older. */
  private async load(): Promise<boolean> {
    const before = this.turns.value;
    const { turns, messages, more } = await this.history(this.wanted);
    if (this.open.value || this.turns.value !== before || this.stop.signal.aborted) return false;
    const views = turns.map((turn) => {
      const mine = messages.filter((message) => message.turn === turn.name);
      const view = storedTurn(turn, mine);
      // An open turn is told again from its first frame, so nothing is missing or twice.
      return isOpen(view) ? newTurn(view.said, turn.name) : view;
    });
    const saying = loadPending();
    const last = views.findLast((view) => !isDelivered(view));
    this.used.value = turns.findLast((turn) => turn.modelConfigId)?.modelConfigId ?? 0n;
    if (!this.loading.value) tellDelivered(views, before);
    this.loading.value = false;
    this.hasEarlier.value = more;
    if (saying?.thread === this.name) {
      // On its way when the page was left. Told again, it gives its turn from the first frame.
      const taken = textOf(last) === saying.text;
      this.turns.value = taken ? views.filter((view) => view !== last) : views;
      void this.carry(saying);
      return true;
    }
    this.turns.value = views;
    const place = views.findIndex(isOpen);
    if (place >= 0) void this.tail(place);
    return true;
  }

  /** Shows what runs delivered while a turn is open, in its place; the open turn goes on. */
  private async insertDelivered(): Promise<void> {
    const { turns, messages } = await this.history(1);
    if (this.stop.signal.aborted) return;
    const before = this.turns.value;
    for (const turn of turns) {
      const view = storedTurn(turn, messages.filter((message) => message.turn === turn.name));
      const shown = this.turns.value;
      if (!isDelivered(view) || shown.some((each) => each.name === view.name)) continue;
      // A turn without a name is the newest. Names sort by time.
      const next = shown.findIndex((each) => !each.name || each.name > view.name);
      const place = next < 0 ? shown.length : next;
      if (place === 0) continue; // among those that are not loaded
      if (shown.findIndex(isOpen) >= place) this.prepended += 1;
      this.turns.value = shown.toSpliced(place, 0, view);
    }
    tellDelivered(this.turns.value, before);
  }

  /** Loads the turns before those that are shown; returns how many there were. */
  async loadEarlier(): Promise<number> {
    if (this.busy.value) return 0;
    this.busy.value = true;
    this.unloaded.value = undefined;
    try {
      const { turns, messages, more } = await this.history(this.wanted + PAGE);
      if (this.stop.signal.aborted) return 0;
      const held = new Set(this.turns.value.map((view) => view.name));
      const first = turns.findIndex((turn) => held.has(turn.name));
      const earlier = turns.slice(0, first < 0 ? turns.length : first).map((turn) => storedTurn(turn, messages.filter((message) => message.turn === turn.name)));
      this.turns.value = [...earlier, ...this.turns.value];
      this.prepended += earlier.length;
      this.wanted += PAGE;
      this.hasEarlier.value = more;
      return earlier.length;
    } catch (thrown) {
      this.unloaded.value = problemOf(thrown);
      return 0;
    } finally {
      this.busy.value = false;
    }
  }

  /** At least so many of the last turns, if there are, and their messages; oldest first. */
  private async history(count: number): Promise<{ turns: Turn[]; messages: Message[]; more: boolean }> {
    const turns: Turn[] = [];
    let pageToken = "";
    do {
      const page = await chat.listTurns({ parent: this.name, pageSize: PAGE, pageToken });
      turns.push(...page.turns);
      pageToken = page.nextPageToken;
    } while (pageToken && turns.length < count);
    const messages = await this.messages(new Set(turns.map((turn) => turn.name)));
    return { turns: turns.reverse(), messages, more: pageToken !== "" };
  }

  /** The messages of these turns, which are the last of the thread; oldest first. */
  private async messages(turns: Set<string>): Promise<Message[]> {
    const found: Message[] = [];
    let pageToken = "";
    do {
      const page = await chat.listMessages({ parent: this.name, pageSize: PAGE, pageToken });
      found.push(...page.messages);
      pageToken = page.nextPageToken;
    } while (pageToken && (!found.length || turns.has(found.at(-1)!.turn)));
    return found.reverse();
  }

  /** The place of a turn, also after earlier ones were put before it. */
  private follow(place: number): () => number {
    const before = this.prepended;
    return () => place + this.prepended - before;
  }

  private async tail(
    place: number,
    begin?: Parameters<typeof followTurn>[0]["begin"],
  ): Promise<Problem | undefined> {
    const now = this.follow(place);
    const view = () => this.turns.value[now()]!;
    const problem = await followTurn({
      name: () => view().name,
      sequence: () => view().sequence,
      begin,
      stop: this.stop.signal,
      frame: (frame) => {
        if (this.stop.signal.aborted) return;
        const before = view();
        const after = applyFrame(before, frame);
        if (after === before) return;
        this.turns.value = this.turns.value.with(now(), after);
        this.note(frame, before, after);
      },
    });
    if (problem && view()?.name) await this.truncated(now, problem);
    return problem;
  }

  private note(frame: Parameters<typeof applyFrame>[1], before: TurnView, after: TurnView): void {
    const { event } = frame;
    if (!before.name && after.name) this.named(after.name);
    if (event.case === "threadUpdated") {
      this.title.value = event.value.displayName;
      notifyChange();
    }
    if (before.state !== after.state && after.state !== "running") notifyChange();
    if (event.case === "suspended") announce("An automation waits for your approval.");
    if (event.case === "failed") announce(`It failed: ${after.failure}`);
    if (event.case === "cancelled") announce("Cancelled.");
  }

  /** Runs when the service has accepted the message: from now on a reload watches the turn. */
  private named(turn: string): void {
    const said = loadPending();
    if (said) saveChoice({ turn, modelConfigId: said.modelConfigId, disabledTools: said.disabledTools });
    removePending();
    if (this.name) return;
    saveDraft("", EMPTY);
    this.name = turn.slice(0, turn.indexOf("/turns/"));
    saveDraft(this.name, this.draft.value);
    replace("chat", idOf(this.name));
    notifyChange();
  }

  /** Shows the stored messages when the frames are gone; otherwise shows the problem. */
  private async truncated(place: () => number, problem: Problem): Promise<void> {
    const view = this.turns.value[place()]!;
    if (problem.reason !== "STREAM_TRUNCATED") {
      this.refused.value = problem;
      return;
    }
    try {
      const turn = await chat.getTurn({ name: view.name });
      const mine = (await this.messages(new Set(this.turns.value.map((each) => each.name)))).filter((message) => message.turn === view.name);
      this.turns.value = this.turns.value.with(place(), storedTurn(turn, mine));
    } catch (thrown) {
      this.refused.value = problemOf(thrown);
    }
  }
}

function tellDelivered(views: TurnView[], before: TurnView[]): void {
  const held = new Set(before.map((view) => view.name));
  const fresh = views.filter((view) => isDelivered(view) && !held.has(view.name));
  if (fresh.length) announce(fresh.length === 1 ? "A result came." : `${fresh.length} results came.`);
}

/** Returns the text, then images, then mentions, whose titles the text contains. */
function partsOf(saying: PendingMessage): Part[] {
  const text = saying.text ? [create(PartSchema, { part: { case: "text", value: saying.text } })] : [];
  const images = saying.images.map((data) => create(PartSchema, { part: { case: "image", value: { source: { case: "data", value: base64Decode(data) } } } }));
  const mentions = saying.mentions.map(({ name, title }) => create(PartSchema, { part: { case: "mention", value: { name, displayName: title } } }));
  return [...text, ...images, ...mentions];
}

/** What a message said, to say it again. Undefined when the bytes of an image are gone. */
export function contentOf(parts: Part[]): Pick<PendingMessage, "text" | "images" | "mentions"> | undefined {
  const texts = parts.flatMap(({ part }) => (part.case === "text" ? [part.value] : []));
  const images = parts.flatMap(({ part }) => (part.case === "image" ? [bytesOf(part.value)] : []));
  const mentions = parts.flatMap(({ part }) => (part.case === "mention" ? [{ name: part.value.name, title: part.value.displayName }] : []));
  const there = images.filter((each) => each !== undefined);
  return there.length === images.length ? { text: texts.join("\n"), images: there, mentions } : undefined;
}

function textOf(view: TurnView | undefined): string {
  const part = view?.said[0]?.part;
  return part?.case === "text" ? part.value : "";
}
