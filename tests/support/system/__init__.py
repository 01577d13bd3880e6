"""The running system: a service, both services, or all of it."""
