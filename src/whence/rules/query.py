"""The query language: which runs does `metrics.acc > 0.9 and config.lr in (0.1, 0.01)` mean?

    query      = and-group { "or" and-group }
    and-group  = condition { "and" condition }
    condition  = "not" condition | "(" query ")" | field test
    test       = ( "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~" ) value
               | [ "not" ] "in" "(" value { "," value } ")" | "exists" | "missing"
    field      = the record's names joined by dots, for instance code.dirty, metrics."val loss".max
    value      = "text" | 'text' | word | number | true | false | 2h | 10MiB | 2026-11-21 | 2026-11-21T06:40

`parse` finds the mistakes; `matching` only answers.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

import msgspec

from ..errors import UsageError
from ..records.record import Record
from .query_value import Value, is_digits, read_value

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~", "!~"]

ALIASES: dict[str, tuple[str, ...]] = {
    "env": ("environment",),
    "input": ("inputs",),
    "data": ("inputs",),
    "artifact": ("artifacts",),
    "metric": ("metrics",),
    "tag": ("tags",),
    "field": ("ext",),
    "param": ("config",),
}
"""Short names of the first part of a field."""


DIGESTED = ("code", "environment", "inputs", "artifacts")
"""Parts of a record that hold commits, trees and digests."""

TEXT = "text"
"""The field that is in no record: what people and programs said of the run in words."""


class QueryError(UsageError):
    """The query is not one; `position` counts characters from 0."""

    def __init__(self, query: str, position: int, message: str, *, hint: str | None = None) -> None:
        super().__init__(f"query, character {position + 1}: {message}: {_pointed(query, position)}", hint=hint)
        self.position = position


AROUND = 200
"""Characters before and behind a mistake that are shown."""

DEEPEST = 100
"""Brackets and `not` within each other."""


def _pointed(query: str, position: int) -> str:
    before, behind = query[max(0, position - AROUND) : position], query[position : position + AROUND]
    cut = ("…" if position > AROUND else "", "…" if len(query) > position + AROUND else "")
    return f"{cut[0]}{before}»{behind}{cut[1]}"


# The parts of a query


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A name in the record, split at its dots, aliases resolved."""

    path: tuple[str, ...]
    position: int = 0

    def __str__(self) -> str:
        return ".".join(self.path)


class Compare(msgspec.Struct, frozen=True, kw_only=True):
    field: Field
    operator: Operator
    value: Value


class In(msgspec.Struct, frozen=True, kw_only=True):
    field: Field
    values: tuple[Value, ...]


class Exists(msgspec.Struct, frozen=True, kw_only=True):
    field: Field


class Not(msgspec.Struct, frozen=True, kw_only=True):
    part: Query


class All(msgspec.Struct, frozen=True, kw_only=True):
    """Every part; without parts every record matches."""

    parts: tuple[Query, ...] = ()


class Any_(msgspec.Struct, frozen=True, kw_only=True):
    """At least one part."""

    parts: tuple[Query, ...]


Query = Compare | In | Exists | Not | All | Any_


# Text to tokens

_TOKEN = re.compile(
    r"""\s*(?: (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
             | (?P<operator><=|>=|!=|!~|==|=|<|>|~)
             | (?P<mark>[(),])
             | (?P<word>(?:[^\s"'()<>=!~,]|!(?![=~])|(?<=\.)"(?:[^"\\]|\\.)*")+) )""",
    re.VERBOSE,
)


class Token(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["quoted", "operator", "mark", "word", "end"]
    text: str
    position: int


def tokens(query: str) -> list[Token]:
    """The words of a query, with an end. Raises QueryError for a quote that is never closed."""
    found: list[Token] = []
    position = 0
    while query[position:].strip():
        match = _TOKEN.match(query, position)
        start = len(query) - len(query[position:].lstrip())
        if match is None or match.lastgroup is None:
            raise QueryError(query, start, "this quote is never closed")
        kind = cast("Literal['quoted', 'operator', 'mark', 'word']", match.lastgroup)
        found.append(Token(kind=kind, text=match[kind], position=match.start(kind)))
        position = match.end()
    return [*found, Token(kind="end", text="", position=len(query))]


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])


# Tokens to a query


def parse(query: str) -> Query:
    """The query that the text means; the empty text matches every record. Raises QueryError."""
    if not query.strip():
        return All()
    return _Parser(query).whole()


def parse_over(query: str, columns: Collection[str]) -> Query:
    """The same over the columns of a table, whose names may stand in quotes. Raises QueryError."""
    if not query.strip():
        return All()
    return _Parser(query, columns).whole()


def columns_of(query: str) -> list[str]:
    """The columns that a query asks for, whatever they are. Raises QueryError."""
    return list(dict.fromkeys(test.field.path[0] for test in tests_of(parse_over(query, _AnyColumn()))))


class _AnyColumn(Collection[str]):
    def __contains__(self, _: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def tests_of(query: Query) -> Iterator[Compare | In | Exists]:
    """Every test in a query, from the left."""
    match query:
        case Compare() | In() | Exists():
            yield query
        case Not():
            yield from tests_of(query.part)
        case All() | Any_():
            for part in query.parts:
                yield from tests_of(part)


def parse_field(text: str) -> Field:
    """The field that a text names, alone. Raises QueryError."""
    test = parse(f"{text} exists")
    if not isinstance(test, Exists):
        raise QueryError(text, 0, "expected the name of one field")
    return test.field


class _Parser:
    """Recursive descent, a method a rule of the grammar above; over the columns of a table, or over the record."""

    def __init__(self, query: str, columns: Collection[str] | None = None) -> None:
        self.query = query
        self.columns = columns
        self.tokens = tokens(query)
        self.at = 0
        self.depth = 0

    def whole(self) -> Query:
        found = self.either()
        if self.next.kind != "end":
            raise self.fault(f"expected `and`, `or` or the end, found {self.next.text!r}")
        return found

    def either(self) -> Query:
        return self.joined("or", self.every, lambda parts: Any_(parts=parts))

    def every(self) -> Query:
        return self.joined("and", self.condition, lambda parts: All(parts=parts))

    def joined(self, word: str, part: Callable[[], Query], join: Callable[[tuple[Query, ...]], Query]) -> Query:
        parts = [part()]
        while self.took(word):
            parts.append(part())
        return parts[0] if len(parts) == 1 else join(tuple(parts))

    def condition(self) -> Query:
        if self.depth > DEEPEST:
            raise self.fault(f"found more than {DEEPEST} brackets and `not` within each other")
        self.depth += 1
        found = self.within()
        self.depth -= 1
        return found

    def within(self) -> Query:
        if self.took("not"):
            return Not(part=self.condition())
        if self.took("("):
            inner = self.either()
            self.must(")")
            return inner
        return self.test(self.field())

    def test(self, field: Field) -> Query:
        if self.took("exists"):
            return Exists(field=field)
        if self.took("missing"):
            return Not(part=Exists(field=field))
        if self.took("not"):
            self.must("in")
            # What a record lacks is not unequal either.
            return All(parts=(Exists(field=field), Not(part=In(field=field, values=self.values(field)))))
        if self.took("in"):
            return In(field=field, values=self.values(field))
        operator = self.operator(field)
        value = self.value(regular=True) if operator in ("~", "!~") else self.fitting(field)
        return Compare(field=field, operator=operator, value=value)

    def operator(self, field: Field) -> Operator:
        if self.next.kind != "operator":
            found = repr(self.next.text) if self.next.text else "the end"
            raise self.fault(
                f"expected an operator after {field}, found {found}",
                hint=f"for instance `{field} = VALUE`, `{field} exists`; there are = != < <= > >= ~ in exists missing",
            )
        text = self.take().text
        return cast("Operator", "=" if text == "==" else text)

    def values(self, field: Field) -> tuple[Value, ...]:
        self.must("(")
        found = [self.fitting(field)]
        while self.took(","):
            found.append(self.fitting(field))
        self.must(")")
        return tuple(found)

    def fitting(self, field: Field) -> Value:
        """A value that the field can have: what could never match is a mistake, and no empty answer."""
        token = self.next
        value = self.value()
        expected = _unfit(field.path, value) if self.columns is None else None
        if expected:
            raise self.fault(f"{field} is never {value.text!r}", at=token, hint=expected)
        begins = self.columns is None and field.path[0] in DIGESTED and is_digits(value.text)
        return msgspec.structs.replace(value, begins=True) if begins else value

    def value(self, *, regular: bool = False) -> Value:
        if self.next.kind not in ("word", "quoted"):
            raise self.fault("expected a value", hint='text with spaces or signs stands in quotes: name = "a b"')
        token = self.take()
        if regular:
            self.check_regular(token)
        if token.kind == "quoted":
            return read_value(_unquoted(token.text), quoted=True)
        if token.text == "null":
            raise self.fault("nothing is equal to null", at=token, hint="ask `FIELD missing` or `FIELD exists`")
        return read_value(token.text)

    def check_regular(self, token: Token) -> None:
        text = _unquoted(token.text) if token.kind == "quoted" else token.text
        try:
            re.compile(text)
        except (re.error, RecursionError, OverflowError) as error:
            raise self.fault(f"not a regular expression ({error})", at=token) from None

    def field(self) -> Field:
        if self.columns is not None:
            return self.column(self.columns)
        if self.next.kind != "word":
            raise self.fault("expected a field", hint="for instance status, code.dirty, metrics.acc, config.lr")
        token = self.take()
        path = _split(token.text)
        path = (*ALIASES.get(path[0], (path[0],)), *path[1:])
        unknown = _unknown_part(path)
        if unknown:
            raise self.fault(f"unknown field {token.text!r}", at=token, hint=unknown)
        return Field(path=path, position=token.position)

    def column(self, columns: Collection[str]) -> Field:
        if self.next.kind not in ("word", "quoted"):
            raise self.fault("expected a column", hint="a name with blanks or signs stands in quotes: 'body mass' > 3")
        token = self.take()
        text = _unquoted(token.text) if token.kind == "quoted" else token.text
        path = (text,) if text in columns or token.kind == "quoted" else _split(text)
        if path[0] not in columns:
            near = difflib.get_close_matches(text, columns, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(columns)}"
            raise self.fault(f"unknown column {text!r}", at=token, hint=hint)
        return Field(path=path, position=token.position)

    # What the rules are written with

    @property
    def next(self) -> Token:
        return self.tokens[self.at]

    @property
    def before(self) -> str:
        return self.tokens[self.at - 1].text

    def take(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def took(self, text: str) -> bool:
        if self.next.kind in ("word", "mark") and self.next.text == text:
            self.at += 1
            return True
        return False

    def must(self, text: str) -> None:
        if not self.took(text):
            raise self.fault(f"expected {text!r}")

    def fault(self, message: str, *, at: Token | None = None, hint: str | None = None) -> QueryError:
        return QueryError(self.query, (at or self.next).position, message, hint=hint)


def _split(text: str) -> tuple[str, ...]:
    """The parts of a dotted name; a part in double quotes may hold dots and blanks."""
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"|([^."]+)', text)
    return tuple(re.sub(r"\\(.)", r"\1", quoted) if quoted else plain for quoted, plain in parts) or (text,)


# Values: what the record's structs allow

TIMES = ("created", "started", "ended", "as_of")
"""Fields that are times."""


def _unfit(path: Sequence[str], value: Value) -> str | None:
    """What was expected, when a field of the record can never have the value; nothing for what is anybody's."""
    if len(path) == 1 and path[0] in TIMES:
        return None if value.span else "expected a time in UTC: 2026-11-21, 2026-11-21T06:40 or 2026-11-21T06:40:29"
    kinds = _scalar_kinds(path)
    words = [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]
    if words and len(words) >= len(kinds):
        return None if value.text in words else f"expected one of {', '.join(map(str, words))}"
    if kinds == {bool}:
        return None if value.flag is not None else "expected true or false"
    if kinds and kinds <= {int, float}:
        return None if value.number is not None else "expected a number, for instance 1, 0.5, 2h or 10MiB"
    return None


def _scalar_kinds(path: Sequence[str]) -> set[Any]:
    """The types of a field's values, but for nothing; none where names are anybody's."""
    kind: Any = Record
    for name in path:
        if not _is_struct(kind) or name not in _names(kind):
            return set()
        kind = _names(kind)[name]
    kinds = {kind} if get_origin(kind) is Literal else set(get_args(kind)) or {kind}
    return kinds - {type(None)}


# Names: what the record's structs know


def _unknown_part(path: Sequence[str]) -> str | None:
    """A hint when a struct has no such name; names below free mappings and lists are anybody's."""
    kind: Any = Record
    if tuple(path) == (TEXT,):
        return None
    for depth, name in enumerate(path):
        if not _is_struct(kind):
            return None
        names = _names(kind)
        if name not in names:
            if _free(kind):
                return None
            return _nearest(path[:depth], name, names)
        kind = names[name]
    return None


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _free(kind: type) -> bool:
    """Whether names that the struct does not have are looked up in one of its mappings: `config.lr`."""
    return kind.__name__ in _INNER


_INNER: dict[str, str] = {"Configuration": "values"}


def _nearest(before: Sequence[str], name: str, names: Mapping[str, Any]) -> str:
    if not before:
        return _nearest_of_all(name, names)
    known = list(names)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    dotted = ".".join((*before, near[0])) if near else ""
    return f"did you mean {dotted}?" if near else f"known: {', '.join(known)}"


def _nearest_of_all(name: str, names: Mapping[str, Any]) -> str:
    """A hint for a first name: whoever writes `lr` means a parameter, a metric or a field of the project."""
    near = [_MEANT[name]] if name in _MEANT else difflib.get_close_matches(name, [*names, *ALIASES], n=1, cutoff=0.75)
    if near:
        return f"did you mean {near[0]}?"
    return (
        f"a metric is metrics.{name}, a parameter config.{name}, a field of the project ext.{name}; see docs/query.md"
    )


_MEANT = {
    "took": "duration",
    "time": "duration",
    "finished": "ended",
    "loss": "metrics.loss",
    "exit": "exit_code",
    "script": "command",
}
"""What people call some fields, where the spelling does not lead there."""


@lru_cache
def _names(kind: type) -> dict[str, Any]:
    """The fields of a struct, with their types, optional ones as the type that they have when they are there."""
    return {name: _present(hint) for name, hint in get_type_hints(kind).items() if not name.startswith("_")}


def _present(hint: Any) -> Any:
    if get_origin(hint) is None or get_origin(hint) in (list, dict):
        return hint
    structs = [part for part in get_args(hint) if _is_struct(part)]
    return structs[0] if structs else hint
