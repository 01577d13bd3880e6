"""Whether a definition can be saved, and every fault with its path."""
