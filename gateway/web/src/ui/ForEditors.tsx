/** What only an editor of the workspace may do: nobody else is offered it. */
import type { ComponentChildren } from "preact";
import { mayAct } from "../lib/session.js";

/** `words` stand in place of it for a viewer, who would miss it. */
export function ForEditors({ words, children }: { words?: string; children: ComponentChildren }) {
  if (mayAct.value) return <>{children}</>;
  return words ? <p class="faint">{words}</p> : null;
}
