"""Tests of the demo model, through the clients that real services use."""
