"""Automations over the wire: what is made, read and changed, and what runs of it."""
