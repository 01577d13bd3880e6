"""Deliveries of results: their worker, and the methods that show them and send them again."""
