/** Something asked of a service, again and again while it is looked at. */
import { useEffect, useRef, useState } from "preact/hooks";
import { latest } from "./latest.js";
import { watching } from "./network.js";
import { problemOf, type Problem } from "./problem.js";

export interface Loaded<T> {
  value?: T;
  problem?: Problem;
  again: () => void;
}

/** The last good answer stays while a later question fails. */
export function useLoaded<T>(ask: () => Promise<T>, key: string, every = 5000): Loaded<T> {
  const [held, hold] = useState<{ key: string; value?: T; problem?: Problem }>({ key });
  const question = useRef(ask);
  question.current = ask;
  const again = useRef(() => {});
  useEffect(() => {
    let live = true;
    const asking = latest();
    const look = async () => {
      const isNews = asking();
      try {
        const value = await question.current();
        if (live && isNews()) hold({ key, value });
      } catch (thrown) {
        const problem = problemOf(thrown);
        if (live && isNews()) hold((last) => ({ ...(last.key === key ? last : { key }), problem }));
      }
    };
    again.current = () => void look();
    const stop = watching(again.current, every);
    return () => {
      live = false;
      stop();
    };
  }, [key, every]);
  const current = held.key === key ? held : {};
  return { ...current, again: () => again.current() };
}
