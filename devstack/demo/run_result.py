"""The newest result of a run in a conversation, as the prompt quotes it."""

import re
from typing import Final

from devstack.demo.request import Request

_HEAD: Final = "[Result of "
_LINE: Final = re.compile(r"^> ?", re.M)
_QUESTION: Final = re.compile(
    r"\?\s*$|^\W*(?:what|which|was|were|is|are|did|does|how|why|tell|explain|repeat)\b", re.I
)


def answer_question(request: Request, asked: str) -> str:
    """Returns what the newest result says; empty if there is none or nothing was asked."""
    told = [m.text for m in request.messages if m.role == "user" and m.text.startswith(_HEAD)]
    if not told or not _QUESTION.search(asked):
        return ""
    _, _, quoted = told[-1].partition("\n")
    head, _, body = _LINE.sub("", quoted).partition("\n\n")
    automation, subject = (
        re.search(rf"^{line}: (.+)$", head, re.M) for line in ("Automation", "Subject")
    )
    of = f" of “{automation[1]}”" if automation else ""
    named = f", “{subject[1]}”," if subject else ""
    return f"[demo] I only read it out. The last result here{of}{named} says: {body.strip()[:500]}"
