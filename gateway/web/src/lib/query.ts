/** A query that repeats while its component is shown. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { latest } from "./latest.js";
import { List } from "./list.js";
import type { Page } from "./pages.js";
import { poll } from "./network.js";
import { problemOf, type Problem } from "./problem.js";

export interface QueryResult<T> {
  value?: T;
  problem?: Problem;
  again: () => void;
}

/** Keeps the last value while a later request fails. */
export function useQuery<T>(ask: () => Promise<T>, key: string, every = 5000): QueryResult<T> {
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
    const stop = poll(again.current, every);
    return () => {
      live = false;
      stop();
    };
  }, [key, every]);
  const current = held.key === key ? held : {};
  return { ...current, again: () => again.current() };
}

/** A list that is read again while its component is shown. */
export function useList<T extends { name: string }>(ask: (token: string) => Promise<Page<T>>, key: string, every = 5000): List<T> {
  const list = useMemo(() => new List(ask), [key]);
  useEffect(() => {
    const stop = poll(() => void list.refresh(), every);
    return () => {
      stop();
      list.clear();
    };
  }, [list, every]);
  return list;
}
