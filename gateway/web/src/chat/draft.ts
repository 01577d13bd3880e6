/** The draft of a message: one per thread, with its text stored over a reload. */
import { onLeave, workspace } from "../lib/session.js";
import type { AttachedImage } from "./images.js";

export interface DraftMention {
  name: string;
  title: string;
}

export interface Draft {
  text: string;
  images: AttachedImage[];
  /** All chosen mentions; only those with their `@title` in the text are sent. */
  mentions: DraftMention[];
}

export const EMPTY: Draft = { text: "", images: [], mentions: [] };

/** A thread that is not there yet has one draft in each workspace. */
const key = (thread: string) => `rota.draft ${thread || workspace.value}`;
const images = new Map<string, AttachedImage[]>();

onLeave(() => images.clear());

export function loadDraft(thread: string): Draft {
  const kept = sessionStorage.getItem(key(thread));
  const { text, mentions } = kept ? (JSON.parse(kept) as Draft) : EMPTY;
  return { text, mentions, images: images.get(key(thread)) ?? [] };
}

export function saveDraft(thread: string, draft: Draft): void {
  images.set(key(thread), draft.images);
  if (draft.text) sessionStorage.setItem(key(thread), JSON.stringify({ text: draft.text, mentions: draft.mentions }));
  else sessionStorage.removeItem(key(thread));
}

/** Returns the draft of a failed message followed by the current draft. */
export function mergeDrafts(back: Draft, since: Draft): Draft {
  return {
    text: [back.text, since.text].filter(Boolean).join("\n"),
    images: [...back.images, ...since.images],
    mentions: [...back.mentions, ...since.mentions],
  };
}

export function mentionsOf({ text, mentions }: Draft): DraftMention[] {
  const there = mentions.filter((each) => text.includes(`@${each.title}`));
  return [...new Map(there.map((each) => [each.name, each])).values()];
}
