/** The pages of a list as one list. */

export interface Page<T> {
  items: T[];
  /** Empty: nothing follows. A page that is short, or empty, may have one. */
  next: string;
}

export interface Span {
  /** The token that asks for it. Empty: the first page. */
  token: string;
  /** The item before it. Absent: it is the first page, or that item is gone. */
  after?: string;
  /** Nothing follows it. */
  end: boolean;
}

/** Pages that are read for one whole list. */
const MOST_PAGES = 100;

/** Reads a list that is needed whole. */
export async function readAll<T>(ask: (token: string) => Promise<Page<T>>): Promise<T[]> {
  const found: T[] = [];
  for (let token = "", n = 0; n === 0 || (token && n < MOST_PAGES); n++) {
    const page = await ask(token);
    found.push(...page.items);
    token = page.next;
  }
  return found;
}

type Named = { name: string };

/** Puts a page that is read again where it belongs: nothing is there twice, and what it no longer has is gone. */
export function merge<T extends Named>(held: T[], items: T[], { after, token, end }: Span): T[] {
  const names = new Set(items.map((each) => each.name));
  const place = (name: string | undefined) => (name === undefined ? -1 : held.findIndex((each) => each.name === name));
  const start = token === "" ? 0 : place(after) + 1 || held.findIndex((each) => names.has(each.name));
  const from = start < 0 ? held.length : start;
  const last = end ? held.length : Math.max(from - 1, place(items.at(-1)?.name));
  const others = (list: T[]) => list.filter((each) => !names.has(each.name));
  return [...others(held.slice(0, from)), ...items, ...others(held.slice(end ? held.length : last + 1))];
}
