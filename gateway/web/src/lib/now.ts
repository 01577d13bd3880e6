/** The time that the page shows as now; it ticks. */
import { signal } from "@preact/signals";

const TICK = 1000;

/** Milliseconds. A component that reads it is drawn again at each tick. */
export const now = signal(Date.now());

export function startClock(): void {
  const tick = () => (now.value = Date.now());
  setInterval(tick, TICK);
  // A page that is not seen ticks late.
  document.addEventListener("visibilitychange", tick);
}
