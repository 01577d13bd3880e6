"""What a provider's error names: its status, its code and the parameter that is at fault.

Each is a number or a short name; the provider's words never get here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import openai

from chat_service.llm.stream.error import list_errors

MAX_CODE: Final = 64  # characters
MAX_PARAMETER: Final = 80
_STATUS: Final = re.compile("[1-9][0-9]{2}")
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z_.-]*[A-Za-z0-9_.-]{0,16}|[0-9]{1,8}")
_PARAMETER: Final = re.compile(r"[A-Za-z$][\w$.\[\]-]*", re.A)
# what keys look like: a long run of letters and digits, or one of the usual beginnings
_KEY: Final = re.compile(
    r"(?i:\b(?:sk|pk|rk|gsk|xai|hf|r8|nvapi|key|aiza|eyj|bearer)[-_.]?)(?=[\w.-]*\d)[\w.-]{8,}"
    r"|(?=[\w-]*\d)(?=[\w-]*[a-zA-Z])[a-zA-Z0-9-]{24,}",
    re.A,
)
_LEAST_KEY: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCause:
    """None and what is empty was not told."""

    status: int | None = None
    code: str = ""
    parameter: str = ""

    @property
    def metadata(self) -> dict[str, str]:
        """Returns what was told, for the metadata of an error."""
        told = {
            "status": "" if self.status is None else str(self.status),
            "code": self.code,
            "parameter": self.parameter,
        }
        return {name: value for name, value in told.items() if value}

    def __str__(self) -> str:
        """Returns what was told in brackets, after a space; nothing if nothing was."""
        told = ", ".join(f"{name} {value}" for name, value in self.metadata.items())
        return f" ({told})" if told else ""


def read_cause(
    exc: BaseException, status: int | None, secrets: Iterable[str] = ()
) -> ProviderCause:
    """Returns what an error names. What holds one of the `secrets` or looks like a key is no name.

    A word is preferred to a number as the code, and a code to a type.
    """
    if not isinstance(exc, openai.APIError):
        return ProviderCause(status=status, code=_name(getattr(exc, "reason", ""), _CODE, MAX_CODE))
    known = tuple(text for text in secrets if len(text) >= _LEAST_KEY)
    told = list_errors(exc.body or exc.message)
    codes = [
        code
        for name in ("code", "type")
        for code in _names(told, name, _CODE, MAX_CODE)
        if not _is_secret(code, known)
    ]
    numbers = [code for code in codes if code.isdecimal()]
    quoted = [int(code) for code in numbers if _STATUS.fullmatch(code) and int(code) >= 300]
    status = status or next(iter(quoted), None)
    words = [code for code in codes if not code.isdecimal()]
    others = [code for code in numbers if code != str(status) and code != "0"]
    parameters = _names(told, "param", _PARAMETER, MAX_PARAMETER)
    return ProviderCause(
        status=status,
        code=next(iter([*words, *others]), ""),
        parameter=next((one for one in parameters if not _is_secret(one, known)), ""),
    )


def _names(
    told: Iterable[Mapping[str, Any]], name: str, form: re.Pattern[str], most: int
) -> Iterator[str]:
    for error in told:
        if found := _name(error.get(name), form, most):
            yield found


def _name(value: Any, form: re.Pattern[str], most: int) -> str:
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if len(text) <= most and form.fullmatch(text) else ""


def _is_secret(text: str, secrets: tuple[str, ...]) -> bool:
    return _KEY.search(text) is not None or any(one in text for one in secrets)
