/** Which automations deliver to a thread or to a destination. */
import { automations } from "../lib/rpc.js";
import { workspace } from "../lib/session.js";

const SHOWN = 3;

/**
 * Returns what is said before a place goes: `Tea and The news deliver here: …`. Empty when nothing delivers there, and
 * when that can't be read.
 *
 * `then` says what becomes of their results.
 */
export async function describeUsers(place: string, then: string): Promise<string> {
  let names: string[];
  try {
    const filter = `destination = "${place}" AND state != ARCHIVED`;
    const page = await automations.listAutomations({ parent: workspace.value, pageSize: SHOWN + 1, filter });
    names = page.automations.map((each) => each.displayName);
  } catch {
    return "";
  }
  if (!names.length) return "";
  const shown = names.length > SHOWN ? [...names.slice(0, SHOWN), "others"] : names;
  const who = shown.length > 1 ? `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)!} deliver` : `${shown[0]!} delivers`;
  return `${who} here: ${then}`;
}
