"""Context, ports, events and configuration of an agent's run."""
