"""The Jinja environment of templates: its compiler, filters and calls, and how it writes values."""
