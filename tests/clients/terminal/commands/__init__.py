"""Tests of the commands of `rota`."""
