"""Which of what programs told is the run's configuration, decided without a process."""

from __future__ import annotations

from typing import Any

import pytest

from whence.errors import FormatError
from whence.rules.boot_environment import with_boot, without_boot
from whence.rules.booted import AnyNote, Looked, Parsed, Process, Seeded, Told, read_note, told

SITE = "/x/whence/boot/site"


def program(pid: int, at: float, whose: str = "own", **values: Any) -> list[AnyNote]:
    return [
        Process(at=at, pid=pid, argv=["train.py"], main="/p/train.py", cwd="/p"),
        Parsed(at=at, by="argparse", id=1, whose=whose, values=values),
    ]


def seeder(pid: int, at: float) -> list[AnyNote]:
    return [Process(at=at, pid=pid, argv=["seed.py"]), Seeded(at=at, name="random.seed", value=1)]


CASES: dict[str, tuple[list[list[AnyNote]], Any, list[Any]]] = {
    "nobody": ([], None, []),
    "the first": ([program(2, 2.0, a=2), program(3, 1.0, a=1)], {"a": 1}, [{"a": 2}]),
    "the command before the first": ([program(2, 1.0, a=1), program(7, 2.0, a=2)], {"a": 2}, [{"a": 1}]),
    "own code before an installed command": (
        [program(7, 1.0, "installed", a=1), program(2, 2.0, a=2)],
        {"a": 2},
        [{"a": 1}],
    ),
    "an installed program where there is no other": ([program(7, 1.0, "installed", a=1)], {"a": 1}, []),
    "who parsed before who seeded": ([seeder(7, 1.0), program(2, 2.0, a=2)], {"a": 2}, [{}]),
    "who seeded where nobody parsed": ([seeder(2, 1.0)], {}, []),
    "equal ones once": ([program(7, 1.0, a=1), program(2, 2.0, a=1), program(3, 3.0, a=1)], {"a": 1}, []),
}


@pytest.mark.parametrize("case", CASES)
def test_the_runs_own_program_is(case: str) -> None:
    processes, main, others = CASES[case]
    found = told(processes, 7)
    assert (found.main.values if found.main else None) == main
    assert [other.values for other, _ in found.others] == others


def test_what_the_code_added_is_generated_and_what_it_changed_stays_apart() -> None:
    notes = [
        *program(7, 1.0, lr=0.1, depth=2),
        Looked(at=2.0, id=1, values={"name": "x", "lr": 0.2}, added=["name"]),
        Looked(at=3.0, id=9, values={"other": 1}, added=["other"]),
    ]
    main = told([notes], 7).main
    assert main is not None
    assert (main.values, main.changed) == ({"lr": 0.1, "depth": 2, "name": "x"}, {"lr": 0.2})
    assert main.origins["name"] == "generated"


def test_origins_reach_below_and_unknown_ones_are_declared() -> None:
    notes: list[AnyNote] = [
        Process(at=1.0, pid=7),
        Parsed(
            at=1.0, by="x", id=1, whose="own", values={"a": {"b": 1, "c": {}}, "d": 2}, origins={"a": "file", "d": "?"}
        ),
    ]
    main = told([notes], 7).main
    assert main is not None
    assert main.origins == {"a.b": "file", "a.c": "file", "d": "declared"}


def test_a_process_that_told_no_more_than_that_it_is_there_is_none() -> None:
    assert told([[Process(at=1.0, pid=7)]], 7) == Told()


@pytest.mark.parametrize("line", [b"", b"{", b'{"note":"unheard of"}', b'{"note":"parsed"}', b"[1]", b"\xff"])
def test_a_line_that_is_no_note_is_a_fault_of_form(line: bytes) -> None:
    with pytest.raises(FormatError):
        read_note(line, "1.jsonl")


ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"A": "1", "PYTHONPATH": "/a:/b"},
    {"PYTHONPATH": "/a"},
    {"PYTHONPATH": ":/a"},
    {"PYTHONPATH": "/a:"},
    {"PYTHONPATH": "/a::/b"},
    {"PYTHONPATH": ":"},
]


@pytest.mark.parametrize("environ", ENVIRONMENTS)
def test_an_environment_is_recorded_as_it_was_before_us(environ: dict[str, str]) -> None:
    ours = with_boot(environ, SITE, "/tmp/told")
    assert ours["PYTHONPATH"].startswith(SITE)
    assert without_boot(ours) == environ
    assert with_boot(ours, SITE, "/tmp/other")["PYTHONPATH"] == ours["PYTHONPATH"]
    assert without_boot(environ) == environ


@pytest.mark.parametrize("added", ["{}:/x", "/x:{}", "/x:{}:/y"])
@pytest.mark.parametrize("before", ["", "/a", ":/a", "/a:"])
def test_what_a_script_adds_to_the_path_is_added_to_what_was_there_before_us(before: str, added: str) -> None:
    ours = with_boot({"PYTHONPATH": before} if before else {}, SITE, "/tmp/told")
    inside = {**ours, "PYTHONPATH": added.format(ours["PYTHONPATH"])}
    assert without_boot(inside) == {"PYTHONPATH": added.format(before)}
