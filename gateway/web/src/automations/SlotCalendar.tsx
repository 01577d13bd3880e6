/** The slot ledger as a calendar: one square per slot, with its outcome. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Automation, Automation_State as State, type Slot, Slot_Outcome as Outcome } from "../gen/rota/automation/v1/automation_pb.js";
import { useList, useQuery } from "../lib/query.js";
import { automations } from "../lib/rpc.js";
import { resourceHref } from "../lib/router.js";
import { clock, dateOf, day, dayOf, moment } from "../lib/time.js";
import { Icon } from "../ui/Icon.js";
import { More } from "../ui/More.js";
import { Skeleton, type Tone, ProblemNotice } from "../ui/parts.js";
import { Backfill, Backfilled, canRun } from "./Backfill.js";
import { look, SLOT } from "./states.js";

interface Square {
  key: string;
  trigger: string;
  time: Date;
  word: string;
  tone: Tone | "planned";
  /** It is planned, and no run comes of it. */
  idle?: boolean;
  reason: string;
  run: string;
  /** Of the ledger; none while it is planned. */
  slot?: Slot;
}

interface Group {
  /** Stable while the title changes from today to yesterday. */
  key: string;
  title: string;
  list: Square[];
}

const PAGE = 200;
const PLANNED = 12;
const HOUR = 3_600_000;

export function SlotCalendar({ it }: { it: Automation }) {
  const ledger = useList(
    async (pageToken) => {
      const page = await automations.listSlots({ parent: it.name, pageSize: PAGE, pageToken });
      return { items: page.slots, next: page.nextPageToken };
    },
    it.name,
    3000,
  );
  const ahead = useQuery(() => planned(it), it.name, 3000);
  const problem = ledger.problem.value;
  const value = ledger.items.value && ahead.value && squares(ledger.items.value, ahead.value);
  const [chosen, choose] = useState<string>();
  const square = value?.find((each) => each.key === chosen);
  const again = () => void ledger.refresh();
  return (
    <section class="panel">
      <h2>Every slot, accounted for</h2>
      {problem && <ProblemNotice problem={problem} again={() => void ledger.refresh()} />}
      {!value && !problem && <Skeleton rows={2} what="Loading the ledger" />}
      {value?.length === 0 && !ledger.hasMore.value && <p class="faint">No slot has come, and none is planned.</p>}
      {!!value?.length && <Calendar squares={value} chosen={chosen} choose={choose} />}
      <More list={ledger} what="slots" earlier />
      {square ? <Explained key={square.key} square={square} it={it} again={again} /> : !!value?.length && <p class="faint">Choose a square to see what became of it.</p>}
      {ledger.items.value && ledger.items.value.filter((slot) => canRun(it, slot)).length > 1 && <Backfill it={it} slots={ledger.items.value} done={again} />}
    </section>
  );
}

async function planned(it: Automation): Promise<Square[]> {
  const triggers = it.state === State.ARCHIVED ? [] : it.triggers;
  return (await Promise.all(triggers.map((trigger) => upcoming(it, trigger)))).flat();
}

function squares(slots: Slot[], ahead: Square[]): Square[] {
  const past = slots.map((slot): Square => {
    const time = timestampDate(slot.slotTime!);
    const [word, tone] = look(SLOT, slot.outcome);
    return { key: slot.name, trigger: slot.trigger, time, word, tone, reason: slot.reason, run: slot.run, slot };
  });
  const known = new Set(past.map((each) => `${each.trigger} ${each.time.getTime()}`));
  const future = ahead.filter((each) => !known.has(`${each.trigger} ${each.time.getTime()}`));
  return [...past, ...future].sort((a, b) => a.time.getTime() - b.time.getTime());
}

async function upcoming(it: Automation, trigger: Automation["triggers"][number]): Promise<Square[]> {
  const rests = it.state === State.ACTIVE && !trigger.nextFireTime && !trigger.skippedSlots.length;
  const end = dateOf(it.resumeTime);
  if (trigger.enabled === false || trigger.disabledReason || trigger.type !== "schedule" || rests) return [];
  const parent = it.name.slice(0, it.name.indexOf("/automations/"));
  // What has become of slots is shown even where what is planned can't be.
  const { slots } = await automations.previewSchedule({ parent, config: trigger.config, count: PLANNED }).catch(() => ({ slots: [] }));
  return slots.flatMap((slot): Square[] => {
    const time = timestampDate(slot.slotTime!);
    const key = `${trigger.name} ${time.toISOString()}`;
    const skip = trigger.skippedSlots.find((each) => timestampDate(each.slotTime!).getTime() === time.getTime());
    if (!skip && it.state === State.ACTIVE && !trigger.nextFireTime) return [];
    const paused = it.state === State.PAUSED && !(end && dateOf(slot.fireTime)! >= end);
    const word = slot.skipped ? look(SLOT, Outcome.SKIPPED_DST)[0] : skip ? look(SLOT, Outcome.SKIPPED_REQUESTED)[0] : paused ? "Will be skipped: paused" : "Planned";
    const idle = slot.skipped || skip !== undefined || paused;
    return [{ key, trigger: trigger.name, time, word, tone: "planned", idle, reason: slot.dstNote || (skip?.note ?? ""), run: "" }];
  });
}

function Calendar({ squares, chosen, choose }: { squares: Square[]; chosen: string | undefined; choose: (key: string) => void }) {
  const frame = useRef<HTMLDivElement>(null);
  const groups = grouped(squares);
  const now = squares.findIndex((each) => each.tone === "planned");
  const landing = chosen ?? squares[now > 0 ? now - 1 : Math.max(0, now)]?.key;
  // The two squares where past and future meet. What passed and what is planned load apart.
  const last = squares[now > 0 ? now - 1 : squares.length - 1]?.key ?? "";
  const next = now >= 0 ? squares[now]!.key : "";
  useEffect(() => {
    // Where past and future meet, unless one looks elsewhere.
    const here = frame.current;
    const first = here?.querySelector<HTMLElement>(".planned")?.closest<HTMLElement>(".day");
    if (here && first && !here.matches(":hover, :focus-within")) here.scrollLeft = first.offsetLeft - here.clientWidth * 0.6;
  }, [last, next]);
  const move = (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const all = [...event.currentTarget.querySelectorAll<HTMLElement>("button")];
    const next = all[all.indexOf(document.activeElement as HTMLElement) + by];
    next?.focus();
    next?.click();
  };
  return (
    <div class="strip" ref={frame} onKeyDown={move} role="group" aria-label="Slots, oldest first. Left and right move.">
      {groups.map(({ key, title, list }) => (
        <div class="day" key={key}>
          <span class="day-name">{title}</span>
          <div class="squares">
            {list.map((each) => (
              <button
                type="button"
                key={each.key}
                class={`square ${each.tone}${each.idle ? " idle" : ""}`}
                aria-pressed={each.key === chosen}
                tabIndex={each.key === landing ? 0 : -1}
                aria-label={`${moment(each.time)}: ${each.word}`}
                title={`${moment(each.time)} · ${each.word}`}
                onClick={() => choose(each.key)}
              />
            ))}
          </div>
        </div>
      ))}
    </div>
  );
}

/** Groups by day; by hour when all slots lie within a day and a half. */
function grouped(squares: Square[]): Group[] {
  const ends = [squares[0]!.time.getTime(), squares.at(-1)!.time.getTime()] as const;
  const hourly = ends[1] - ends[0] < 36 * HOUR && squares.length > 6;
  const groups = new Map<string, Group>();
  for (const square of squares) {
    const hour = clock(square.time).slice(0, 2);
    const key = hourly ? `${dayOf(square.time)} ${hour}` : dayOf(square.time);
    const title = hourly ? `${day(square.time)}, ${hour} h` : day(square.time);
    const group = groups.get(key) ?? { key, title, list: [] };
    groups.set(key, group);
    group.list.push(square);
  }
  return [...groups.values()];
}

function Explained({ square, it, again }: { square: Square; it: Automation; again: () => void }) {
  const { value, problem } = useQuery(
    async () => {
      const seconds = BigInt(Math.floor(square.time.getTime() / 1000));
      return (await automations.explainSlot({ trigger: square.trigger, time: { seconds } })).explanation;
    },
    `${square.key} ${square.word} ${square.slot?.backfill?.runState ?? ""}`,
    60_000,
  );
  const link = square.run && resourceHref(square.run);
  return (
    <div class="explained" role="status">
      <p><span class={`square ${square.tone}${square.idle ? " idle" : ""}`} aria-hidden="true" /><strong>{moment(square.time)}</strong> {square.word}</p>
      <p>{value ?? (problem ? square.reason || "The ledger says no more about it." : "…")}</p>
      {link && <a href={link}>Open its run<Icon name="chevron" /></a>}
      {square.slot && <Backfilled slot={square.slot} />}
      {square.slot && <Backfill it={it} slots={[square.slot]} done={again} />}
    </div>
  );
}
