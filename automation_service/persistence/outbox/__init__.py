"""Deliveries, notices and messages to webhooks, with the settings that decide where they go."""
