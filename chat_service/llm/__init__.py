"""The edge to language models: calls, chunks, usage, retries and errors."""
