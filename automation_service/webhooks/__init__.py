"""Webhooks: endpoints, secrets, events and deliveries."""
