"""Tests of shared/process."""
