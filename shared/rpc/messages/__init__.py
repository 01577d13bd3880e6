"""Messages: their bytes, the rules of a request, and their values as those of Python."""
