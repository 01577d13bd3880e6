"""JSON: its canonical and its compact form, paths into it, and schemas with a metered cost."""
