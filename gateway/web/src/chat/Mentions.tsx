/** The list that `@` opens: up and down move, Enter or Tab choose, Esc closes. */
import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { announce } from "../lib/announce.js";
import { Icon } from "../ui/Icon.js";
import type { Draft } from "./draft.js";
import { mentionPrefix, findMentionables, type Mentionable, refreshMentionables, searching, searchMentionables, SHOWN } from "./mention.js";

export function useMentions(field: RefObject<HTMLTextAreaElement>, text: string, write: (change: (draft: Draft) => Draft) => void, thread: string) {
  const [begin, say] = useState<string>();
  const [place, move] = useState(0);
  const found = begin === undefined ? [] : findMentionables(begin, thread);
  const list = found.slice(0, SHOWN);
  const looks = begin !== undefined && searching.value;
  const open = list.length > 0 || looks;
  useEffect(() => {
    if (!begin) return;
    let wanted = true;
    void searchMentionables(begin, thread, () => wanted);
    return () => {
      wanted = false;
      searching.value = false;
    };
  }, [begin, thread]);
  const at = Math.min(place, list.length - 1);
  const caret = useRef<number>();
  // Together with the text: what is typed next must not come before it.
  useLayoutEffect(() => {
    if (caret.current === undefined) return;
    field.current?.focus();
    field.current?.setSelectionRange(caret.current, caret.current);
    caret.current = undefined;
  }, [text]);
  const look = () => {
    const here = field.current;
    if (!here) return;
    const now = mentionPrefix(here.value, here.selectionStart);
    if (now === begin) return;
    if (begin === undefined) void refreshMentionables();
    move(0);
    say(now);
  };
  const close = () => say(undefined);
  const pick = (one: Mentionable) => {
    const here = field.current;
    if (!here) return;
    const [from, to] = [here.selectionStart - (begin?.length ?? 0), here.selectionStart];
    const whole = `${here.value.slice(0, from)}${one.title} ${here.value.slice(to).replace(/^ /, "")}`;
    caret.current = from + one.title.length + 1;
    write((now) => ({ ...now, text: whole, mentions: [...now.mentions, { name: one.name, title: one.title }] }));
    close();
    announce(`${one.title} is mentioned.`);
  };
  const pressed = (event: KeyboardEvent): boolean => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!open || event.isComposing) return false;
    if (!list.length && event.key !== "Escape") return false;
    if (step) move((at + step + list.length) % list.length);
    else if ((event.key === "Enter" && !event.shiftKey) || event.key === "Tab") pick(list[at]!);
    else if (event.key === "Escape") close();
    else return false;
    event.preventDefault();
    return true;
  };
  /** Inserts `@` as if the person typed it. */
  const start = () => {
    const here = field.current;
    if (!here) return;
    const before = here.value.slice(0, here.selectionStart);
    const sign = /(^|[\s(])$/.test(before) ? "@" : " @";
    const whole = before + sign + here.value.slice(here.selectionStart);
    caret.current = before.length + sign.length;
    write((now) => ({ ...now, text: whole }));
    void refreshMentionables();
    move(0);
    say("");
  };
  const marks = {
    "aria-autocomplete": "list" as const,
    "aria-haspopup": "listbox" as const,
    "aria-controls": open ? "mentions" : undefined,
    "aria-activedescendant": list.length ? `mention-${at}` : undefined,
  };
  return { open, list, hint: looks ? "Looking further…" : found.length > SHOWN ? "There are more matches: keep typing." : "", at, look, close, pick, pressed, begin: start, marks };
}

export function MentionList({ list, hint, at, pick }: { list: Mentionable[]; hint: string; at: number; pick: (one: Mentionable) => void }) {
  return (
    <div class="mentions">
      <ul id="mentions" role="listbox" aria-label="Mention">
        {list.map((each, n) => (
          <li
            key={each.name}
            id={`mention-${n}`}
            role="option"
            aria-selected={n === at}
            // The text keeps the focus.
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => pick(each)}
          >
            <Icon name={each.kind === "automation" ? "clock" : "chat"} />
            <span class="line">{each.title}</span>
            <span class="faint">{each.kind}</span>
          </li>
        ))}
      </ul>
      {hint && <p class="faint" role="status">{hint}</p>}
    </div>
  );
}
