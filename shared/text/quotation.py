"""Text of others in a prompt, as data: a mark begins every line, so that no text can end it."""


def quote_lines(text: str, max_bytes: int, cut: str) -> str:
    """Returns the lines of a text, each after `> `. Line `cut` follows if bytes are left out."""
    quoted = "\n".join(f"> {line}" for line in text.splitlines()) or "> (nothing)"
    encoded = quoted.encode("utf-8", "replace")
    if len(encoded) <= max_bytes:
        return quoted
    return f"{encoded[:max_bytes].decode('utf-8', 'ignore')}\n{cut}"
