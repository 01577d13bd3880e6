/** Times as text, in the person's time zone unless another is given. */
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { now as present } from "./now.js";
import { zone } from "./session.js";

const formats = new Map<string, Intl.DateTimeFormat>();

function format(options: Intl.DateTimeFormatOptions, place = zone): Intl.DateTimeFormat {
  const key = place + JSON.stringify(options);
  let made = formats.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: place });
    formats.set(key, made);
  }
  return made;
}

export function dateOf(stamp: Timestamp | undefined): Date | undefined {
  return stamp && timestampDate(stamp);
}

/** `Mon 23 Nov, 09:00`; with the year when the date is far from now. */
export function moment(date: Date, place = zone): string {
  return `${dated(date, place)}, ${clock(date, place)}`;
}

/** As `moment`, with seconds: attempts follow one another within a minute. */
export function exactly(date: Date): string {
  return `${moment(date)}:${String(date.getSeconds()).padStart(2, "0")}`;
}

const NEAR = 300 * 86_400_000;

function dated(date: Date, place = zone): string {
  const far = Math.abs(date.getTime() - Date.now()) > NEAR;
  const year = far ? ({ year: "numeric" } as const) : {};
  return format({ weekday: "short", day: "numeric", month: "short", ...year }, place).format(date);
}

export function clock(date: Date, place = zone): string {
  return format({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }, place).format(date);
}

/** `2026-11-23`, to compare and group days by. */
export function dayOf(date: Date, place = zone): string {
  return new Intl.DateTimeFormat("sv-SE", { timeZone: place }).format(date);
}

/** `today`, `tomorrow`, or the date. */
export function day(date: Date): string {
  const away = daysAway(date, new Date(present.value));
  const near: Record<number, string> = { [-1]: "yesterday", 0: "today", 1: "tomorrow" };
  return near[away] ?? dated(date);
}

function daysAway(date: Date, now: Date): number {
  return Math.round((Date.parse(dayOf(date)) - Date.parse(dayOf(now))) / 86_400_000);
}

/** `today, 09:00` */
export function nearby(date: Date): string {
  return `${day(date)}, ${clock(date)}`;
}

/** `in 2 hours`, `3 minutes ago` */
export function relative(date: Date, now = new Date(present.value)): string {
  const seconds = (date.getTime() - now.getTime()) / 1000;
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  // Tomorrow is the next date, not what comes in 24 hours.
  if (Math.abs(seconds) >= 86_400) return words.format(daysAway(date, now), "day");
  const units: [Intl.RelativeTimeFormatUnit, number][] = [
    ["hour", 3_600],
    ["minute", 60],
  ];
  for (const [unit, length] of units) {
    if (Math.abs(seconds) >= length) return words.format(Math.trunc(seconds / length), unit);
  }
  return words.format(Math.trunc(seconds), "second");
}

/** The same for what is still to come; never `2 minutes ago`. */
export function until(date: Date): string {
  return date.getTime() > present.value ? relative(date) : "any moment";
}

/** `1.4 s`, `2 min 5 s` */
export function span(from: Date, to: Date): string {
  const seconds = Math.max(0, (to.getTime() - from.getTime()) / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** `UTC+01:00` */
export function offset(seconds: number): string {
  const minutes = Math.abs(Math.round(seconds / 60));
  const two = (value: number) => String(value).padStart(2, "0");
  return `UTC${seconds < 0 ? "−" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** `2026-11-23T09:00` → `Mon 23 Nov, 09:00`, in any time zone. */
export function wallClock(text: string): string {
  const date = new Date(`${text.slice(0, 16)}:00Z`);
  return Number.isNaN(date.getTime()) ? text : moment(date, "UTC");
}

export const zones: string[] = ["UTC", ...Intl.supportedValuesOf("timeZone")];
