"""The channel of each kind: its requests, and what their answers mean."""
