"""Text: what nobody sees in it, how it is quoted and cut to a line, and rules in words."""
