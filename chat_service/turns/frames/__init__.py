"""The frames of turns: a log that numbers and stores them, and the watch that shows them."""
