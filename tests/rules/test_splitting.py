"""Splits: exact sizes, the same members for ever, no group and no stratum torn apart."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import UsageError
from whence.records.derivation import REST, PartTake
from whence.rules.splitting import Element, apportion, check_parts, order_key, part_sizes, split


def parts(**takes: str) -> list[PartTake]:
    return [PartTake(name=name, take=take) for name, take in takes.items()]


def elements(count: int, stratum: str = "", group: str | None = None) -> list[Element]:
    """`stratum` and `group` say what an element has: a letter for each, over and over."""
    return [
        Element(
            b"%d.png" % at,
            stratum[at % len(stratum)].encode() if stratum else b"",
            group[at % len(group)].encode() if group else None,
        )
        for at in range(count)
    ]


SIZES = {
    "fractions": (parts(train="0.8", test="0.2"), 10, [8, 2, 0]),
    "counts": (parts(train="7", test="2"), 10, [7, 2, 1]),
    "a count and a fraction of all": (parts(train="0.5", test="2"), 10, [5, 2, 3]),
    "a complement": (parts(train=REST, test="0.2"), 11, [9, 2, 0]),
    "a complement beside a count": (parts(test="3", train=REST), 10, [3, 7, 0]),
    "three ways": (parts(train="0.6", val="0.2", test="0.2"), 7, [4, 2, 1, 0]),
    "thirds": (parts(a="1/3", b="1/3", c="1/3"), 10, [4, 3, 3, 0]),
    "the largest remainder": (parts(a="0.15", b="0.85"), 9, [1, 8, 0]),
    "equal remainders to the first": (parts(a="0.5", b="0.5"), 9, [5, 4, 0]),
    "what nobody takes is rounded like a part": (parts(a="0.25", b="0.25"), 6, [2, 1, 3]),
    "per cent": (parts(a="12.5%"), 8, [1, 7]),
    "everything": (parts(a="1.0"), 3, [3, 0]),
    "one element": (parts(a="1"), 3, [1, 2]),
    "five ways": (parts(a="0.2", b="0.2", c="0.2", d="0.2", e="0.2"), 12, [3, 3, 2, 2, 2, 0]),
}


@pytest.mark.scenario("E1")
@pytest.mark.parametrize("case", SIZES)
def test_parts_have_exactly_the_sizes_that_were_asked_for(case: str) -> None:
    takes, total, sizes = SIZES[case]
    check_parts(takes)
    assert part_sizes(takes, total) == sizes


REFUSED = {
    "nothing": (parts(a="0"), "part a: found 0, expected more than nothing"),
    "a fraction of nothing": (parts(a="0.0"), "part a: found 0.0, expected more than nothing"),
    "less than nothing": (parts(a="-0.2"), "part a: found '-0.2', expected a fraction or a count"),
    "a fraction above one": (
        parts(a="1.5"),
        "part a: found 1.5, expected a fraction up to 1, or a whole number of elements",
    ),
    "no number": (parts(a="half"), "part a: found 'half', expected a fraction or a count"),
    "not a number": (parts(a="nan"), "part a: found 'nan', expected a fraction or a count"),
    "a division by zero": (parts(a="1/0"), "part a: found '1/0', expected a fraction or a count"),
    "digits of another script": (parts(a="٣"), "part a: found '٣', expected a fraction or a count"),
    "fractions above one together": (
        parts(a="0.8", b="0.3"),
        "the fractions of the parts are 1.1 together, expected 1 at most",
    ),
    "two complements": (
        parts(a=REST, b=REST),
        "parts a and b have no number, expected one at most: it takes the rest",
    ),
    "no part": ([], "found no part, expected at least one"),
    "a part twice": ([*parts(a="1"), *parts(a="2")], "part a: is named 2 times, expected once"),
}


@pytest.mark.scenario("E1")
@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_divided_so_is_refused_before_anything_is_read(case: str) -> None:
    takes, message = REFUSED[case]
    with pytest.raises(UsageError) as refused:
        check_parts(takes)
    assert refused.value.message == message


TOO_MUCH = {
    "more than there is": (parts(a="7", b="0.5"), "the parts take 12 of 10 elements"),
    "half an element too much": (parts(a="0.55", b="5"), "the parts take 10.5 of 10 elements"),
    "so little that nothing is left": (
        parts(a="0.01", b="0.99"),
        "part a: 0.01 of 10 elements is none, expected at least one",
    ),
    "a complement of everything": (
        parts(a="10", b=REST),
        "part b: rest of 10 elements is none, expected at least one",
    ),
}


@pytest.mark.scenario("E1")
@pytest.mark.parametrize("case", TOO_MUCH)
def test_parts_that_do_not_fit_the_elements_are_refused(case: str) -> None:
    takes, message = TOO_MUCH[case]
    with pytest.raises(UsageError) as refused:
        split(elements(10), takes, 0)
    assert refused.value.message == message


VECTOR = "5b71801b3c37df16f4c239986b4cebfdcf783de91470caf28c9256558a8862ba"
"""`printf 'whence-split/1\\0000\\000a.png' | sha256sum`"""


@pytest.mark.scenario("E2", "E6")
def test_the_order_is_the_one_that_the_format_says() -> None:
    """The vector stands in docs/format.md; whoever has to change it has made another algorithm."""
    assert order_key(0, b"a.png").hex() == VECTOR
    takes = parts(train="0.6", val="0.2", test="0.2")
    assert split(elements(10), takes, 7) == [[3, 4, 5, 7, 8, 9], [0, 6], [1, 2]]
    assert split(elements(10, "aab"), takes, 7) == [[3, 4, 5, 7, 8, 9], [0, 2], [1, 6]]
    assert split(elements(10, "aab", "uvwxyz"), takes, 7) == [[1, 2, 3, 7, 8, 9], [0, 5, 6], [4]]


@pytest.mark.scenario("E2")
def test_another_seed_is_another_split_and_the_same_seed_the_same() -> None:
    takes = parts(train="0.5", test="0.5")
    assert split(elements(40), takes, 1) == split(elements(40), takes, 1)
    assert split(elements(40), takes, 1) != split(elements(40), takes, 2)


@given(st.permutations(range(12)), st.integers(-3, 2**70))
def test_the_order_of_the_elements_decides_nothing(order: list[int], seed: int) -> None:
    takes, known = parts(train="0.7", test="0.3"), elements(12, "aab")
    first = split(known, takes, seed)
    again = split([known[at] for at in order], takes, seed)
    assert [{order[at] for at in part} for part in again] == [set(part) for part in first]


COUNTS = st.lists(st.integers(1, 30), min_size=1, max_size=6)


@pytest.mark.scenario("E3")
@given(COUNTS, st.lists(st.integers(1, 10), min_size=1, max_size=5), st.data())
def test_of_every_stratum_each_part_has_its_share_rounded_and_all_sizes_are_exact(
    strata: list[int], weights: list[int], data: st.DataObject
) -> None:
    total = sum(strata)
    cuts = sorted(data.draw(st.lists(st.integers(0, total), min_size=len(weights) - 1, max_size=len(weights) - 1)))
    sizes = [end - begin for begin, end in zip([0, *cuts], [*cuts, total], strict=True)]
    shares = apportion(strata, sizes)
    assert [sum(row) for row in shares] == strata
    assert [sum(column) for column in zip(*shares, strict=True)] == sizes
    for count, row in zip(strata, shares, strict=True):
        assert all(abs(share - Fraction(count * size, total)) < 1 for share, size in zip(row, sizes, strict=True))


def test_a_rounding_up_is_moved_where_the_largest_remainders_lead_nowhere() -> None:
    """By remainders alone the last stratum would be left with one too few."""
    assert apportion([2, 2, 2], [2, 2, 2]) == [[0, 1, 1], [1, 1, 0], [1, 0, 1]]


@pytest.mark.scenario("E3")
def test_three_parts_of_three_strata_each_have_their_share() -> None:
    known = elements(100, "aaaaabbbcc")
    chosen = split(known, parts(train="0.6", val="0.2", test="0.2"), 3)
    assert [Counter(known[at].stratum for at in part) for part in chosen] == [
        {b"a": 30, b"b": 18, b"c": 12},
        {b"a": 10, b"b": 6, b"c": 4},
        {b"a": 10, b"b": 6, b"c": 4},
    ]


GROUPED = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xy")), min_size=8, max_size=60)


@pytest.mark.scenario("E4")
@given(GROUPED, st.integers(0, 5))
def test_no_group_crosses_a_border_and_no_element_is_in_two_parts(rows: list[tuple[str, str]], seed: int) -> None:
    known = [
        Element(b"%d" % at, stratum.encode(), group.encode() if group != "h" else None)
        for at, (group, stratum) in enumerate(rows)
    ]
    try:
        chosen = split(known, parts(train="0.5", test=REST), seed)
    except UsageError as refused:
        assert refused.message.startswith("part ")
        return
    assert sorted(at for part in chosen for at in part) == list(range(len(known)))
    first, second = ({known[at].group for at in part} - {None} for part in chosen)
    assert not first & second


def test_groups_of_one_size_give_the_sizes_that_were_asked_for() -> None:
    chosen = split(elements(60, group="abcdefghij"), parts(train="0.8", test="0.2"), 0)
    assert [len(part) for part in chosen] == [48, 12]
    other = split(elements(60, group="abcdefghij"), parts(train="0.8", test="0.2"), 1)
    assert other != chosen


def test_a_large_group_leaves_the_small_ones_to_the_other_parts() -> None:
    known = elements(100, group="a" * 98 + "bc")
    assert [len(part) for part in split(known, parts(train="0.8", test="0.2"), 0)] == [98, 2]


@pytest.mark.scenario("E3")
def test_groups_keep_the_shares_of_the_strata_as_well_as_whole_groups_can() -> None:
    known = [
        Element(b"%d-%d" % (group, at), b"rare" if group % 5 == 0 else b"common", b"%d" % group)
        for group in range(50)
        for at in range(4)
    ]
    chosen = split(known, parts(train="0.8", test="0.2"), 0)
    assert [Counter(known[at].stratum for at in part) for part in chosen] == [
        {b"common": 128, b"rare": 32},
        {b"common": 32, b"rare": 8},
    ]


def test_fewer_groups_than_parts_is_said() -> None:
    with pytest.raises(UsageError) as refused:
        split(elements(10, group="a"), parts(train="0.8", test="0.2"), 0)
    assert refused.value.message == "part test: no group is left for it, expected at least one"
