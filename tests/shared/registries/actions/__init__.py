"""Tests of shared/registries/actions."""
