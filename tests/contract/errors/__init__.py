"""Errors over the wire: their shape, their order, their reasons, and what comments say of them."""
