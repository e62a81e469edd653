"""Versions of datasets: `2.1.0` is a release, `2.1.0.post1.dev3` the third change after it that is not released yet.

The form is that of PEP 440, of which only these two shapes are taken, each in one spelling, so that a version is read
back as it was written. Versions sort by time: a developing one comes after the release that it follows, and before any
later release.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, cast

import msgspec

from ..errors import UsageError

Level = Literal["patch", "minor", "major"]

NEWEST = "newest"
"""The word for the newest version of a dataset, released or not."""

EXAMPLE = "for instance 2.1.0, or 2.1.0.post1.dev3 for one that is not released"

MOST_SHOWN = 80
"""Characters of what is no version that an error repeats."""

_NUMBER = "(0|[1-9][0-9]{0,8})"
_ABOVE_ZERO = "([1-9][0-9]{0,8})"
_FORM = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:\.post{_ABOVE_ZERO}\.dev{_ABOVE_ZERO})?"


class Version(msgspec.Struct, frozen=True, order=True):
    """One version; `str` gives its text."""

    major: int
    minor: int
    patch: int
    post: int = 0
    dev: int = 0

    def __str__(self) -> str:
        release = f"{self.major}.{self.minor}.{self.patch}"
        return f"{release}.post{self.post}.dev{self.dev}" if self.developing else release

    @property
    def developing(self) -> bool:
        """Whether it is a change, and no release; a release that comes later may have its content."""
        return self.dev > 0

    @property
    def anchor(self) -> Version:
        """The release that a developing version follows; a release is its own."""
        return Version(self.major, self.minor, self.patch)


FIRST = Version(0, 1, 0)
"""What a new dataset is that a person makes."""

NOTHING = Version(0, 0, 0)
"""What the first change is made of where nothing was released: no dataset has this version."""


def read_version(given: object) -> Version:
    """The version that a text, a list or tuple of three whole numbers, or a version is. Raises UsageError."""
    match given_text(given):
        case Version() as version:
            return version
        case str() as text:
            return _of_text(text)
        case list() | tuple():
            return _of_numbers(cast("Sequence[object]", given))
        case _:
            raise _wrong(given)


def given_text(given: object) -> object:
    """What says its version, as a line of `Dataset.versions()` does, stands for it; else what was given."""
    text = getattr(given, "version", None)
    return text if isinstance(text, str) else given


def _of_text(text: str) -> Version:
    match = re.fullmatch(_FORM, text)
    if match is None:
        raise _wrong(text)
    return Version(*(int(number or 0) for number in match.groups()))


def _of_numbers(numbers: Sequence[object]) -> Version:
    # `True` is a whole number for Python, and none for a person.
    if len(numbers) != 3 or any(type(number) is not int or not 0 <= number < 10**9 for number in numbers):
        raise _wrong(list(numbers))
    return Version(*cast("Sequence[Any]", numbers))


def _wrong(given: object) -> UsageError:
    shown = repr(given)
    shown = shown if len(shown) <= MOST_SHOWN else f"{shown[:MOST_SHOWN]}…"
    return UsageError(f"version {shown}: expected three numbers, {EXAMPLE}", hint=_hint(given))


def _hint(given: object) -> str:
    if given in (None, "latest", "current", ""):
        return f"leave the version out to take the current release, or say @{NEWEST}; the record says which it was"
    if isinstance(given, str) and re.fullmatch(_FORM, given.strip().removeprefix("v")):
        return f"did you mean {given.strip().removeprefix('v')}?"
    return "`whence data log NAME` lists the versions"


def role_of(version: Version) -> str:
    """What a version is that was taken although none was named."""
    return "the newest version, which is not released" if version.developing else "the current release"


def after_change(head: Version) -> Version:
    """The developing version that a change of `head` makes."""
    return msgspec.structs.replace(head, post=head.post or 1, dev=head.dev + 1)


def after_release(head: Version, level: Level) -> Version:
    """The release that comes of `head`."""
    match level:
        case "patch":
            return Version(head.major, head.minor, head.patch + 1)
        case "minor":
            return Version(head.major, head.minor + 1, 0)
        case "major":
            return Version(head.major + 1, 0, 0)
