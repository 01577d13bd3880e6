"""Tests of bench/chat."""
