"""Tests of shared/validation."""
