"""Path templates of google.api.http: `/v1/{name=workspaces/*/threads/*}:sendMessage`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

ANY: Final = "*"
REST: Final = "**"
_PART: Final = re.compile(r"\{(?P<field>[\w.]+)(?:=(?P<pattern>[^}]*))?\}|(?P<plain>[^/{}]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A field of the request, and the segments that it is made of; `end` is None for a rest."""

    field: str
    start: int
    end: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathTemplate:
    """`segments` are literals, `*` for any one, and last `**` for any number."""

    segments: tuple[str, ...]
    verb: str
    variables: tuple[Variable, ...]

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """Returns the variables of a path's decoded segments; None if it is another path."""
        if not self._fits(segments):
            return None
        return {one.field: "/".join(segments[one.start : one.end]) for one in self.variables}

    def fill(self, variables: Mapping[str, str]) -> str:
        """Returns the path of these variables, without the verb."""
        parts = list(self.segments)
        for one in reversed(self.variables):
            parts[one.start : one.end] = [variables[one.field]]
        return "/" + "/".join(parts)

    def _fits(self, segments: Sequence[str]) -> bool:
        own = self.segments
        if own and own[-1] == REST:
            own = own[:-1]
            if len(segments) < len(own):
                return False
        elif len(segments) != len(own):
            return False
        return all(
            (given != "" if mine == ANY else given == mine)
            for mine, given in zip(own, segments, strict=False)
        )


def parse(template: str) -> PathTemplate:
    """Raises ValueError for what is no template."""
    path, _, verb = template.rpartition(":") if _has_verb(template) else (template, "", "")
    segments: list[str] = []
    variables: list[Variable] = []
    position = 0
    while position < len(path):
        found = _PART.match(path, position + 1) if path[position] == "/" else None
        if found is None:
            raise ValueError(f"{template} is no path template")
        start = len(segments)
        if field := found["field"]:
            segments += (found["pattern"] or ANY).split("/")
            end = None if segments[-1] == REST else len(segments)
            variables.append(Variable(field=field, start=start, end=end))
        else:
            segments.append(found["plain"])
        position = found.end()
    return PathTemplate(segments=tuple(segments), verb=verb, variables=tuple(variables))


def _has_verb(template: str) -> bool:
    return ":" in template.rpartition("/")[2].rpartition("}")[2]
