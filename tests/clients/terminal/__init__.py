"""Tests of the terminal of the client."""
