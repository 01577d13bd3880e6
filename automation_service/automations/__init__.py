"""Automations: their life cycle, edits and revisions."""
