"""Tests of shared/rpc/server."""
