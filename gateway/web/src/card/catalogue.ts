/** The registered triggers, actions and tools, loaded once. */
import { signal } from "@preact/signals";
import type { JsonObject } from "@bufbuild/protobuf";
import type { Capability } from "../gen/rota/automation/v1/automation_pb.js";
import { automations } from "../lib/rpc.js";
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
      automations.listTriggerTypes({ parent }),
      automations.listActionTypes({ parent }),
      automations.listCapabilities({ parent }),
    ]);
    if (here.aborted) return;
    catalogue.value = {
      triggers: new Map(triggers.triggerTypes.map((each) => [each.type, each.configSchema ?? {}])),
      actions: new Map(actions.actionTypes.map((each) => [each.type, each.configSchema ?? {}])),
      tools: tools.capabilities,
    };
  } catch {
    if (!here.aborted) asked = false;
  }
}
