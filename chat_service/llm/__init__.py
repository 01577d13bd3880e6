"""Language models: calls, usage, retries and errors."""
