/** What can be mentioned with `@`: automations and threads. */
import { signal } from "@preact/signals";
import { latest } from "../lib/latest.js";
import { threads } from "../lib/lists.js";
import { automations } from "../lib/rpc.js";
import { workspace } from "../lib/session.js";
import type { Mentioned } from "./draft.js";

export interface Mentionable extends Mentioned {
  kind: "automation" | "thread";
}

const SHOWN = 8;
const known = signal<Mentionable[]>([]);

const asking = latest();

/** Asked whenever one begins to mention, so that what is new is there. */
export async function refresh(): Promise<void> {
  const isNews = asking();
  try {
    const found = await automations.listAutomations({ parent: workspace.value, pageSize: 200 });
    if (!isNews()) return;
    known.value = found.automations.map(({ name, displayName }) => ({ kind: "automation", name, title: displayName }));
  } catch {
    // Threads can still be mentioned.
  }
}

/** The `@…` that ends where one writes; undefined when there is none. */
export function begun(text: string, caret: number): string | undefined {
  return /(?:^|[\s(])@([^@\n]{0,40})$/.exec(text.slice(0, caret))?.[1];
}

export function matching(begin: string, except: string): Mentionable[] {
  const talks = (threads.value ?? []).flatMap(({ name, displayName }): Mentionable[] => (displayName && name !== except ? [{ kind: "thread", name, title: displayName }] : []));
  const words = begin.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = ({ title }: Mentionable) => words.every((word) => title.toLowerCase().includes(word));
  return [...known.value, ...talks].filter(fits).slice(0, SHOWN);
}
