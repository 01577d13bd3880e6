"""The tool calls of an answer, streamed or written as text, and the repair of their arguments."""
