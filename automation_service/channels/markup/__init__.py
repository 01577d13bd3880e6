"""Markup: a body as blocks, and the dialects that write it."""
