/** The automations and threads that `@` can mention. */
import { signal } from "@preact/signals";
import type { Automation } from "../gen/rota/automation/v1/automation_pb.js";
import { List } from "../lib/list.js";
import { threads } from "../lib/lists.js";
import { automations } from "../lib/rpc.js";
import { onLeave, workspace } from "../lib/session.js";
import type { DraftMention } from "./draft.js";

export interface Mentionable extends DraftMention {
  kind: "automation" | "thread";
}

export const SHOWN = 8;
const known = new List<Automation>(async (pageToken) => {
  const page = await automations.listAutomations({ parent: workspace.value, pageSize: 200, pageToken });
  return { items: page.automations, next: page.nextPageToken };
});
/** Whether pages are read because too few of those that are known fit. */
export const searching = signal(false);

onLeave(() => known.clear());

/** Runs at each new mention, so that the list has new automations. */
export async function refreshMentionables(): Promise<void> {
  await Promise.all([known.refresh(), threads.items.value ? undefined : threads.refresh()]);
}

/** Returns the text after the `@` before the caret; undefined when there is none. */
export function mentionPrefix(text: string, caret: number): string | undefined {
  return /(?:^|[\s(])@([^@\n]{0,40})$/.exec(text.slice(0, caret))?.[1];
}

/** At most `SHOWN + 1`, which says that there are more. */
export function findMentionables(begin: string, except: string): Mentionable[] {
  const plans = (known.items.value ?? []).map(({ name, displayName }): Mentionable => ({ kind: "automation", name, title: displayName }));
  const talks = (threads.items.value ?? []).flatMap(({ name, displayName }): Mentionable[] => (displayName && name !== except ? [{ kind: "thread", name, title: displayName }] : []));
  const words = begin.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = ({ title }: Mentionable) => words.every((word) => title.toLowerCase().includes(word));
  return [...plans, ...talks].filter(fits).slice(0, SHOWN + 1);
}

/** Reads further pages until enough of them fit, or `isWanted` is false. */
export async function searchMentionables(begin: string, except: string, isWanted: () => boolean): Promise<void> {
  const lists = [known, threads];
  while (isWanted() && findMentionables(begin, except).length < SHOWN) {
    const list = lists.find((each) => each.hasMore.value && !each.refused.value);
    if (!list) break;
    searching.value = true;
    await list.more();
  }
  if (isWanted()) searching.value = false;
}
