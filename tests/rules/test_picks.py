"""Picks: who is meant does not depend on the order in which they are read, and contradictions leave all as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.records.act import Actor
from whence.rules.picks import Pick, contradicting, latest, meant, standing

STEPS = "abcde"


def pick(name: str, step: str, over: str, prior: str = "") -> Pick:
    return Pick(
        digest=name, act=name, at="", by=Actor(), why=None, prior=list(prior), question="newest", step=step,
        over=[one for one in over if one != step],
    )  # fmt: skip


def names(picks: list[Pick]) -> str:
    return "".join(one.digest for one in picks)


def left(competing: str, picks: list[Pick]) -> str:
    return "".join(meant(competing, competing, standing(picks)))


@pytest.mark.parametrize(
    ("picks", "answer"),
    [
        ([], "ab"),
        ([pick("1", "a", "b")], "a"),
        ([pick("1", "a", "b"), pick("2", "a", "b")], "a"),
        ([pick("1", "a", "b"), pick("2", "b", "a")], "ab"),
        ([pick("1", "a", "b"), pick("2", "b", "a", "1")], "b"),
        ([pick("1", "a", "b"), pick("2", "b", "a"), pick("3", "b", "a", "12")], "b"),
        ([pick("1", "a", "b"), pick("2", "b", "c"), pick("3", "c", "a")], "ab"),
        ([pick("1", "c", "d")], "ab"),
        ([pick("1", "c", "ab")], "ab"),
    ],
)
def test_of_what_competes_that_is_left_which_no_standing_pick_is_against(picks: list[Pick], answer: str) -> None:
    assert left("ab", picks) == answer


def test_a_pick_of_what_came_of_the_other_side_contradicts_as_well() -> None:
    picks = [pick("1", "b", "c"), pick("2", "c", "a")]
    assert names(standing(picks)) == "12"
    assert names(contradicting(picks, {"a": "b"})) == "12", "b came of a, which c was picked over"


some_picks = st.lists(
    st.builds(
        lambda step, over, prior: (step, "".join(over), "".join(prior)),
        st.sampled_from(STEPS),
        st.sets(st.sampled_from(STEPS), min_size=1).map(sorted),
        st.sets(st.sampled_from("012345")).map(sorted),
    ),
    max_size=6,
).map(lambda rows: [pick(str(at), step, over, prior) for at, (step, over, prior) in enumerate(rows)])


@given(some_picks, st.randoms())
def test_order_decides_nothing_and_something_is_always_left(picks: list[Pick], random: object) -> None:
    shuffled = list(picks)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert left(STEPS, picks) == left(STEPS, shuffled) != ""
    assert not contradicting(standing(picks)), "what stands agrees"
    assert {*names(standing(picks)), *names(contradicting(picks))} == set(names(latest(picks)))
