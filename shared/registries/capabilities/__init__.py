"""Capabilities: the tools that a step may give to its agent."""
