"""The index, seen from outside: it can be deleted, damaged and made anew, and the answers stay."""

from __future__ import annotations

import shutil

import pytest
from workplace import Workplace


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Three runs; tests of this module leave them as they are."""
    folder = tmp_path_factory.mktemp("indexed")
    place = Workplace(folder / "work", folder / "home")
    for rate in (0.1, 0.3, 0.2):
        place.whence("run", "--param", f"lr={rate}", "--purpose", f"rate {rate}", "--", "true").ok()
    return place


def rates(place: Workplace, *words: str) -> list[float]:
    lines = place.whence("log", *words, "--columns", "config.lr", "--json").ok().json_lines()
    return [line["config.lr"] for line in lines]


@pytest.mark.scenario("U4", "V3")
def test_a_deleted_or_damaged_index_changes_no_answer(place: Workplace) -> None:
    index = place.store / "cache" / "index.sqlite"
    assert rates(place, "config.lr > 0.1", "--sort", "-config.lr") == [0.3, 0.2]
    index.unlink()
    assert rates(place, "config.lr > 0.1", "--sort", "-config.lr") == [0.3, 0.2]
    index.write_bytes(b"no index at all")
    done = place.whence("log", "config.lr > 0.1", "--json").ok()
    assert len(done.json_lines()) == 2
    assert done.err == f"whence: {index}: file is not a database: the index is made anew\n"
    assert place.whence("log", "config.lr > 0.1").ok().err == ""


def test_rebuilding_reads_every_run_again(place: Workplace) -> None:
    told = place.whence("index", "rebuild", "--json").ok().json()
    assert told == {"runs": 3, "unreadable": {}, "index": str(place.store / "cache" / "index.sqlite")}
    assert rates(place, "text ~ rate", "--sort", "config.lr", "--limit", "2") == [0.1, 0.2]


@pytest.mark.scenario("V8")
def test_runs_that_are_copied_in_and_taken_away_come_and_go(place: Workplace, tmp_path) -> None:
    assert len(rates(place)) == 3
    other = Workplace(tmp_path / "work", tmp_path / "home")
    run = other.record("true", options=("--param", "lr=0.7"))["id"]
    [folder] = other.run_folders()
    copied = shutil.copytree(folder, place.store / "runs" / folder.parent.name / run)
    assert sorted(rates(place)) == [0.1, 0.2, 0.3, 0.7]
    shutil.rmtree(copied)
    assert sorted(rates(place)) == [0.1, 0.2, 0.3]


def test_a_query_that_no_run_can_match_says_why(place: Workplace) -> None:
    done = place.whence("log", "config.lr > high")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "whence: query, character 1: config.lr is never compared with 'high': »config.lr > high\n"
        "hint: in all runs that have it, it is a number\n"
    )
    done = place.whence("log", "config.lrr > 3").ok()
    unknown = "whence: no run has config.lrr\nhint: did you mean config.lr?\n"
    assert done.err == f"{unknown}whence: no run matches\n"
    for words in (("--columns", "name,config.lrr"), ("--group", "config.lrr"), ("--sort", "config.lrr")):
        assert place.whence("log", *words).ok().err == unknown
    assert place.whence("log", "--columns", "config.lr,config.origins.lr").ok().err == ""


def test_from_python_runs_are_chosen_at_once_and_read_when_asked_for(place: Workplace) -> None:
    program = (
        "import whence\n"
        "found = whence.open().runs('config.lr exists', sort='-config.lr')\n"
        "print(len(found), [run.config.values['lr'] for run in found], found[-1].purpose, len(found[1:]), found)\n"
    )
    assert place.python("-c", program).ok().out == "3 [0.3, 0.2, 0.1] rate 0.1 2 <3 whence runs>\n"
