"""Tests of devstack/postgres."""
