"""Tests of the parts that `make run` starts."""
