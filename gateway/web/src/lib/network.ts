/** Whether the gateway answers; waits that end early when it may again. */
import { signal } from "@preact/signals";

export const online = signal(navigator.onLine);

export function reached(yes: boolean): void {
  online.value = yes;
}

addEventListener("offline", () => reached(false));

/** Ends after a while, or at once when the network comes back or the signal aborts. */
export function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      stop.removeEventListener("abort", end);
      done();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener("online", end);
    stop.addEventListener("abort", end);
    if (stop.aborted) end();
  });
}

/** 0.5 s doubling to 8 s, each somewhat at random. */
export function backoff(failures: number): number {
  return Math.min(8000, 500 * 2 ** Math.min(failures, 5)) * (0.7 + 0.3 * Math.random());
}

const tabs = new BroadcastChannel("rota");
const listeners = new Set<() => void>();
tabs.onmessage = () => tell();

function tell(): void {
  for (const listener of [...listeners]) listener();
}

/** Something changed: this tab and the others look again. */
export function changed(): void {
  tabs.postMessage("changed");
  tell();
}

/** Calls `look` now, every so often while the page is seen, and after each change. */
export function watching(look: () => void, milliseconds: number): () => void {
  const seen = () => {
    if (document.visibilityState === "visible") look();
  };
  const timer = setInterval(seen, milliseconds);
  listeners.add(look);
  addEventListener("online", look);
  document.addEventListener("visibilitychange", seen);
  look();
  return () => {
    clearInterval(timer);
    listeners.delete(look);
    removeEventListener("online", look);
    document.removeEventListener("visibilitychange", seen);
  };
}
