"""Cron, time zones and slots: when a schedule fires, and how that is described."""
