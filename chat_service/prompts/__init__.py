"""Prompts in Markdown, a smaller set of them for small models, and their loader."""
