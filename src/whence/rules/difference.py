"""What two or more runs have otherwise than each other, part by part.

A fact that one of them does not tell is neither the same nor another: it is listed as unknown, with the reason. What
was only observed, and is missing in a run of which not everything was seen, is unknown as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from msgspec.structs import replace

from ..records.comparison import Comparison, Differing, Part, PartName, Side, Undecided
from ..records.configuration import Origin
from ..records.record import Record
from .facts import Fact, Facts
from .not_compared import names_above
from .plain import as_mapping
from .run_facts import FACTS

PARTS: tuple[PartName, ...] = tuple(FACTS)
"""In the order in which a reviewer asks."""


def compare(records: Sequence[Record], parts: Iterable[PartName] = PARTS) -> Comparison:
    """What differs between the records, which are at least two; in the parts that are asked for."""
    asked = set(parts)
    compared: dict[PartName, Part] = {part: compare_part(part, records) for part in PARTS if part in asked}
    return Comparison(runs=[side_of(record) for record in records], same=_same(compared.values()), parts=compared)


def _same(parts: Iterable[Part]) -> bool | None:
    states = {part.state for part in parts}
    return False if "differs" in states else None if "unknown" in states else True


def side_of(record: Record) -> Side:
    code = record.code
    return Side(
        id=record.id,
        name=record.name,
        status=record.status,
        command=record.command,
        created=record.created,
        started=record.started,
        commit=code.commit if code else None,
        dirty=code.dirty if code else None,
        rerun_of=record.rerun_of,
        relation=record.relation,
    )


def compare_part(part: PartName, records: Sequence[Record]) -> Part:
    """One part of the records."""
    told = [FACTS[part](record) for record in records]
    if part == "code":
        told = _with_trees(told, records)
    if part == "environment":
        told = _without_empty_lists(told)
    return _compare(told, one_key=len({_owner(record) for record in records}) == 1)


def _owner(record: Record) -> tuple[str | None, str | None]:
    return record.user and record.user.name, record.host and record.host.name


def _with_trees(told: list[Facts], records: Sequence[Record]) -> list[Facts]:
    """Where a code id is not known, the trees decide: of the same bytes the program is the same."""
    if not any("code.id" in one.unknown for one in told):
        return told
    trees = [record.code.tree if record.code else None for record in records]
    if None in trees:
        return told
    same = len(set(trees)) == 1
    return [
        replace(
            one,
            known={**one.known, "code.tree": Fact(value=tree)},
            unknown={name: because for name, because in one.unknown.items() if not (same and name == "code.id")},
        )
        for one, tree in zip(told, trees, strict=True)
    ]


def _without_empty_lists(told: list[Facts]) -> list[Facts]:
    """Of one fingerprint the packages are the same, listed or not."""
    fingerprints = [one.known.get(_FINGERPRINT) for one in told]
    if None in fingerprints or len({str(one and one.value) for one in fingerprints}) > 1:
        return told
    return [replace(one, unknown={name: why for name, why in one.unknown.items() if name != _PACKAGES}) for one in told]


_FINGERPRINT, _PACKAGES = "environment.fingerprint", "environment.packages"


def _compare(told: Sequence[Facts], *, one_key: bool) -> Part:
    names: dict[str, None] = {}
    for one in told:
        names |= dict.fromkeys((*one.known, *one.unknown))
    same, differs, unknown = 0, list[Differing](), _gaps(told)
    for name in _ordered(names, told):
        because = [_because(one, name, told) for one in told]
        found = [one.known.get(name) for one in told]
        if any(because):
            unknown += _undecided(name, because, told)
        elif _alike(found):
            same += 1
        elif not one_key and sum(fact is not None and "keyed:" in str(fact.value) for fact in found) > 1:
            unknown.append(Undecided(what=name, because=[_KEYED for _ in told]))
        else:
            differs.append(_differing(name, found))
    state = "differs" if differs else "unknown" if unknown else "same"
    return Part(state=state, same=same, differs=differs, unknown=unknown)


_KEYED = "only a hash under its user's key is known"


def _ordered(names: Iterable[str], told: Sequence[Facts]) -> list[str]:
    """As the facts come, group by group; by name in a group. The same whichever run comes first."""
    groups: dict[str, int] = {}
    for group in sorted({_group(name) for one in told for name in one.known}, key=lambda group: _rank(group, told)):
        groups[group] = len(groups)
    return sorted(names, key=lambda name: (groups.get(_group(name), len(groups)), name))


def _rank(group: str, told: Sequence[Facts]) -> tuple[int, str]:
    """Where a group stands at the earliest."""
    orders = (dict.fromkeys(_group(name) for name in one.known) for one in told)
    return min(list(order).index(group) for order in orders if group in order), group


def _group(name: str) -> str:
    """The first two words of a dotted name."""
    return ".".join(name.split(".", 2)[:2]) if name.startswith(_DEEP) else name.partition(".")[0]


_DEEP = ("code.", "config.", "environment.")


_TOLD_OF_DATA = "config.files"
"""More of these may have been read than was seen: the gap of `inputs` says that already."""


def _gaps(told: Sequence[Facts]) -> list[Undecided]:
    names = sorted({name for one in told for name in one.gaps} - {_TOLD_OF_DATA})
    return [Undecided(what=name, because=[one.gaps.get(name) for one in told]) for name in names]


def _because(one: Facts, name: str, told: Sequence[Facts]) -> str | None:
    """Why a run does not tell this; nothing where it does, or certainly has none."""
    if name in one.known and name not in one.unknown:
        return None
    for above in names_above(name):
        if above in one.unknown:
            return one.unknown[above]
    if not any(other.known[name].seen for other in told if name in other.known):
        return None
    return next((one.gaps[above] for above in names_above(name) if above in one.gaps), None)


def _undecided(name: str, because: list[str | None], told: Sequence[Facts]) -> list[Undecided]:
    """What lies below a name that is unknown itself goes without saying."""
    above = set(names_above(name)[1:])
    if any(above & one.unknown.keys() for one in told):
        return []
    return [Undecided(what=name, because=because)]


def _alike(found: Sequence[Fact | None]) -> bool:
    first = found[0]
    return first is not None and all(other is not None and _equal(other.value, first.value) for other in found[1:])


def _equal(one: Any, other: Any) -> bool:
    """As JSON has it: true is not 1, and 1.0 is 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        left, right = cast("dict[str, Any]", one), cast("dict[str, Any]", other)
        return left.keys() == right.keys() and all(_equal(value, right[key]) for key, value in left.items())
    if isinstance(one, list) and isinstance(other, list):
        pair = cast("list[Any]", one), cast("list[Any]", other)
        return len(pair[0]) == len(pair[1]) and all(map(_equal, *pair))
    return one == other


def _differing(name: str, found: list[Fact | None]) -> Differing:
    values = [None if fact is None else fact.value for fact in found]
    origins: list[Origin | None] = [None if fact is None else fact.origin for fact in found]
    imported = [None if fact is None else fact.imported for fact in found]
    return Differing(
        what=name,
        change=_change(found),
        values=values,
        absent=[position for position, fact in enumerate(found) if fact is None],
        origins=origins if any(origins) else [],
        relative=_relative(values) if name.startswith("metrics.") and len(values) == 2 else None,
        imported=imported if any(one is not None for one in imported) else [],
    )


def _change(found: list[Fact | None]) -> Any:
    match found:
        case [None, _]:
            return "added"
        case [_, None]:
            return "removed"
        case [_, _]:
            return "changed"
        case _:
            return "varies"


def _relative(values: list[Any]) -> float | None:
    """Of the last values: the second less the first, by the size of the first; nothing where that is no number."""
    first, second = (as_mapping(value).get("last") for value in values)
    if not isinstance(first, int | float) or not isinstance(second, int | float) or first == 0:
        return None
    return (second - first) / abs(first)
