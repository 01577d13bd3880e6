"""Tests of what both services are made of."""
