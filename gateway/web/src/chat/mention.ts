/** The automations and threads that `@` can mention. */
import { signal } from "@preact/signals";
import { latest } from "../lib/latest.js";
import { threads } from "../lib/lists.js";
import { automations } from "../lib/rpc.js";
import { onLeave, scope, workspace } from "../lib/session.js";
import type { DraftMention } from "./draft.js";

export interface Mentionable extends DraftMention {
  kind: "automation" | "thread";
}

const SHOWN = 8;
const known = signal<Mentionable[]>([]);

const asking = latest();

onLeave(() => (known.value = []));

/** Runs at each new mention, so that the list has new automations. */
export async function refreshMentionables(): Promise<void> {
  const [isNews, here] = [asking(), scope()];
  try {
    const found = await automations.listAutomations({ parent: workspace.value, pageSize: 200 });
    if (here.aborted || !isNews()) return;
    known.value = found.automations.map(({ name, displayName }) => ({ kind: "automation", name, title: displayName }));
  } catch {
    // Threads can still be mentioned.
  }
}

/** Returns the text after the `@` before the caret; undefined when there is none. */
export function mentionPrefix(text: string, caret: number): string | undefined {
  return /(?:^|[\s(])@([^@\n]{0,40})$/.exec(text.slice(0, caret))?.[1];
}

export function findMentionables(begin: string, except: string): Mentionable[] {
  const talks = (threads.value ?? []).flatMap(({ name, displayName }): Mentionable[] => (displayName && name !== except ? [{ kind: "thread", name, title: displayName }] : []));
  const words = begin.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = ({ title }: Mentionable) => words.every((word) => title.toLowerCase().includes(word));
  return [...known.value, ...talks].filter(fits).slice(0, SHOWN);
}
