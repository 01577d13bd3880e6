"""Tests of shared/templates/environment."""
