/** Where one is: the part of the address after `#/`. */
import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);
addEventListener("hashchange", () => (hash.value = location.hash));

export const route = computed(() =>
  hash.value.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent),
);

export function href(...parts: string[]): string {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

export function go(...parts: string[]): void {
  location.hash = href(...parts);
}

/** As `go`, but Back does not come here again. */
export function replace(...parts: string[]): void {
  history.replaceState(null, "", href(...parts));
  hash.value = location.hash;
}

/** The page's address of an automation or a run. */
export function resourceHref(name: string): string | undefined {
  const found = /\/automations\/([^/]+)(?:\/runs\/([^/]+))?/.exec(name);
  if (!found) return undefined;
  return found[2] ? href("automations", found[1]!, "runs", found[2]) : href("automations", found[1]!);
}
