"""The drafts of automations: what a model writes, and its check."""
