"""gRPC as we serve and call it."""
