"""What is wrong with a template, in words of the one who wrote it."""

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from jinja2 import TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.exceptions import SecurityError, TemplateRuntimeError

from shared import errors

# In Python's words for a whole number that has too many digits to be read or written.
TOO_LONG_NUMBER: Final = "integer string conversion"
_TOO_MANY_DIGITS: Final = "a number has too many digits"
MAX_REASON: Final = 500  # characters
MAX_NAMES: Final = 8
_KINDS: Final[Mapping[str, str]] = {
    "NoneType": "nothing",
    "Nothing": "nothing",
    "Undefined": "nothing",
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "str": "a text",
    "dict": "an object",
    "list": "a list",
    "Row": "a list",
    "NamedSteps": "an object",
    "tuple": "a list",
    "range": "a list",
    "generator": "a list",
    "dict_items": "a list",
    "dict_keys": "a list",
    "dict_values": "a list",
}
_UNKNOWN: Final = re.compile(r"No (filter|test) named (.{1,80}?)(?:$|\. |\.$|\n)")
_ADDED: Final = re.compile(r"unsupported operand type\(s\) for \+: '(\w+)' and '(\w+)'")
_TESTING: Final = frozenset({"reject", "rejectattr", "select", "selectattr"})
_ORDERING: Final = frozenset({"dictsort", "groupby", "max", "min", "sort"})
_PLURALS: Final[Mapping[str, str]] = {
    "nothing": "nothing",
    "true or false": "true or false",
    "a number": "numbers",
    "a text": "texts",
    "an object": "objects",
    "a list": "lists",
}
_COMPARED: Final = re.compile(r"'(\S+)' not supported between instances of '(\w+)' and '(\w+)'")
_NOT_ABLE: Final = re.compile(r"(?:argument of type )?'(\w+)' object is not (\w+)")
_UNARY: Final = re.compile(r"bad operand type for unary (\S): '(\w+)'")
_CONTAINS: Final = re.compile(r"argument of type '(\w+)' is not|requires string as left operand")
_UNPACKED: Final = re.compile(r"(?:not enough|too many) values to unpack|cannot unpack")
_UNEXPECTED: Final = re.compile(r"Unexpected keyword argument '(.+)'")
_UNNAMED: Final = re.compile(r"requires a filter argument|Missing parameter for attribute name")
_NEEDED: Final[Mapping[str, str]] = {
    "map": "the name of a filter, or its argument `attribute`",
    "rejectattr": "the name of an attribute",
    "selectattr": "the name of an attribute",
}
_BY_NAME: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_ABLE: Final[Mapping[str, str]] = {
    "iterable": "gone through",
    "subscriptable": "read by place",
    "callable": "called",
}


class TemplateFault(Exception):
    """A value that something can't be done with.

    `values` are those, as the template has them; `kinds` are theirs, where it has no such value.
    """

    def __init__(
        self, reason: str, *, values: tuple[Any, ...] = (), kinds: tuple[str, ...] = ()
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.values = values
        self.kinds = kinds


def find_near(name: str, known: Iterable[str], cutoff: float = 0.4) -> tuple[str, str]:
    """Returns the known name that is nearest to a wrong one, or "", and a list of some.

    The list has at most 8 names, first those that are near if not all fit, and says how many more
    there are. `cutoff` is how alike the nearest is at least, from 0 to 1.
    """
    each = sorted(known)
    if name.startswith("_"):  # a name of Python's own
        cutoff = 1
    near = difflib.get_close_matches(name, each, n=MAX_NAMES // 2, cutoff=cutoff)
    listed = each if len(each) <= MAX_NAMES else list(dict.fromkeys([*near, *each]))
    more = f" and {len(each) - MAX_NAMES} more" if len(each) > MAX_NAMES else ""
    return (near[0] if near else ""), ", ".join(listed[:MAX_NAMES]) + more or "none"


def describe_kind(value: Any) -> str:
    """Returns what kind of value JSON calls it: `a list`."""
    if value is None or isinstance(value, Undefined):
        return "nothing"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, list):
        return "a list"
    return _KINDS.get(type(value).__name__, "something that is no value")


def explain(error: Exception, tree: nodes.Node, line: int, names: Mapping[str, Any]) -> str:
    """Returns the reason of a failure, beginning with the values that it comes of."""
    reason, kinds, values = _read(error)
    said = list(_name_values(tree, line, names, kinds, values))
    text = "; ".join([*dict.fromkeys(said), *([reason] if reason else [])])
    return text if len(text) <= MAX_REASON else f"{text[: MAX_REASON - 1]}…"


def _read(error: Exception) -> tuple[str, tuple[str, ...], tuple[Any, ...]]:
    """Returns a reason, and the kinds or values that are at fault."""
    match error:
        case TemplateFault():
            return error.reason, error.kinds, error.values
        case errors.RotaError():
            return error.message, (), ()
        case TemplateSyntaxError():
            return explain_syntax(error.message or "", 1, "") or "this is no template", (), ()
        case UndefinedError():
            return "a value is needed here", ("nothing",), ()
        case SecurityError():
            return str(error) or "this is not available in a template", (), ()
        case ZeroDivisionError():
            return "a division by zero", (), ()
        case OverflowError():
            return "a number is too large", (), ()
        case RecursionError():
            return "it is nested too deeply", (), ()
        case TemplateRuntimeError() if found := _UNKNOWN.match(error.message or ""):
            return f"there is no {found[1]} named {found[2]}", (), ()
        case TemplateRuntimeError():
            return "this can't be done here", (), ()
    return _read_python(str(error))


def _read_python(message: str) -> tuple[str, tuple[str, ...], tuple[Any, ...]]:
    """The same of an error of Python, whose words name classes."""
    if found := _COMPARED.search(message):
        left, right = _kind(found[2]), _kind(found[3])
        return f"`{found[1]}` can't compare {left} with {right}", (left, right), ()
    if found := _NOT_ABLE.search(message):
        kind = _kind(found[1])
        return f"{kind} can't be {_ABLE.get(found[2], 'used so')}", (kind,), ()
    if found := _UNARY.search(message):
        kind = _kind(found[2])
        return f"`{found[1]}` can't take {kind}", (kind,), ()
    if found := _CONTAINS.search(message):
        kind = _kind(found[1]) if found[1] else "a text"
        return f"`in` can't look for this in {kind}", (kind,), ()
    if _UNPACKED.search(message):
        return "the items do not have as many parts as the loop has names", (), ()
    if TOO_LONG_NUMBER in message:
        return _TOO_MANY_DIGITS, (), ()
    return "this can't be done with these values", (), ()


def explain_filter(name: str, value: Any, given: str, error: Exception) -> str:
    """Returns why a filter can't take a value. `given` are its arguments as they are written."""
    if TOO_LONG_NUMBER in str(error):
        return _TOO_MANY_DIGITS
    if name in _ORDERING and (found := _COMPARED.search(str(error))):
        left, right = (
            _PLURALS.get(_kind(found[2]), "values"),
            _PLURALS.get(_kind(found[3]), "values"),
        )
        if left != right:
            return f"`{name}` can't compare the values: the list mixes {left} and {right}"
        return f"`{name}` can't compare {left}; `attribute` says what of them to compare"
    if name in _TESTING and (found := _COMPARED.search(str(error))):
        return f"`{name}{given}` can't compare {_kind(found[2])} with {_kind(found[3])}"
    if name == "sum" and (found := _ADDED.search(str(error))):
        more = "; `attribute` says what of it to add" if found[2] == "dict" else ""
        return f"`sum` can't add {_kind(found[2])} to {_kind(found[1])}{more}"
    return f"`{name}{given}` can't take {describe_kind(value)}"


def explain_arguments(
    name: str,
    call: Callable[..., Any],
    given: Sequence[Any],
    options: Mapping[str, Any],
    *,
    own: int = 1,
    error: Exception | None = None,
) -> str | None:
    """Returns what is wrong with the number or the names of arguments, or None.

    The first `own` of those that are given are not written as arguments. `error` is what the
    call raised.
    """
    if found := _UNEXPECTED.search(str(error)):
        return f"`{name}` has no argument `{found[1]}`"
    if _UNNAMED.search(str(error)):
        return f"`{name}` needs {_NEEDED[name]}"
    try:
        signature = inspect.signature(call)
    except ValueError:  # a call in C that tells none
        return None
    try:
        signature.bind(*given, **options)
    except TypeError:
        return explain_binding(name, [*signature.parameters.values()][own:], given[own:], options)
    return None


def explain_binding(
    name: str,
    parameters: list[inspect.Parameter],
    given: Sequence[Any],
    options: Mapping[str, Any],
) -> str | None:
    """Returns what is wrong with the number or the names of arguments of these parameters."""
    known = [each.name for each in parameters]
    if not known:
        return f"`{name}` takes no arguments" if given or options else None
    by_name = [each.name for each in parameters if each.kind in _BY_NAME]
    told = ", ".join(known)
    for option in options:
        if option in known and option not in by_name:
            return f"`{name}` takes its arguments by place: {told}"
        if option not in by_name:
            near, _ = find_near(option, by_name)
            hint = f" (did you mean `{near}`?)" if near else ""
            return f"`{name}` has no argument `{option}`{hint}; arguments: {told}"
        if option in known[: len(given)]:
            return f"`{name}` has its argument `{option}` twice"
    if len(given) > len(known):
        return f"`{name}` takes at most {len(known)} arguments: {told}"
    missing = [
        each.name
        for each in parameters[len(given) :]
        if each.default is inspect.Parameter.empty and each.name not in options
    ]
    return f"`{name}` needs its argument `{missing[0]}`" if missing else None


def _kind(name: str) -> str:
    return _KINDS.get(name, "this value")


def _name_values(
    tree: nodes.Node,
    line: int,
    names: Mapping[str, Any],
    kinds: tuple[str, ...],
    values: tuple[Any, ...],
) -> Iterator[str]:
    """Each plain name of the line whose value is one of those, with its kind."""
    for path, value in list_paths(tree, line, names):
        kind = describe_kind(value)
        if kind in kinds or any(_is_same(value, one) for one in values):
            yield f"`{path}` is {kind}" if kind != "nothing" else f"`{path}` has no value"


def _is_same(value: Any, other: Any) -> bool:
    return value is other or describe_kind(value) == "nothing" == describe_kind(other)


def list_paths(tree: nodes.Node, line: int, names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields each whole plain path of a line, such as `inputs.count`, and its value.

    Of a call of a member, also the path of what it is a member of.
    """
    called = {id(call.node) for call in tree.find_all(nodes.Call)}
    members: list[nodes.Getattr | nodes.Getitem] = []
    members += tree.find_all(nodes.Getattr)
    members += tree.find_all(nodes.Getitem)
    inner = {
        id(node.node) for node in members if id(node) not in called and read_path(node) is not None
    }
    for node in tree.find_all((nodes.Name, nodes.Getattr, nodes.Getitem)):
        if id(node) in inner or node.lineno != line:
            continue
        parts = read_path(node)
        if parts is None or parts[0] not in names:
            continue
        value: Any = names
        for part in parts:
            try:
                value = value[part]
            except (LookupError, TypeError):
                value = None
                break
        yield write_path(parts), value


def read_path(node: nodes.Node) -> list[Any] | None:
    """Returns the parts of a path of constant members, or None for another expression."""
    parts: list[Any] = []
    while True:
        match node:
            case nodes.Name():
                return [node.name, *reversed(parts)]
            case nodes.Getattr():
                parts.append(node.attr)
                node = node.node
            case nodes.Getitem(arg=nodes.Const(value=member)):
                parts.append(member)
                node = node.node
            case _:
                return None


def write_path(parts: list[Any]) -> str:
    """Returns a path as it is written in a template."""
    text = str(parts[0])
    for place, part in enumerate(parts[1:]):
        if not isinstance(part, str):
            text += f"[{part}]"
        elif _PLAIN.fullmatch(part) or parts[: place + 1] in (["steps"], ["previous", "steps"]):
            text += f".{part}"
        else:
            text += f"[{part!r}]"
    return text


_PLAIN: Final = re.compile(r"[^\W\d]\w*")

# What Jinja calls the parts of its grammar, as they are written.
_PARTS: Final[Mapping[str, str]] = {
    "end of print statement": "`}}`",
    "end of statement block": "`%}`",
    "begin of print statement": "`{{`",
    "begin of statement block": "`{%`",
    "end of template": "the end",
    "name": "a name",
    "string": "a text",
    ",": "`,` or a closing bracket",
}
# What other languages write, and its counterpart here.
_SIGNS: Final[Mapping[str, str]] = {
    "&&": "and",
    "||": "or",
    "!==": "!=",
    "===": "==",
    "&": "and",
    "!": "not",
    "=": "==",
    "?": "… if … else …",
    "AND": "and",
    "OR": "or",
    "NOT": "not",
    "elseif": "elif",
    "elsif": "elif",
}
_QUOTED: Final = re.compile(r"'[^'\\\n]*'|\"[^\"\\\n]*\"")
_CHAR: Final = re.compile(r"unexpected char (.+) at (\d+)", re.DOTALL)
_ENDED: Final = re.compile(r"unexpected end of template, expected '(.+)'\.", re.DOTALL)
_WANTED: Final = re.compile(
    r"(?:expected token '(?P<part>.+?)'|Expected an expression), got '(?P<got>.+)'", re.DOTALL
)
_MET: Final = re.compile(
    r"unexpected '(.+?)'(?:, expected '(?P<wanted>.+?)')?(?P<more>.*)", re.DOTALL
)
_TAG: Final = re.compile(r"Encountered unknown tag '(\w+)'")
_OPEN: Final = re.compile(r"innermost block that needs to be closed is '(\w+)'")
_ENDS: Final = ("end of print statement", "end of statement block")
_NOT: Final = re.compile(r"\bNOT\b")
_MEMBER: Final = "expected name or number"
_COMMENT: Final = "Missing end of comment tag"
_RAW: Final = "Missing end of raw directive"


def explain_syntax(message: str, line: int, source: str) -> str:
    """Returns what Jinja says of a source that it can't read, in words of its writer.

    `line` counts from 1, and so does the place of a character, which is one of its line.
    """
    lines = re.split("\r\n|\r|\n", source)
    there = lines[line - 1] if line <= len(lines) else ""
    if found := _CHAR.fullmatch(message):
        return _explain_character(found[1], "\n".join(lines), int(found[2]))
    if found := _OPEN.search(message):
        missing = f"`{{% end{found[1]} %}}` is missing"
        tag = _TAG.match(message)
        if tag is None:
            return missing
        return _write_counterpart(tag[1]) or f"{_explain_tag(tag[1])}; {missing}"
    if found := _TAG.match(message):
        return _explain_tag(found[1])
    if found := _ENDED.fullmatch(message):
        return f"{_write_part(found[1])} is missing"
    if message in (_COMMENT, _RAW):
        return f"{'`#}`' if message == _COMMENT else '`{% endraw %}`'} is missing"
    if found := _WANTED.fullmatch(message):
        return _find_sign(found["got"], there) or (
            f"{_write_wanted(found['part'])} is missing before {_write_part(found['got'])}"
        )
    if found := _MET.fullmatch(message):
        return _explain_met(found[1], found["wanted"], found["more"], there)
    return "a name is missing after `.`" if message == _MEMBER else message


def _explain_met(met: str, wanted: str | None, more: str, line: str) -> str:
    if met == "end of template":
        return "a value is missing at the end"
    if wanted:
        return f"{_write_part(wanted)} is missing before {_write_part(met)}"
    if met == "}":
        end = "}}" if line.rfind("{{") > line.rfind("{%") else "%}"
        return f"unexpected `}}`; `{end}` is missing"
    return _find_sign(met, line) or f"unexpected {_write_part(met)}{more}"


def _write_wanted(part: str | None) -> str:
    if part is None:
        return "a value"
    return f"{_write_part(part)}{' or an operator' if part in _ENDS else ''}"


def _explain_character(char: str, source: str, at: int) -> str:
    sign = next((sign for sign in _SIGNS if source.startswith(sign, at)), source[at : at + 1])
    before = source.rfind("\n", 0, at)
    place = f"at character {at - before}"
    if sign in ("'", '"'):
        return f"the text that begins {place} has no end"
    return _write_counterpart(sign, f" {place}") or f"unexpected {char} {place}"


def _explain_tag(tag: str) -> str:
    if tag.startswith("end") or tag in ("elif", "else"):
        return f"unexpected `{{% {tag} %}}`"
    return _write_counterpart(tag) or f"there is no tag {tag!r}"


def _find_sign(met: str, line: str) -> str:
    """Returns what to write for a sign of another language that Jinja met in a line, or ""."""
    code = _QUOTED.sub("''", line)
    if met in ("=", "|"):
        longer = [sign for sign in _SIGNS if len(sign) > 1 and met in sign and sign in code]
        return _write_counterpart(next(iter(longer), met))
    return _write_counterpart(met) or _write_counterpart("NOT" if _NOT.search(code) else "")


def _write_counterpart(sign: str, place: str = "") -> str:
    return f"unexpected {sign!r}{place}; write `{_SIGNS[sign]}`" if sign in _SIGNS else ""


def _write_part(part: str) -> str:
    return _PARTS.get(part) or (f"`{part}`" if part in ")]}:" else repr(part))
