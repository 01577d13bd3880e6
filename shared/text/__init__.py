"""Text: characters that nobody sees, quotation, cuts to one line, and rules told in words."""
