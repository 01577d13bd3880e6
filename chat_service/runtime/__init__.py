"""Context, ports, events and configuration of the agent while it runs."""
