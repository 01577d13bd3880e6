"""Processes without network, files or memory of the service, which evaluate what people write."""
