"""The calls of the client, by the resource that they are about."""
