"""The HTTP door: JSON and server-sent events for the public services, behind Envoy."""
