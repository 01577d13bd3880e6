"""Implementations of the agent's ports, over gRPC and PostgreSQL; approvals are stored here."""
