"""A test of a model: which features its provider takes, and which limits it tells."""
