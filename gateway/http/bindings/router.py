"""Which binding a method and a path mean."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from google.rpc import code_pb2

from gateway.http.bindings.contract import Binding
from gateway.http.bindings.path_template import REST
from gateway.http.refusal import Refusal, refuse, refuse_malformed

LONGEST_PATH: Final = 4096
_LONE_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A binding and what the path says of its fields."""

    binding: Binding
    variables: dict[str, str]


class Router:
    """Finds bindings by the number of segments and the verb."""

    def __init__(self, bindings: Iterable[Binding]) -> None:
        self._fixed: dict[tuple[int, str], list[Binding]] = defaultdict(list)
        self._open: dict[str, list[Binding]] = defaultdict(list)
        for one in bindings:
            template = one.template
            if template.segments[-1] == REST:
                self._open[template.verb].append(one)
            else:
                self._fixed[len(template.segments), template.verb].append(one)

    def methods(self, path: bytes) -> tuple[str, ...]:
        """Returns the methods that the path answers to, HEAD and OPTIONS too; none: no path."""
        return self._allowed(self._routes(path))

    def find(self, method: str, path: bytes) -> Route:
        """`path` is as it was sent, without the query.

        Raises Refusal: 404 for no such path, 405 with `Allow` for another method.
        """
        routes = self._routes(path)
        for route in routes:
            if route.binding.method == method:
                return route
        if not routes:
            raise _no_such_path(path)
        allowed = self._allowed(routes)
        raise refuse(
            code_pb2.UNIMPLEMENTED,
            "NOT_SERVED",
            f"this path has no {method}; it has {', '.join(allowed)}",
            metadata={"method": method},
            http=405,
            headers={"allow": ", ".join(allowed)},
        )

    def _routes(self, path: bytes) -> list[Route]:
        segments = split(path)
        # No id has a colon, so what follows one is a verb.
        last, colon, verb = segments[-1].rpartition(":")
        if colon:
            return self._matches([*segments[:-1], last], verb)
        return self._matches(segments, "")

    def _matches(self, segments: Sequence[str], verb: str) -> list[Route]:
        found = []
        for binding in [*self._fixed.get((len(segments), verb), ()), *self._open.get(verb, ())]:
            variables = binding.template.match(segments)
            if variables is not None:
                found.append(Route(binding=binding, variables=variables))
        return found

    @staticmethod
    def _allowed(routes: Iterable[Route]) -> tuple[str, ...]:
        found = {route.binding.method for route in routes}
        if "GET" in found:
            found.add("HEAD")
        return tuple(sorted(found | {"OPTIONS"})) if found else ()


def split(path: bytes) -> list[str]:
    """Returns the decoded segments. Raises Refusal for what is no path."""
    if len(path) > LONGEST_PATH:
        raise _bad_path(f"is longer than {LONGEST_PATH} bytes")
    if _LONE_PERCENT.search(path):
        raise _bad_path("has a % without two hexadecimal digits after it; write %25")
    try:
        return [unquote_to_bytes(one).decode() for one in path.removeprefix(b"/").split(b"/")]
    except UnicodeDecodeError:
        raise _bad_path("is not UTF-8") from None


def _no_such_path(path: bytes) -> Refusal:
    named = "/" + "/".join(split(path))[:200]
    return refuse(
        code_pb2.NOT_FOUND,
        "RESOURCE_NOT_FOUND",
        f"no call has the path {named}",
        metadata={"resource": named},
    )


def _bad_path(description: str) -> Refusal:
    return refuse_malformed(f"the path {description}")
