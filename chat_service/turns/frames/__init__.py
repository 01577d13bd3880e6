"""The frames of turns: the log that stores them, and the watch that sends them with heartbeats."""
