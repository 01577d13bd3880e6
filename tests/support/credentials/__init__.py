"""Keys, tokens and certificates that tests issue."""
