"""The inbox on the page."""
