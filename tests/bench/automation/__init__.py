"""Tests of bench/automation."""
