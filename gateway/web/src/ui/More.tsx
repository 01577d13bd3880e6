/** The end of a list: says that there is more, and loads it. */
import { useRef } from "preact/hooks";
import { announce } from "../lib/announce.js";
import type { List } from "../lib/list.js";
import { ProblemNotice } from "./parts.js";

const REACHED = "a[href], button:not([tabindex='-1'])";

/** `what` is the plural of what is listed; `earlier`: what follows is older. */
export function More<T extends { name: string }>({ list, what, earlier }: { list: List<T>; what: string; earlier?: boolean }) {
  const here = useRef<HTMLDivElement>(null);
  const { busy, refused, hasMore } = list;
  if (!hasMore.value) return null;
  const load = async () => {
    const around = here.current?.parentElement;
    const before = around?.querySelectorAll(REACHED).length ?? 0;
    const found = await list.more();
    if (refused.value) return;
    announce(`${found.length} more ${what} loaded.${hasMore.value ? "" : " That is all."}`);
    // The button is gone with the last page: one goes on at the first that is new.
    requestAnimationFrame(() => {
      if (document.activeElement === document.body) around?.querySelectorAll<HTMLElement>(REACHED)[before - 1]?.focus({ preventScroll: true });
    });
  };
  return (
    <div class="more" ref={here}>
      {refused.value && <ProblemNotice problem={refused.value} />}
      <button type="button" class="quiet small" aria-busy={busy.value} onClick={() => void load()}>
        {refused.value ? "Try again" : `Load ${earlier ? "earlier" : "more"} ${what}`}
      </button>
    </div>
  );
}
