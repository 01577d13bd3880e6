"""The gateway: Envoy and its configuration."""
