"""Ranks agree on one run by a claim in the store."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from whence.recorder import ranks
from whence.recorder.ranks import Seat, World, take_seat
from whence.records.run import Rank
from whence.store.layout import create_store

JOB = {"WORLD_SIZE": "2", "MASTER_ADDR": "node1", "MASTER_PORT": "1"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(ranks, "_joined", set[str]())
    return World(
        store=create_store(tmp_path / ".whence", now_ns=time.time_ns(), random=os.urandom(10)),
        environ={},
        host="lab",
        argv=["train.py"],
        began=time.time_ns(),
        clock=time.time_ns,
        random=os.urandom,
        wait=0.05,
    )


def seat(world: World, rank: int, monkeypatch: pytest.MonkeyPatch) -> Seat:
    """As another process of the job would get it."""
    monkeypatch.setattr(ranks, "_joined", set[str]())
    return take_seat(replace(world, environ=JOB | {"RANK": str(rank)}))


def test_a_process_alone_has_no_seat_to_take(world: World) -> None:
    assert take_seat(world) == Seat()


def test_all_ranks_get_the_identifier_that_was_claimed_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    main = seat(world, 0, monkeypatch)
    assert main.run is not None and not main.joins
    folder = world.store.run_folder(main.run)
    folder.mkdir(parents=True)
    (folder / "main.jsonl").write_bytes(b"{}\n")
    monkeypatch.setattr(ranks, "goes_on", lambda *_: True)
    other = seat(world, 1, monkeypatch)
    assert (other.run, other.joins) == (main.run, True)
    assert other.rank == Rank(rank=1, world_size=2, job="torch node1:1")


def test_a_rank_whose_main_never_comes_records_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = seat(world, 1, monkeypatch)
    assert (alone.run, alone.joins) == (None, False)
    assert alone.rank is not None and alone.rank.rank == 1


def test_a_second_block_of_one_process_is_another_run(world: World) -> None:
    main = replace(world, environ=JOB | {"RANK": "0"})
    first, second = take_seat(main), take_seat(main)
    assert first.run != second.run


def test_a_claim_that_nobody_took_up_is_stale_for_a_later_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = seat(world, 0, monkeypatch)
    time.sleep(0.1)
    second = seat(replace(world, began=time.time_ns()), 0, monkeypatch)
    assert second.run != first.run and second.parent is None


def test_a_store_that_takes_no_claims_leaves_every_rank_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.store.cache / "jobs").write_text("in the way")
    assert seat(world, 0, monkeypatch).run is None
