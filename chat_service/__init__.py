"""Chat with an agent that drafts automations."""
