"""The stream of a model's answer: its bytes, chunks, words and errors."""
