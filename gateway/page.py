"""What is sent with the page: its policy, its entity tag, and its text compressed."""

import base64
import gzip
import hashlib
import re
from typing import Final

# One self-contained file, so each script and style is named by its hash.
_SCRIPT: Final = re.compile(r"<script[^>]*>(.*?)</script>", re.DOTALL)
_STYLE: Final = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)
# RE2, of a whole Accept-Encoding: names gzip, with another weight than 0.
TAKES_GZIP: Final = (
    r"(?i)(.*[,\s])?gzip\s*(;\s*q\s*=\s*(0?\.[0-9]*[1-9][0-9]*|1(\.[0-9]*)?)\s*)?(,.*)?"
)


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


def tag(html: bytes) -> str:
    """Returns the entity tag of this text, without quotes."""
    return base64.urlsafe_b64encode(hashlib.sha256(html).digest()).decode().rstrip("=")


def compress(html: bytes) -> str:
    """Returns the compressed text in base64. The same text gives the same result."""
    return base64.b64encode(gzip.compress(html, mtime=0)).decode()


def _hashes(what: re.Pattern[str], html: str) -> str:
    digests = [hashlib.sha256(found.encode()).digest() for found in what.findall(html)]
    return " ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in digests) or "'none'"
