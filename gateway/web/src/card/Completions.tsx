/** The list of names and filters in a template: up and down move, Enter or Tab choose, Esc closes. */
import type { JsonValue } from "@bufbuild/protobuf";
import type { RefObject } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { announce } from "../lib/announce.js";
import { at as valueAt, type Path } from "../lib/json.js";
import { complete, names } from "./template.js";

interface Completed {
  area: RefObject<HTMLTextAreaElement>;
  id: string;
  path: Path;
  payload: JsonValue | undefined;
  text: string;
  write: (text: string) => void;
}

/** What stands before the caret may become one of these. The list opens while one types or clicks. */
export function useCompletions({ area, id, path, payload, text, write }: Completed) {
  const [caret, move] = useState<number>();
  const [place, step] = useState(0);
  const next = useRef<number>();
  // Together with the text: what is typed next must not come before it.
  useLayoutEffect(() => {
    if (next.current === undefined) return;
    area.current?.focus();
    area.current?.setSelectionRange(next.current, next.current);
    next.current = undefined;
  }, [text]);
  const known = () => names(valueAt(payload, ["definition"]), path);
  const found = caret === undefined || !isTemplate(path) ? undefined : complete(text, caret, known(), path.at(-1) === "when");
  const options = found?.options ?? [];
  const at = Math.min(place, options.length - 1);
  const close = () => move(undefined);
  const look = () => {
    step(0);
    move(area.current?.selectionEnd);
  };
  const pick = (option: string) => {
    if (!found) return;
    next.current = found.from + option.length;
    write(text.slice(0, found.from) + option + text.slice(found.to));
    close();
    announce(`${option} is written.`);
  };
  const pressed = (event: KeyboardEvent) => {
    if (!options.length || event.isComposing) return;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by) step((at + by + options.length) % options.length);
    else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey) pick(options[at]!);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const marks = isTemplate(path)
    ? {
        "aria-autocomplete": "list" as const,
        "aria-haspopup": "listbox" as const,
        "aria-controls": options.length ? `${id}-names` : undefined,
        "aria-activedescendant": options.length ? `${id}-name-${at}` : undefined,
        onBlur: close,
        onClick: look,
        onKeyDown: pressed,
      }
    : {};
  return { options, at, look, pick, marks };
}

export function CompletionList({ id, options, at, pick }: { id: string; options: string[]; at: number; pick: (option: string) => void }) {
  if (!options.length) return null;
  return (
    <ul id={`${id}-names`} class="completions" role="listbox" aria-label="Names and filters">
      {options.map((option, n) => (
        <li
          key={option}
          id={`${id}-name-${n}`}
          class="mono"
          role="option"
          aria-selected={n === at}
          // The text keeps the focus.
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => pick(option)}
        >
          {option}
        </li>
      ))}
    </ul>
  );
}

/** Whether a run fills the text in: `when`, and what is in the config of a step. */
function isTemplate(path: Path): boolean {
  return path.at(-1) === "when" || (path.includes("config") && !path.includes("triggers"));
}
