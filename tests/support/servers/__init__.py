"""Servers of others on loopback: MCP, OAuth, mail, receivers of messages, and odd ones."""
