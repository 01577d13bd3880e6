"""gRPC servers and clients: access, idempotency, interceptors and status details."""
