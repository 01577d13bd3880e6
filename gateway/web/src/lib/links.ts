/** Links from outside, such as those of notices: `#/` and the name of a resource, in whatever workspace. */
import { replace, route } from "./router.js";
import { claims, linkFault, openWorkspace } from "./session.js";

/** Opens the workspace and the screen of the resource that the address names, if it names one. */
export function followLink(): void {
  const [collection, place, kind, ...rest] = route.value;
  if (collection !== "workspaces" || !place) return;
  if (!claims.value?.workspaces.includes(place)) {
    linkFault.value = `That link leads to the workspace ${place}, and you are no member of it.`;
    return replace("chat");
  }
  openWorkspace(place);
  if (!kind) return replace("chat");
  replace(kind === "threads" ? "chat" : kind, ...rest);
}
