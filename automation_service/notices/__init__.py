"""Notices: what people are told of, where, and when it goes out."""
