"""The edge to language models: calls, usage, retries and errors."""
