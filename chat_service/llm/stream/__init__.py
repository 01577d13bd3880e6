"""The bytes of a model's answer, as chunks."""
