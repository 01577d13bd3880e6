"""What all screens of the page have in common: focus, lists and Markdown."""
