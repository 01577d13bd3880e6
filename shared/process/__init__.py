"""The processes of a service: its command line, and how each starts, restarts and ends."""
