"""Words that pin data: `--data train=cifar@2.1.0`, the variable `WHENCE_DATA_TRAIN` and `{data.train}` in a command."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from ..errors import UsageError
from ..ids import is_id
from .versions import NEWEST, read_version

VARIABLE = "WHENCE_DATA_"
"""What the variables begin with that say where pinned data lie."""

# Compiled by `re` when first used: most runs pin nothing.
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_PLACE = r"\{data\.([^{}]*)\}"


class Pin(msgspec.Struct, frozen=True):
    """Data that a run asks for by version."""

    name: str
    """What the run calls them."""
    reference: str
    """`cifar@2.1.0`, `cifar` for its current release, `cifar@newest` for its newest version."""

    def __str__(self) -> str:
        return self.reference if self.name == self.reference.partition("@")[0] else f"{self.name}={self.reference}"


def read_pin(word: str) -> Pin:
    """`NAME=DATASET@VERSION`; without `NAME=` it is called as the dataset. Raises UsageError."""
    before, equals, after = word.partition("=")
    name, reference = (before, after) if equals else (word.partition("@")[0], word)
    if not reference or not re.fullmatch(_NAME, name) or (not equals and is_id(name)):
        raise UsageError(
            f"data {word!r}: expected NAME=DATASET@VERSION, the name of letters, digits, `.`, `_` and `-`",
            hint="for instance train=cifar@2.1.0",
        )
    return Pin(name, reference)


def read_pins(words: Sequence[str]) -> list[Pin]:
    """Each word's. Raises UsageError, also for two pins of one name or one variable: neither may hide the other."""
    pins = [read_pin(word) for word in words]
    seen: dict[str, Pin] = {}
    for pin in pins:
        other = seen.setdefault(variable(pin.name), pin)
        if other is not pin:
            raise UsageError(
                f"data {pin}: found {other} before it, with the same name or variable {variable(pin.name)}",
                hint="give each a name of its own: NAME=DATASET@VERSION",
            )
    return pins


def reference_of(name: str, dataset: str | None, version: object) -> str | None:
    """`dataset@version` of what Python code says; nothing where it names no dataset. A version that says of which
    dataset it is (`Dataset.versions()`) is that one's. Raises UsageError."""
    of = [getattr(version, field, None) for field in ("id", "name", "version")]
    if all(isinstance(word, str) for word in of):
        if dataset not in (None, *of[:2]):
            raise UsageError(
                f"data {name!r}: found {of[1]}@{of[2]} as a version of {dataset}, expected one of {dataset}",
                hint=f"`store.dataset({dataset!r}).versions()` gives those",
            )
        return f"{of[0]}@{of[2]}"
    if dataset is None:
        if version is not None:
            raise UsageError(
                f"data {name!r}: found version {version!s}, and no dataset",
                hint="for instance data('train', 'cifar', '2.1.0')",
            )
        return None
    if version is None:
        return dataset
    if "@" in dataset:
        raise UsageError(f"data {name!r}: found a version in {dataset!r}, and {version!r}; expected one of them")
    if isinstance(version, str) and (version == NEWEST or version.startswith("sha256:")):
        return f"{dataset}@{version}"
    return f"{dataset}@{read_version(version)}"


def variable(name: str) -> str:
    """The environment variable that says where data of this name lie."""
    return VARIABLE + re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def check_places(argv: Sequence[str], pins: Sequence[Pin]) -> None:
    """Raises UsageError for a `{data.NAME}` in a command that pins data, but none of this name."""
    names = {pin.name for pin in pins}
    for word in argv if pins else ():
        for name in re.findall(_PLACE, word):
            if name not in names:
                raise UsageError(
                    f"found {{data.{name}}} in the command, and no --data of this name",
                    hint=f"expected one of {', '.join(sorted(names))}",
                )


def with_places(argv: Sequence[str], folders: Mapping[str, str]) -> list[str]:
    """The command with folders in place of `{data.NAME}`; what is no pinned name stays as it is."""
    return [re.sub(_PLACE, lambda found: folders.get(found[1], found[0]), word) for word in argv]
