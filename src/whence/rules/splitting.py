"""Splits: which part each element of a dataset is in (docs/format.md, section 10, `whence-split/1`).

What stands here decides the members of versions that exist: it never changes. Another way to split is another
algorithm, with another name, beside this one. Elements are put into an order by SHA-256, and all counting is exact.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

import msgspec

from ..digests import sha256
from ..errors import UsageError
from ..records.derivation import REST, PartTake

ALGORITHM = "whence-split/1"

_COUNT = re.compile(r"\d{1,18}", re.ASCII)
_DECIMAL = re.compile(r"\d{0,18}\.\d{1,18}|\d{1,18}\.|\d{1,18}/\d{1,18}", re.ASCII)
_PER_CENT = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)%", re.ASCII)


class Element(msgspec.Struct, frozen=True):
    """One of what is divided. `identity` tells it from all others; strata and groups are told apart by their bytes."""

    identity: bytes
    stratum: bytes = b""
    group: bytes | None = None


def read_take(part: str, text: str) -> int | Fraction | None:
    """How much a part takes: a count, a fraction, or nothing for the rest. Raises UsageError."""
    if text == REST:
        return None
    take = _number(text)
    if take is None:
        hint = "for instance 0.8, 80%, 4/5 or 1000; without a number it takes the rest"
        raise UsageError(f"part {part}: found {text!r}, expected a fraction or a count", hint=hint)
    if take == 0:
        raise UsageError(f"part {part}: found {text}, expected more than nothing")
    if isinstance(take, Fraction) and take > 1:
        raise UsageError(f"part {part}: found {text}, expected a fraction up to 1, or a whole number of elements")
    return take


def _number(text: str) -> int | Fraction | None:
    if _COUNT.fullmatch(text):
        return int(text)
    if match := _PER_CENT.fullmatch(text):
        return Fraction(match[1]) / 100
    if _DECIMAL.fullmatch(text) and not re.search(r"/0+$", text):
        return Fraction(text if "/" in text else f"0{text}0")
    return None


def order_key(seed: int, identity: bytes) -> bytes:
    """What elements are ordered by: SHA-256 of the algorithm, the seed and the identity, a zero byte between them."""
    return sha256(b"\0".join((ALGORITHM.encode(), b"%d" % seed, identity))).digest()


def part_sizes(parts: Sequence[PartTake], total: int) -> list[int]:
    """Elements of each part, and at the end of those that no part takes.

    A fraction is of all elements. What it gives is rounded by the largest remainder: each quota is rounded down, and
    what is left over goes one by one to the largest remainders, of equal ones to the part that is named first. Raises
    UsageError when the parts take more than there is, or a part would be empty.
    """
    takes = [read_take(part.name, part.take) for part in parts]
    quotas = [Fraction(0) if take is None else take * total if isinstance(take, Fraction) else take for take in takes]
    given = sum(quotas, Fraction(0))
    if given > total:
        raise UsageError(f"the parts take {_shown(given)} of {total} elements", hint="fractions are of all elements")
    rest = takes.index(None) if None in takes else len(takes)
    quotas = [*quotas, Fraction(0)]
    quotas[rest] = total - given
    sizes = [int(quota) for quota in quotas]
    larger = sorted(range(len(quotas)), key=lambda at: (sizes[at] - quotas[at], at))
    for at in larger[: total - sum(sizes)]:
        sizes[at] += 1
    for part, size in zip(parts, sizes, strict=False):
        if size == 0:
            raise UsageError(f"part {part.name}: {part.take} of {total} elements is none, expected at least one")
    return sizes


def _shown(number: Fraction | int) -> str:
    return str(number) if number.denominator == 1 else f"{float(number):g}"


def check_parts(parts: Sequence[PartTake]) -> None:
    """What can be said before the elements are known. Raises UsageError."""
    takes = {part.name: read_take(part.name, part.take) for part in parts}
    if not parts:
        raise UsageError("found no part, expected at least one", hint="for instance --into train=0.8 --into test=0.2")
    for name, count in Counter(part.name for part in parts).items():
        if count > 1:
            raise UsageError(f"part {name}: is named {count} times, expected once")
    open_ended = [name for name, take in takes.items() if take is None]
    if len(open_ended) > 1:
        raise UsageError(f"parts {' and '.join(open_ended)} have no number, expected one at most: it takes the rest")
    given = sum((take for take in takes.values() if isinstance(take, Fraction)), Fraction(0))
    if given > 1:
        raise UsageError(f"the fractions of the parts are {_shown(given)} together, expected 1 at most")


def split(elements: Sequence[Element], parts: Sequence[PartTake], seed: int) -> list[list[int]]:
    """For each part the positions of its elements, ascending. Raises UsageError."""
    sizes = part_sizes(parts, len(elements))
    grouped = any(element.group is not None for element in elements)
    chosen = _by_groups(elements, sizes, seed) if grouped else _by_elements(elements, sizes, seed)
    for part, members in zip(parts, chosen, strict=False):
        if not members:
            raise UsageError(
                f"part {part.name}: no group is left for it, expected at least one",
                hint="there are fewer groups than parts, or one of them is nearly everything",
            )
    return [sorted(members) for members in chosen[: len(parts)]]


def _by_elements(elements: Sequence[Element], sizes: Sequence[int], seed: int) -> list[list[int]]:
    """Of each stratum its share to each part, in the order of the elements' keys."""
    strata: dict[bytes, list[int]] = {}
    for at in sorted(range(len(elements)), key=lambda at: order_key(seed, elements[at].identity)):
        strata.setdefault(elements[at].stratum, []).append(at)
    chosen: list[list[int]] = [[] for _ in sizes]
    names = sorted(strata)
    for name, shares in zip(names, apportion([len(strata[name]) for name in names], sizes), strict=True):
        begin = 0
        for members, share in zip(chosen, shares, strict=True):
            members.extend(strata[name][begin : begin + share])
            begin += share
    return chosen


def apportion(strata: Sequence[int], sizes: Sequence[int]) -> list[list[int]]:
    """How many elements of each stratum each part has, when both add up to the same total.

    Every number is the stratum's share of the part, rounded down or up, and rows and columns add up exactly. Each share
    is rounded down; then, by the largest remainder (of equal ones the first stratum, then the first part), each goes
    up by one whose stratum and part both still lack something. Where that leaves a stratum with too few, a shortest
    path is searched that moves a rounding up from part to part, parts and strata being tried in their order.
    """
    total = sum(strata) or 1
    shares = [[count * size // total for size in sizes] for count in strata]
    remainders = {
        (row, column): left
        for row, count in enumerate(strata)
        for column, size in enumerate(sizes)
        if (left := count * size % total)
    }
    rows = [count - sum(share) for count, share in zip(strata, shares, strict=True)]
    columns = [size - sum(share[column] for share in shares) for column, size in enumerate(sizes)]
    up: set[tuple[int, int]] = set()
    for row, column in sorted(remainders, key=lambda cell: (-remainders[cell], cell)):
        if rows[row] and columns[column]:
            up.add((row, column))
            rows[row] -= 1
            columns[column] -= 1
    for row in range(len(rows)):
        for _ in range(rows[row]):
            columns[_move(row, columns, remainders, up)] -= 1
    for row, column in up:
        shares[row][column] += 1
    return shares


def _move(row: int, columns: Sequence[int], remainders: Mapping[tuple[int, int], int], up: set[tuple[int, int]]) -> int:
    """Give the stratum one more, moving others where they must; the part that has one more then."""
    reached: dict[int, tuple[int, int | None]] = {}
    waiting: list[tuple[int, int | None]] = [(row, None)]
    entered = {row}
    for at, came_by in waiting:
        for column in range(len(columns)):
            if (at, column) not in remainders or (at, column) in up or column in reached:
                continue
            reached[column] = (at, came_by)
            if columns[column]:
                _follow(column, reached, up)
                return column
            for other in sorted(other for other, there in up if there == column and other not in entered):
                entered.add(other)
                waiting.append((other, column))
    raise AssertionError("shares that add up can be rounded so that they still do")


def _follow(column: int, reached: Mapping[int, tuple[int, int | None]], up: set[tuple[int, int]]) -> None:
    step: int | None = column
    while step is not None:
        row, before = reached[step]
        up.add((row, step))
        if before is not None:
            up.discard((row, before))
        step = before


def _by_groups(elements: Sequence[Element], sizes: Sequence[int], seed: int) -> list[list[int]]:
    """Whole groups, the larger first, each to the part that lacks most of what it has.

    The order is by the number of bits of the group's size, descending, then by key. A part lacks of a stratum the share
    of it that it should have less the share that it has; what a group has is weighed by that.
    """
    groups: dict[bytes, list[int]] = {}
    for at, element in enumerate(elements):
        groups.setdefault(_group_identity(element), []).append(at)
    strata = Counter(element.stratum for element in elements)
    open_parts = [part for part, size in enumerate(sizes) if size]
    taken: list[Counter[bytes]] = [Counter() for _ in sizes]
    chosen: list[list[int]] = [[] for _ in sizes]
    for identity in sorted(groups, key=lambda one: (-len(groups[one]).bit_length(), order_key(seed, one))):
        has = Counter(elements[at].stratum for at in groups[identity])
        scores = {part: _lack(has, Fraction(sizes[part], len(elements)), taken[part], strata) for part in open_parts}
        best = max(open_parts, key=lambda part: (scores[part], -part))
        chosen[best].extend(groups[identity])
        taken[best].update(has)
    return chosen


def _group_identity(element: Element) -> bytes:
    """An element without a group is one of its own."""
    return b"element\0" + element.identity if element.group is None else b"group\0" + element.group


def _lack(
    has: Mapping[bytes, int], share: Fraction, taken: Mapping[bytes, int], strata: Mapping[bytes, int]
) -> Fraction:
    lacks = (count * (share - Fraction(taken.get(name, 0), strata[name])) for name, count in has.items())
    return sum(lacks, Fraction())
