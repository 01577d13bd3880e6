"""Fixtures of the services' own tests, for the contract over their sockets."""

from tests.automation_service.conftest import agent, clock, keys, rota, url

__all__ = ["agent", "clock", "keys", "rota", "url"]
