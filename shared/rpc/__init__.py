"""gRPC servers, clients, interceptors and status details."""
