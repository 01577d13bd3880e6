"""Tests of shared/json."""
