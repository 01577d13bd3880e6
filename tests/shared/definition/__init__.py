"""Tests of the editable envelope."""
