"""From a pending run to its end: workers, steps, attempts and events."""
