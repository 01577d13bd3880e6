"""What a run of the agent knows: its context, ports, events and configuration."""
