"""Settings on the page."""
