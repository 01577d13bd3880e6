"""The Content-Security-Policy of the page."""

import base64
import hashlib
import re
from typing import Final

# One self-contained file, so each script and style is named by its hash.
_SCRIPT: Final = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)
_STYLE: Final = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)


def policy(html: str) -> str:
    """Returns the policy that allows exactly the scripts and styles of this text."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hashes(_SCRIPT, html)}",
            f"style-src {_hashes(_STYLE, html)}",
            "img-src data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _hashes(what: re.Pattern[str], html: str) -> str:
    digests = [hashlib.sha256(found.encode()).digest() for found in what.findall(html)]
    return " ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in digests) or "'none'"
