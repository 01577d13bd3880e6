/** The registered triggers, actions and tools, loaded once. */
import { signal } from "@preact/signals";
import type { JsonObject } from "@bufbuild/protobuf";
import type { Capability } from "../gen/rota/automation/v1/automation_pb.js";
import { automations } from "../lib/rpc.js";
import { readAll } from "../lib/pages.js";
import { onLeave, scope, workspace } from "../lib/session.js";

export interface Catalogue {
  triggers: Map<string, JsonObject>;
  actions: Map<string, JsonObject>;
  tools: Capability[];
}

const EMPTY: Catalogue = { triggers: new Map(), actions: new Map(), tools: [] };
export const catalogue = signal<Catalogue>(EMPTY);
let asked = false;

onLeave(() => {
  catalogue.value = EMPTY;
  asked = false;
});

/** Without the catalogue a config is edited as JSON. */
export async function loadCatalogue(): Promise<void> {
  if (asked) return;
  asked = true;
  const here = scope();
  const parent = workspace.value;
  try {
    const [triggers, actions, tools] = await Promise.all([
      readAll(async (pageToken) => {
        const page = await automations.listTriggerTypes({ parent, pageToken });
        return { items: page.triggerTypes, next: page.nextPageToken };
      }),
      readAll(async (pageToken) => {
        const page = await automations.listActionTypes({ parent, pageToken });
        return { items: page.actionTypes, next: page.nextPageToken };
      }),
      readAll(async (pageToken) => {
        const page = await automations.listCapabilities({ parent, pageToken });
        return { items: page.capabilities, next: page.nextPageToken };
      }),
    ]);
    if (here.aborted) return;
    catalogue.value = {
      triggers: new Map(triggers.map((each) => [each.type, each.configSchema ?? {}])),
      actions: new Map(actions.map((each) => [each.type, each.configSchema ?? {}])),
      tools,
    };
  } catch {
    if (!here.aborted) asked = false;
  }
}
