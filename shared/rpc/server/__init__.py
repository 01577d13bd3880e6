"""The server of a service: its interceptor, who may call what, open streams and reflection."""
