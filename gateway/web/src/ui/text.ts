/** Every text that is drawn: hidden characters are marks, and each text has its own direction. */
import { options } from "preact";
import { visible } from "../lib/invisible.js";

const READ = ["alt", "aria-label", "placeholder", "title"];
const FIELDS = ["input", "textarea"];

/** Applies to all elements, so that no component can leave it out. A `dir` that is given stays. */
export function drawTexts(): void {
  const next = options.vnode;
  options.vnode = (vnode) => {
    const props = vnode.props as Record<string, unknown>;
    if (props.children !== undefined) props.children = shown(props.children);
    if (typeof vnode.type === "string") {
      for (const key of READ) {
        if (typeof props[key] === "string") props[key] = visible(props[key]);
      }
      if (!("dir" in props) && (FIELDS.includes(vnode.type) || holdsText(props.children))) props.dir = "auto";
    }
    next?.(vnode);
  };
}

function shown(children: unknown): unknown {
  if (typeof children === "string") return visible(children);
  return Array.isArray(children) ? children.map(shown) : children;
}

function holdsText(children: unknown): boolean {
  return typeof children === "string" ? children.trim() !== "" : Array.isArray(children) && children.some(holdsText);
}
