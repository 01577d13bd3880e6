"""Tests of gateway/http/bindings."""
