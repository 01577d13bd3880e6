/** The state of the network, retries, and polling. */
import { signal } from "@preact/signals";

export const online = signal(navigator.onLine);

export function setOnline(yes: boolean): void {
  online.value = yes;
}

addEventListener("offline", () => setOnline(false));

/** Resolves after `milliseconds`, or when the network comes back or the signal aborts. */
export function sleep(milliseconds: number, stop: AbortSignal): Promise<void> {
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

/** Milliseconds: 0.5 s, doubling to 8 s, with jitter. */
export function backoff(failures: number): number {
  return Math.min(8000, 500 * 2 ** Math.min(failures, 5)) * (0.7 + 0.3 * Math.random());
}

const tabs = new BroadcastChannel("rota");
const listeners = new Set<() => void>();
tabs.onmessage = () => tell();

function tell(): void {
  for (const listener of [...listeners]) listener();
}

/** Makes this tab and the others load again. */
export function notifyChange(): void {
  tabs.postMessage("changed");
  tell();
}

/** Calls `look` now, periodically while the page is visible, and after each change. */
export function poll(look: () => void, milliseconds: number): () => void {
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
