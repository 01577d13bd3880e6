"""Tests of shared/text."""
