"""Benchmarks of Rota, each beside peers in the same run."""
