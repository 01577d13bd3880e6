/** The current route: the part of the address after `#/`. */
import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);
addEventListener("hashchange", arrived);
// The browser tells of a followed link late: till then the old screen would take what is pressed and typed.
addEventListener("click", (event) => {
  const link = event.target instanceof Element && event.target.closest<HTMLAnchorElement>('a[href^="#/"]');
  const elsewhere = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.button !== 0;
  if (!link || elsewhere || event.defaultPrevented) return;
  event.preventDefault();
  if (link.hash !== location.hash) history.pushState(null, "", link.hash);
  arrived();
});

function arrived(): void {
  hash.value = location.hash;
}

export const route = computed(() =>
  hash.value.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent),
);

export function href(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

export function go(...parts: string[]): void {
  location.hash = href(...parts);
  arrived();
}

/** As `go`, but without an entry in the history. */
export function replace(...parts: string[]): void {
  history.replaceState(null, "", href(...parts));
  arrived();
}

/** Returns the page's address of an automation or a run. */
export function resourceHref(name: string): string | undefined {
  const found = /\/automations\/([^/]+)(?:\/runs\/([^/]+))?/.exec(name);
  if (!found) return undefined;
  return found[2] ? href("automations", found[1]!, "runs", found[2]) : href("automations", found[1]!);
}
