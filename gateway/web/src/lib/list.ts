/** A list of the service that is shown a page after the other, and kept up to date. */
import { signal } from "@preact/signals";
import { latest } from "./latest.js";
import { merge, type Page } from "./pages.js";
import { type Problem, problemOf } from "./problem.js";
import { scope } from "./session.js";

type Named = { name: string };

/** Pages that one request for more may read while they are empty. */
const MOST_EMPTY = 20;

export class List<T extends Named> {
  /** Undefined until the first page is there. */
  readonly items = signal<T[] | undefined>(undefined);
  readonly hasMore = signal(false);
  readonly busy = signal(false);
  /** Why the last refresh failed. */
  readonly problem = signal<Problem | undefined>(undefined);
  /** Why more could not be loaded. */
  readonly refused = signal<Problem | undefined>(undefined);
  /** Tokens of the pages that are shown, and the last items before them. */
  private pages: { token: string; after?: string }[] = [{ token: "" }];
  private next = "";
  private turn = 0;
  private asking = latest();
  private life = 0;
  private loading: Promise<T[]> | undefined;

  constructor(private readonly ask: (token: string) => Promise<Page<T>>) {}

  /** Forgets everything, also the answers that are still to come. */
  clear(): void {
    this.life++;
    this.items.value = undefined;
    this.hasMore.value = this.busy.value = false;
    this.problem.value = this.refused.value = undefined;
    this.pages = [{ token: "" }];
    this.next = "";
    this.asking = latest();
    this.loading = undefined;
  }

  /** Reads the first page again and, in turn, one of the later pages that are shown. */
  async refresh(): Promise<void> {
    const [isNews, life, here] = [this.asking(), this.life, scope()];
    const isHere = () => life === this.life && !here.aborted;
    try {
      const first = await this.some("");
      if (!isHere() || !isNews()) return;
      const later = this.pages.length > 1 ? this.pages[1 + (this.turn++ % (this.pages.length - 1))] : undefined;
      this.place(first, { token: "" });
      this.problem.value = undefined;
      if (!later || !this.pages.includes(later)) return;
      const page = await this.ask(later.token);
      if (isHere() && this.pages.includes(later)) this.place(page, later);
    } catch (thrown) {
      if (isHere() && isNews()) this.problem.value = problemOf(thrown);
    }
  }

  /** Returns what is new. What is shown stays when it fails. */
  more(): Promise<T[]> {
    if (this.loading) return this.loading;
    const loading = this.load().finally(() => {
      if (this.loading === loading) this.loading = undefined;
    });
    this.loading = loading;
    return loading;
  }

  private async load(): Promise<T[]> {
    if (!this.hasMore.value) return [];
    const [life, here] = [this.life, scope()];
    const known = new Set(this.items.value?.map((each) => each.name));
    this.busy.value = true;
    this.refused.value = undefined;
    try {
      for (let page = this.end(); ; page = this.end()) {
        const found = await this.some(page.token);
        if (life !== this.life || here.aborted || !this.hasMore.value) return [];
        // A refresh meanwhile may have moved the end.
        if (page.token !== this.next) continue;
        this.pages.push(page);
        this.place(found, page);
        return (this.items.value ?? []).filter((each) => !known.has(each.name));
      }
    } catch (thrown) {
      if (life === this.life && !here.aborted) this.refused.value = problemOf(thrown);
      return [];
    } finally {
      if (life === this.life) this.busy.value = false;
    }
  }

  private end(): { token: string; after?: string } {
    return { token: this.next, after: this.items.value?.at(-1)?.name };
  }

  /** Reads on while pages are empty. */
  private async some(token: string): Promise<Page<T>> {
    let page = await this.ask(token);
    for (let n = 0; !page.items.length && page.next && n < MOST_EMPTY; n++) page = await this.ask(page.next);
    return page;
  }

  private place({ items, next }: Page<T>, page: { token: string; after?: string }): void {
    const isFirst = page.token === "";
    const isLast = this.pages.at(-1)?.token === page.token;
    const held = this.items.value ?? [];
    // With one page alone, what it no longer has is on the next.
    this.items.value = isFirst && isLast ? items : merge(held, items, { ...page, end: next === "" });
    if (next === "") this.pages = this.pages.slice(0, this.pages.findIndex((each) => each.token === page.token) + 1);
    if (isLast || next === "") this.next = next;
    this.hasMore.value = this.next !== "";
  }
}
