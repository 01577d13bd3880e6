"""Streams for browsers: server-sent events, where they go on, and tickets for EventSource."""
