"""Tests of shared/schedule."""
