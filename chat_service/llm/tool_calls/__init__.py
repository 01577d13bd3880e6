"""The tool calls of an answer: streamed or written as text, their names and arguments."""
