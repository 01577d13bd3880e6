"""Tools that read what reached a person."""
