"""Tests of shared/db."""
