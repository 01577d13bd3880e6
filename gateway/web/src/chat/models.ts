/** The models that a person can choose. */
import { signal } from "@preact/signals";
import type { ModelConfig } from "../gen/rota/chat/v1/chat_pb.js";
import { chat } from "../lib/rpc.js";
import { latest } from "../lib/latest.js";
import { readAll } from "../lib/pages.js";
import { poll } from "../lib/network.js";
import { onLeave, scope, workspace } from "../lib/session.js";

export const TEXT_ONLY = "text only";
/** A thread without a title. */
export const UNTITLED = "New thread";
export const models = signal<ModelConfig[]>([]);

onLeave(() => (models.value = []));

/** Loads the models while a component needs them; returns the cleanup. */
export function loadModels(): () => void {
  return poll(() => void ask(), 60_000);
}

/** Loads the models again after one was added or removed. */
export function reloadModels(): void {
  void ask();
}

const asking = latest();

async function ask(): Promise<void> {
  const [isNews, here] = [asking(), scope()];
  try {
    const found = await readAll(async (pageToken) => {
      const page = await chat.listModelConfigs({ parent: workspace.value, pageSize: 200, pageToken });
      return { items: page.modelConfigs, next: page.nextPageToken };
    });
    if (isNews() && !here.aborted) models.value = found;
  } catch {
    // Without the list the service chooses.
  }
}
