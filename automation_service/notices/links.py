"""Links to the page."""


def build_link(page_url: str, name: str) -> str:
    """Returns the page's address of a resource; empty without the page's or a name."""
    return f"{page_url.rstrip('/')}/#/{name}" if page_url and name else ""
