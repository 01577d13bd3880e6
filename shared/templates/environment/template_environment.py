"""The Jinja environment of templates: plain JSON, and operations whose size is checked first.

A member of a value is a key of it, never a method of Python. A method exists only where it is
called, and only when there is no such key. What is missing is nothing, as a null is.
"""

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Final

from jinja2 import ChainableUndefined, UndefinedError, nodes
from jinja2.compiler import Frame
from jinja2.lexer import TokenStream
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from shared.templates.environment import filters
from shared.templates.environment.calls import SEARCHES, make_mapping
from shared.templates.environment.compiler import BoundedCompiler
from shared.templates.environment.hyphens import join_hyphens
from shared.templates.environment.lists import Row, settle
from shared.templates.environment.text import encode_json, show_values, write_text
from shared.templates.faults import TemplateFault, describe_kind, explain_arguments
from shared.templates.sizes import (
    METHOD_SIZES,
    METHOD_STEPS,
    PLAIN_METHODS,
    WRITTEN,
    BoundedFields,
    bound_value,
    limit_size,
    limit_steps,
    materialize,
    measure,
    operator_size,
)

_LOOP: Final = frozenset(
    {
        "depth",
        "depth0",
        "first",
        "index",
        "index0",
        "last",
        "length",
        "nextitem",
        "previtem",
        "revindex",
        "revindex0",
    }
)
# Python tells no signature of these.
_WITHOUT_ARGUMENTS: Final = frozenset({"copy", "items", "keys", "values"})
_SHOWN_BITS: Final = 128  # of a whole number in a fault
_JSON: Final = (dict, list, tuple, str, int, float, KeysView, ValuesView, ItemsView)
# The step ids with hyphens that the source which is read may name, and the names of all steps
# where a fault is to be told.
_HYPHENATED: Final[ContextVar[tuple[frozenset[str], frozenset[str]]]] = ContextVar(
    "hyphenated", default=(frozenset(), frozenset())
)


class Nothing(ChainableUndefined):
    """What a template names and nobody gave. It equals a null."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Nothing)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = ChainableUndefined.__hash__


class _Compiler(BoundedCompiler):
    """Compiles a call of a member as one operation, so that no method is ever a value."""

    def visit_Call(  # noqa: N802
        self, node: nodes.Call, frame: Frame, forward_caller: bool = False
    ) -> None:
        if not isinstance(node.node, nodes.Getattr):
            super().visit_Call(node, frame, forward_caller=forward_caller)
            return
        self.write("environment.call_method(context, ")
        self.visit(node.node.node, frame)
        self.write(f", {node.node.attr!r}")
        self.signature(node, frame)
        self.write(")")

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        if node.ctx != "load":
            super().visit_Tuple(node, frame)
            return
        self._write_call("make_row", node.items, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        each = [part for pair in node.items for part in (pair.key, pair.value)]
        self._write_call("make_object", each, frame)

    def _write_call(self, name: str, given: list[nodes.Expr], frame: Frame) -> None:
        self.write(f"environment.{name}((")
        for each in given:
            self.visit(each, frame)
            self.write(", ")
        self.write("))")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802
        if not isinstance(node.arg, nodes.Slice):
            super().visit_Getitem(node, frame)
            return
        self.write("environment.cut(")
        self.visit(node.node, frame)
        for part in (node.arg.start, node.arg.stop, node.arg.step):
            self.write(", ")
            self.visit(part, frame) if part is not None else self.write("None")
        self.write(")")


class TemplateEnvironment(ImmutableSandboxedEnvironment):
    """Raises TemplateFault for what can't be done, and OutputTooLarge."""

    code_generator_class = _Compiler
    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def __init__(self) -> None:
        super().__init__(
            undefined=Nothing, keep_trailing_newline=True, autoescape=False, finalize=_write
        )
        self.globals = {"range": self.globals["range"], "dict": make_mapping}
        self.filters = dict(filters.FILTERS)
        self.tests = {
            name: test for name, test in self.tests.items() if name not in ("callable", "escaped")
        } | {"none": _is_nothing}

    def _tokenize(
        self, source: str, name: str | None, filename: str | None = None, state: str | None = None
    ) -> TokenStream:
        if not any(named := _HYPHENATED.get()):
            return super()._tokenize(source, name, filename, state)
        tokens = self.lexer.tokeniter(
            self.preprocess(source, name, filename), name, filename, state
        )
        joined = self.lexer.wrap(join_hyphens(tokens, *named), name, filename)
        return TokenStream(joined, name, filename)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Returns a key's value, or nothing."""
        if isinstance(obj, dict):
            found = obj.get(attribute)
            return self.undefined(obj=obj, name=attribute) if found is None else found
        if isinstance(obj, Nothing):
            return obj
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        if isinstance(obj, Row) and attribute in obj.fields:  # of a group: `grouper`, `list`
            return obj[obj.fields.index(attribute)]
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Returns a key's value or the item at a place, or nothing."""
        if isinstance(argument, str) and not isinstance(obj, Mapping):
            return self.getattr(obj, argument)
        if isinstance(obj, Nothing) or not isinstance(obj, (*_JSON, range)):
            return self.undefined(obj=obj, name=str(argument))
        try:
            found = obj[argument]  # type: ignore[index]
        except (TypeError, LookupError):
            return self.undefined(obj=obj, name=str(argument))
        return self.undefined(obj=obj, name=str(argument)) if found is None else found

    def cut(self, value: Any, start: Any, stop: Any, step: Any) -> Any:
        """Returns a part of a text or a list."""
        if isinstance(value, Nothing):
            return value
        if not isinstance(value, str | list | tuple | range):
            raise TemplateFault(f"{describe_kind(value)} has no part `[:]`", values=(value,))
        limits = [None if _is_nothing(limit) else limit for limit in (start, stop, step)]
        if not all(limit is None or isinstance(limit, int) for limit in limits):
            raise TemplateFault("the ends of a part are whole numbers", values=tuple(limits))
        if limits[2] == 0:
            raise TemplateFault("the step of a part `[::]` is never 0", values=(value,))
        return value[slice(*limits)]

    def bound(self, value: Any) -> Any:
        """Returns the value, with a list for what gives items. Raises OutputTooLarge."""
        return settle(bound_value(value))

    def make_row(self, items: tuple[Any, ...]) -> Row:
        """Returns the list that a tuple is."""
        return Row(bound_value(items))

    def make_object(self, parts: tuple[Any, ...]) -> dict[Any, Any]:
        """Returns the object of keys and values, one after the other."""
        made: dict[Any, Any] = {}
        for key, value in zip(parts[::2], parts[1::2], strict=True):
            if isinstance(key, list | dict):
                told = f"a key of an object is a text, not {describe_kind(key)}"
                raise TemplateFault(told, values=(key,))
            made[key] = value
        bound_value(made)
        return made

    def concat_texts(self, _: Context, parts: tuple[Any, ...]) -> str:
        WRITTEN.get().check_time()
        parts = tuple(map(materialize, parts))
        measure(parts)
        text = "".join(map(write_text, parts))
        limit_size(len(text))
        return text

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        left, right = materialize(left), materialize(right)
        if operator == "%" and isinstance(left, str):
            right = show_values(left, right)
        limit_size(operator_size(operator, left, right))
        try:
            found = self.binop_table[operator](left, right)
        except (TypeError, ValueError, UndefinedError) as error:
            kinds = f"{describe_kind(left)} and {describe_kind(right)}"
            raise TemplateFault(f"`{operator}` can't take {kinds}", values=(left, right)) from error
        except ArithmeticError as error:
            zero = isinstance(error, ZeroDivisionError)
            told = "is a division by zero" if zero else "is too large a number"
            done = f"{_write_number(left)} {operator} {_write_number(right)}"
            raise TemplateFault(f"`{done}` {told}") from error
        return settle(bound_value(found) if isinstance(found, int) else found)

    def call_method(
        self, context: Context, owner: Any, name: str, /, *args: Any, **options: Any
    ) -> Any:
        """Calls what JSON's values can do. Raises TemplateFault when a key has the name."""
        if isinstance(owner, LoopContext) and name in ("cycle", "changed"):
            return getattr(owner, name)(*args, **options)
        if isinstance(owner, Mapping) and name in owner:
            kind = describe_kind(owner[name])
            raise TemplateFault(
                f"`{name}` is a key here, with {kind}, so it can't be called",
                values=(owner[name],),
            )
        args = tuple(map(materialize, args))
        try:
            return self.bound(self._call_plain(owner, name, *args, **options))
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            if wrong := _explain_call(owner, name, args, options):
                raise TemplateFault(wrong) from error
            raise TemplateFault(
                f"`{name}()` can't take this of {describe_kind(owner)}", values=(owner, *args)
            ) from error

    def _call_plain(self, owner: Any, name: str, /, *args: Any, **options: Any) -> Any:
        if isinstance(owner, str) and name in ("format", "format_map"):
            return self._format(owner, name, args, options)
        if isinstance(owner, str) and name in METHOD_SIZES:
            if name == "join":
                args = tuple([*map(write_text, each)] for each in args)
            elif name in ("startswith", "endswith"):
                args = tuple(tuple(each) if isinstance(each, list) else each for each in args)
            limit_size(METHOD_SIZES[name](owner, *args, **options))
            if name in METHOD_STEPS:
                limit_steps(name, METHOD_STEPS[name](owner, *args, **options))
            call = SEARCHES.get(name)
            return call(owner, *args, **options) if call else getattr(owner, name)(*args, **options)
        known = isinstance(owner, Mapping | list | tuple | int | float) and name in PLAIN_METHODS
        if not known or not hasattr(owner, name):
            raise TemplateFault(f"{describe_kind(owner)} has no `{name}()`", values=(owner,))
        return getattr(owner, name)(*args, **options)

    def call(self, context: Any, called: Any, /, *args: Any, **options: Any) -> Any:
        if isinstance(called, LoopContext):
            return super().call(context, called, *args, **options)
        if not any(called is known for known in self.globals.values()):
            raise TemplateFault(f"{describe_kind(called)} can't be called", values=(called,))
        try:
            found = super().call(context, called, *map(materialize, args), **options)
        except (TypeError, ValueError) as error:
            raise TemplateFault("this can't be called with these values", values=args) from error
        return self.bound(found)

    def _format(self, text: str, name: str, args: tuple[Any, ...], options: Any) -> str:
        limit_size(len(text))
        if name == "format_map":
            (options,), args = args, ()
        return str(_Fields(self).vformat(text, args, options))


class _Fields(BoundedFields):
    """The fields of `format`, each written as a template writes it."""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        if conversion in ("r", "a"):
            return encode_json(value)
        return write_text(value) if conversion == "s" else value

    def format_field(self, value: Any, format_spec: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            value = write_text(value)
        return super().format_field(value, format_spec)


def _explain_call(
    owner: Any, name: str, args: tuple[Any, ...], options: Mapping[str, Any]
) -> str | None:
    """Returns what is wrong with the number or the names of a method's arguments, or None."""
    if name in _WITHOUT_ARGUMENTS:
        return f"`{name}()` takes no arguments" if args or options else None
    method = getattr(type(owner), name, None)
    return method and explain_arguments(f"{name}()", method, (owner, *args), options)


def _write_number(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > _SHOWN_BITS:
        return "a number"
    return write_text(value)


def _is_nothing(value: Any) -> bool:
    return value is None or isinstance(value, Nothing)


def _write(value: Any) -> str:
    """The finalizer of every piece that a template writes, also into a block that it keeps."""
    text = value if type(value) is str else write_text(value)
    WRITTEN.get().spend(len(text))
    return text


@cache
def environment() -> TemplateEnvironment:
    """The one environment of this process. It holds no state of a template."""
    return TemplateEnvironment()


@contextmanager
def allow_hyphens(hyphenated: Iterable[str], names: Iterable[str] = ()) -> Iterator[None]:
    """Inside, `steps.` followed by one of these ids is read as that step, hyphens and all.

    With the `names` of all steps, so is what begins with none of them.
    """
    token = _HYPHENATED.set((frozenset(hyphenated), frozenset(names)))
    try:
        yield
    finally:
        _HYPHENATED.reset(token)
