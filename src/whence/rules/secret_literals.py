"""Literals in the text of a program that look like secrets: what keeps an untracked source file out of the snapshot.

A name that says secret is not enough, since leaving out the code that ran costs more than a variable called `token`:
its value must be a literal of substance. No such literal is a short word, a reference, a call, a path, a name of a
secret (`api_key="OPENAI_API_KEY"`), or an example that waits to be filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .secret_files import SOURCES
from .secret_forms import AFTER_SCHEME, ASSIGNED_VALUE, ASSIGNMENT, AUTHORIZATION, HINTS, OPTION, SCHEMES, compiled
from .secret_names import is_secret_text, looks_random, weigh

_NAME = (
    r"(?<![\w.-])([\w.-]{1,100})(?:\\?[\"'])?[ \t]{0,3}\]?[ \t]{0,3}"  # name, "name", x["name"]
    r"(?::[ \t]{0,3}[\w.\[\], |]{1,60}=|<<?-|:=|=>|=(?!=)|:)"  # name: str =, R's name <-
    r"[\s(\\]{0,80}"  # on the next line, in parentheses
)
_QUOTED = (
    r"(?:(?<![\w\\])[rRbBuU]{1,2})?"
    r"(\\\"(?:[^\"\\]|\\[^\"])*\\\"|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
)
_QUOTED_VALUE = _NAME + _QUOTED
_FIRST_OF_LIST = _NAME + r"\[\s{0,80}" + _QUOTED
_EXAMPLE = (
    r"(?i)change.?me|your[-_]|example|placeholder|dummy|fake|redacted|insert[-_]|replace[-_]|todo|x{4}|\*{3}|\.{3}"
)


def holds_literal(base: str, text: str, listed: Callable[[str], bool]) -> bool:
    """Whether a secret is written out in a file of that name; `listed` tells the names that the project adds."""
    if "://" in text and any(_is_login(match[0][:-1]) for match in compiled(AFTER_SCHEME).finditer(text)):
        return True
    lowered = text.lower()
    is_source = base.endswith(SOURCES)
    if "authorization" in lowered and any(_is_header(m, is_source) for m in compiled(AUTHORIZATION).finditer(text)):
        return True
    if any(hint in lowered for hint in HINTS) or "tok" in lowered:
        if any(_is_secret(m[1], unquoted(m[2])[1], listed) for m in _quoted_values(text)):
            return True
        # A shell needs no quotes; in a program what has none is an expression.
        return not is_source and _holds_bare(text, listed)
    return any(listed(m[1]) and is_literal(unquoted(m[2])[1]) for m in _quoted_values(text))


def _is_header(match: re.Match[str], is_source: bool) -> bool:
    """Whether a header in a text, `Authorization: Bearer …`, has its scheme and a value; programs, and what documents
    them, show such headers, so only random characters count there."""
    scheme, value = compiled(r"\w+(?=\s+$)").search(match[1]), match[2]
    if scheme is None or scheme[0].lower() not in SCHEMES or not is_literal(value):
        return False
    return looks_random(value) or (not is_source and any(map(str.isdigit, value)))


def _quoted_values(text: str) -> Iterator[re.Match[str]]:
    yield from compiled(_QUOTED_VALUE).finditer(text)
    yield from compiled(_FIRST_OF_LIST).finditer(text)


def _holds_bare(text: str, listed: Callable[[str], bool]) -> bool:
    for match in compiled(ASSIGNMENT).finditer(text):
        if weigh(match[1]) in ("strong", "weak") or listed(match[1]):
            value = compiled(ASSIGNED_VALUE).match(text, match.end())
            if value is not None and _is_secret(match[1], unquoted(value[0])[1], listed):
                return True
    options = compiled(OPTION).finditer(text) if "--" in text else ()
    return any(_is_secret(match[1].lstrip("-"), unquoted(match[3])[1], listed) for match in options)


def _is_secret(name: str, value: str, listed: Callable[[str], bool]) -> bool:
    if name.lower().endswith("authorization"):
        scheme, _, value = value.rpartition(" ")
        return scheme.lower() in SCHEMES and is_literal(value)
    weight = "strong" if listed(name) else weigh(name)
    if weight == "strong":
        return is_secret_text(value, weight) and is_literal(value)
    # `token` and `tok` are words of a text as often: only random characters count there.
    return (weight == "weak" or name.lower().endswith("tok")) and looks_random(value) and is_literal(value)


def _is_login(userinfo: str) -> bool:
    _, colon, password = userinfo.partition(":")
    return colon == ":" and is_literal(password)


def is_literal(value: str) -> bool:
    """Whether a value is one of substance."""
    if not is_distinctive(value) or compiled(r"[$`<>(){}\s]|^[~./]").search(value) or _is_name(value):
        return False
    return not compiled(_EXAMPLE).search(value)


def _is_name(value: str) -> bool:
    """Whether a value names a secret instead of being one."""
    return compiled(r"[A-Za-z_.-]+").fullmatch(value) is not None and weigh(value) != "no"


def is_distinctive(value: str) -> bool:
    """Whether a value is long and odd enough to be replaced wherever it stands."""
    return len(value) >= 16 or (len(value) >= 8 and any(not c.isalpha() for c in value))


def unquoted(value: str) -> tuple[str, str, str]:
    """(opening quote, what is inside, closing quote)."""
    for quote in ('\\"', '"', "'"):
        if value.startswith(quote) and value.endswith(quote) and len(value) >= 2 * len(quote):
            return quote, value[len(quote) : -len(quote)], quote
    return "", value, ""
