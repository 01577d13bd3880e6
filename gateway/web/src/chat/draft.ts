/** What is being written: kept for each thread while one looks at others, its words over a reload. */
import type { Attached } from "./attach.js";

export interface Mentioned {
  name: string;
  title: string;
}

export interface Draft {
  text: string;
  images: Attached[];
  /** All that were picked; only those whose `@title` is still in the text are sent. */
  mentions: Mentioned[];
}

export const EMPTY: Draft = { text: "", images: [], mentions: [] };

const key = (thread: string) => `rota.draft ${thread}`;
const images = new Map<string, Attached[]>();

export function recalled(thread: string): Draft {
  const kept = sessionStorage.getItem(key(thread));
  const { text, mentions } = kept ? (JSON.parse(kept) as Draft) : EMPTY;
  return { text, mentions, images: images.get(thread) ?? [] };
}

export function keep(thread: string, draft: Draft): void {
  images.set(thread, draft.images);
  if (draft.text) sessionStorage.setItem(key(thread), JSON.stringify({ text: draft.text, mentions: draft.mentions }));
  else sessionStorage.removeItem(key(thread));
}

/** What came back, and after it what has been written since. */
export function joined(back: Draft, since: Draft): Draft {
  return {
    text: [back.text, since.text].filter(Boolean).join("\n"),
    images: [...back.images, ...since.images],
    mentions: [...back.mentions, ...since.mentions],
  };
}

export function mentionsOf({ text, mentions }: Draft): Mentioned[] {
  const there = mentions.filter((each) => text.includes(`@${each.title}`));
  return [...new Map(there.map((each) => [each.name, each])).values()];
}
