"""The wire: its golden bytes, its streams, its doors, and other implementations of it."""
