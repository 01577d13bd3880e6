"""The front door: Envoy, its configuration, and what renders it."""
