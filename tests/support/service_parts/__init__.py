"""Parts of the services, for tests that start no service."""
