"""Versions of software in order: `2.3.1+cu121` comes before `2.4.0rc1`, and that before `2.4`.

The order is that of PEP 440: developing releases, alphas, betas and candidates come before the release, posts after it,
and zeros at the end say nothing. What follows a `+` counts only against a version that has it, too.
"""

from __future__ import annotations

import re

import msgspec

_FORM = re.compile(
    r"(?P<release>\d+(?:\.\d+)*)(?:[-_.]?(?P<stage>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<number>\d*))?"
    r"(?:[-_.]?post[-_.]?(?P<post>\d*))?(?:[-_.]?dev[-_.]?(?P<dev>\d*))?(?:\+(?P<local>[\w.-]+))?",
    re.ASCII,
)
_STAGES = {"a": 0, "alpha": 0, "b": 1, "beta": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}
_FINAL = 3
_LONGEST = 200
"""Characters of a version; what is longer is a text. Python refuses to read integers of some thousand digits."""


class Release(msgspec.Struct, frozen=True):
    """A version, taken apart."""

    key: tuple[tuple[int, ...], tuple[int, int], int, float]
    """What is compared: numbers, stage, post, dev."""
    local: str | None

    def order(self, other: Release) -> int:
        """-1, 0 or 1: before, as, after."""
        if self.key != other.key or other.local is None:
            return (self.key > other.key) - (self.key < other.key)
        own = self.local or ""
        return (own > other.local) - (own < other.local)


def read_release(text: str) -> Release | None:
    """The version that a text is; nothing for what is none. A whole number is one, too."""
    match = _FORM.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        return None
    post = -1 if match["post"] is None else int(match["post"] or 0)
    dev = float("inf") if match["dev"] is None else int(match["dev"] or 0)
    stage = (_STAGES[match["stage"]], int(match["number"] or 0)) if match["stage"] else (_FINAL, 0)
    if match["stage"] is None and match["dev"] is not None and post < 0:
        stage = (-1, 0)  # 2.4.dev1 comes before 2.4a1.
    return Release((_numbers(match["release"]), stage, post, dev), match["local"])


def _numbers(release: str) -> tuple[int, ...]:
    numbers = [int(part) for part in release.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
