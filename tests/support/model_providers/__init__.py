"""Providers of models on loopback: what they send, what they refuse, and files that name them."""
