"""Tests of shared/rpc/messages."""
