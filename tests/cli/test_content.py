"""`whence get`, `cat` and `restore`, seen from outside."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest
import stored
from workplace import Workplace, wait_until

from whence.store.layout import open_store

MAKE = "import pathlib; pathlib.Path('out').mkdir(); pathlib.Path('out/made.bin').write_bytes(bytes(range(256)))"


@pytest.fixture
def made(workplace: Workplace) -> Workplace:
    """A run that made `out/made.bin` from `in.csv`, and printed nothing."""
    workplace.write("in.csv", "a\n")
    workplace.whence("run", "--input", "in.csv", "--output", "out/made.bin", "--", "python", "-c", MAKE).ok()
    return workplace


def test_an_output_comes_back_byte_for_byte_after_its_file_is_gone(made: Workplace) -> None:
    name = made.show()["artifacts"][0]["name"]
    (made.path / "out/made.bin").unlink()
    made.whence("get", f"@:{name}", "copy.bin").ok()
    assert (made.path / "copy.bin").read_bytes() == bytes(range(256))
    assert made.run(["whence", "get", f"@:{name}", "-"]).ok().out.encode("utf-8", "surrogateescape") == bytes(
        range(256)
    )


def test_content_is_found_by_digest_and_by_path(made: Workplace) -> None:
    digest = made.show()["artifacts"][0]["digest"]
    made.whence("get", digest, "a.bin").ok()
    made.whence("get", "@:out/made.bin", "b.bin").ok()
    assert (made.path / "a.bin").read_bytes() == (made.path / "b.bin").read_bytes() == bytes(range(256))


def test_other_bytes_are_never_overwritten(made: Workplace) -> None:
    made.write("there.bin", "mine")
    done = made.whence("get", "@:out/made.bin", "there.bin")
    assert done.code == 1
    assert "holds other bytes" in done.err
    assert (made.path / "there.bin").read_text() == "mine"
    made.whence("get", "@:out/made.bin", "same.bin").ok()
    assert "already" in made.whence("get", "@:out/made.bin", "same.bin").ok().err


@pytest.mark.parametrize(
    "words",
    [
        ["get", "@:out/made.bin", "-"],
        ["get", "@:out", "-"],
        ["cat", "@:environment"],
        ["show", "--json"],
        ["verify", "--json"],
        ["audit", "--json"],
    ],
)
def test_it_makes_no_difference_to_an_answer_whether_objects_lie_in_a_pack(
    workplace: Workplace, words: list[str]
) -> None:
    workplace.whence("run", "--output", "out/made.bin", "--output", "out", "--", "python", "-c", MAKE).ok()
    loose = workplace.run(["whence", *words])
    usage = workplace.whence("du", "--json").ok().json()["runs"]
    stored.pack_everything(open_store(workplace.store))
    packed = workplace.run(["whence", *words])
    assert without_time(packed.out) == without_time(loose.out) and packed.code == loose.code
    assert workplace.whence("du", "--json").ok().json()["runs"] == usage


def without_time(text: str) -> str:
    return re.sub(r'"as_of":"[^"]*"', "", text)


def test_a_folder_comes_back_from_a_pack(workplace: Workplace) -> None:
    workplace.whence("run", "--output", "out", "--", "python", "-c", MAKE).ok()
    stored.pack_everything(open_store(workplace.store))
    (workplace.path / "out/made.bin").unlink()
    workplace.whence("get", "@:out", "copy").ok()
    assert (workplace.path / "copy/made.bin").read_bytes() == bytes(range(256))


def test_a_damaged_object_is_not_handed_out(made: Workplace) -> None:
    digest = made.show()["artifacts"][0]["digest"].removeprefix("sha256:")
    path = made.store / "objects/sha256" / digest[:2] / digest[2:]
    path.chmod(0o644)
    path.write_bytes(b"x" + bytes(range(1, 256)))
    done = made.whence("get", "@:out/made.bin", "copy.bin")
    assert done.code == 4
    assert "expected sha256:" in done.err
    assert sorted(path.name for path in made.path.iterdir()) == [".whence", "in.csv", "out"]


def test_an_input_that_was_only_referred_to_comes_from_its_place_while_it_is_the_same(workplace: Workplace) -> None:
    outside = workplace.write("../in.csv", "a\n")
    workplace.record("true", options=("--input", "../in.csv"))
    assert "which still holds these bytes" in workplace.whence("get", "@:in.csv", "copy.csv").ok().err
    outside.write_text("b\n")
    done = workplace.whence("get", "@:in.csv", "other.csv")
    assert done.code == 3
    assert "holds other bytes now" in done.err
    assert not (workplace.path / "other.csv").exists()
    outside.unlink()
    assert "where it is not any more" in workplace.whence("get", "@:in.csv", "-").err


@pytest.mark.parametrize("then", ["changed", "gone"])
def test_an_input_that_is_part_of_the_code_comes_out_of_the_snapshot(workplace: Workplace, then: str) -> None:
    workplace.repository(**{"data/in.csv": "a\n"})
    run = workplace.record("true", options=("--input", "in.csv"), cwd=workplace.path / "data")["id"]
    workplace.write("data/in.csv", "b\n") if then == "changed" else (workplace.path / "data/in.csv").unlink()
    done = workplace.whence("get", "@:in.csv", "copy.csv").ok()
    assert f"out of the snapshot of run {run}" in done.err
    assert (workplace.path / "copy.csv").read_text() == "a\n"
    done = workplace.whence("get", "@:in.csv", "-").ok()
    assert (done.out, f"out of the snapshot of run {run}" in done.err) == ("a\n", True)
    assert workplace.whence("cat", "@:in.csv").ok().out == "a\n"
    assert workplace.python("-c", "import whence; whence.open().get('@:in.csv', 'again.csv')").ok()
    assert (workplace.path / "again.csv").read_text() == "a\n"


def test_an_unknown_name_lists_what_there_is(made: Workplace) -> None:
    done = made.whence("get", "@:nothing")
    assert done.code == 3
    assert "in.csv" in done.err


def test_parts_are_printed(lab) -> None:
    place, run = lab.place, lab.good
    assert set(place.whence("cat", f"{run}:output").ok().out.splitlines()) == {"epoch 1", "warning: slow"}
    assert json.loads(place.whence("cat", f"{run}:config").ok().out)["values"]["lr"] in (0.1, "0.1")
    assert json.loads(place.whence("cat", f"{run}:environment").ok().out)["packages"]
    assert json.loads(place.whence("cat", f"{run}:record").ok().out)["id"] == run
    kinds = [json.loads(line)["kind"] for line in place.whence("cat", f"{run}:log").ok().out.splitlines()]
    assert (kinds[0], kinds[-1]) == ("run.created", "run.sealed")
    assert json.loads(place.whence("cat", f"{run}:model.json").ok().out) == {"acc": 0.9}
    assert json.loads(place.whence("cat", f"{run}:seal.json").ok().out)["run"] == run


@pytest.mark.scenario("S22")
def test_the_lock_file_is_printed_as_it_was(workplace: Workplace) -> None:
    lock = "# locked\nnumpy==2.1.0 --hash=sha256:" + "0" * 64 + "\n"
    workplace.write("requirements.txt", lock)
    workplace.whence("run", "--", "python", "-c", "pass").ok()
    workplace.write("requirements.txt", "changed")
    assert workplace.whence("cat", "@:lock").ok().out == lock


def test_a_missing_lock_says_so(workplace: Workplace) -> None:
    workplace.whence("run", "--", "true").ok()
    done = workplace.whence("cat", "@:lock")
    assert done.code == 3
    assert "no lock file was found" in done.err


@pytest.mark.parametrize("options", [(), ("--follow",), ("--json",)])
def test_the_output_of_a_run_that_was_recorded_from_inside_is_said_to_be_not_captured(
    workplace: Workplace, options: tuple[str, ...]
) -> None:
    workplace.script("job.py", "import whence\nwith whence.start():\n    print('seen by nobody')\n")
    workplace.python("job.py").ok()
    done = workplace.whence("cat", "@:output", *options)
    assert (done.code, done.out) == (3, "")
    assert "not captured: recorded from inside Python; `whence run` captures output" in done.err
    assert "output: not captured: recorded from inside Python" in workplace.whence("audit", "@", "--all").out
    assert "not captured" in workplace.whence("show", "@").ok().out


def test_a_command_that_printed_nothing_has_an_empty_output(workplace: Workplace) -> None:
    workplace.record("true")
    assert workplace.whence("cat", "@:output").ok().out == ""
    assert "output:" not in workplace.whence("audit", "@", "--all").out


def test_following_the_output_ends_with_the_run(workplace: Workplace) -> None:
    process = workplace.start_whence(
        "run", "--", "python", "-uc", "print('one'); input()", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    wait_until(lambda: workplace.run_folders() and workplace.show()["started"], what="the run to start")
    follower = workplace.start_whence("cat", "@:output", "-f", stdout=subprocess.PIPE)
    assert follower.stdout is not None
    assert follower.stdout.readline() == b"one\n"
    assert follower.poll() is None
    process.communicate(b"\n")
    follower.wait(60)
    assert follower.returncode == 0
    follower.stdout.close()


TALK = "import sys; print('one'); print('aside', file=sys.stderr); sys.stderr.flush(); input(); print('two')"


@pytest.mark.parametrize("mode", ["wb", "ab"])
def test_following_reads_the_file_that_the_output_goes_to(mode: str, workplace: Workplace) -> None:
    log = workplace.write("job.log", "of before\n")
    with log.open(mode) as out:
        words = ("run", "--", "python", "-uc", TALK)
        process = workplace.start_whence(*words, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE)
    wait_until(lambda: workplace.run_folders() and workplace.show()["started"], what="the run to start")
    follower = workplace.start_whence("cat", "@:output", "-f", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert follower.stdout is not None and follower.stderr is not None
    assert {follower.stdout.readline(), follower.stdout.readline()} == {b"one\n", b"aside\n"}
    assert follower.poll() is None
    process.communicate(b"\n")
    assert (follower.stdout.read(), follower.wait(60)) == (b"two\n", 0)
    assert follower.stderr.read() == f"stdout goes to {log}, which is read as it grows\n".encode()
    follower.stdout.close()
    follower.stderr.close()
    assert sorted(workplace.whence("cat", "@:output", "-f").ok().out.split()) == ["aside", "one", "two"]


def test_what_is_followed_is_not_written_into_itself(workplace: Workplace) -> None:
    log = workplace.path / "job.out"
    with log.open("wb") as out:
        process = workplace.start_whence(
            "run", "--", "python", "-uc", TALK, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.DEVNULL
        )
        wait_until(lambda: workplace.run_folders() and workplace.show()["started"], what="the run to start")
        wait_until(log.read_bytes, what="the first line")
        follower = workplace.start_whence("cat", "@:output", "-f", stdout=out, stderr=subprocess.PIPE)
    try:
        said = follower.communicate(timeout=20)[1].decode()
    finally:
        process.communicate(b"\n")
        follower.kill()
    assert follower.returncode == 2
    assert f"{log}: is both what is read and what is written to: it would never end\n" in said
    assert log.read_bytes() == b"one\ntwo\n"


@pytest.mark.scenario("S24")
def test_a_dirty_tree_comes_back(workplace: Workplace) -> None:
    workplace.repository(**{"a.py": "print(1)\n"})
    workplace.write("a.py", "print(2)\n")
    workplace.write("new.py", "x")
    workplace.whence("run", "--", "python", "a.py").ok()
    workplace.whence("restore", "@", "../back", "--plan").ok()
    assert not (workplace.path.parent / "back").exists()
    answer = workplace.whence("restore", "@", "../back", "--json").ok().json()
    assert answer["files"] == 2
    assert (workplace.path.parent / "back/a.py").read_text() == "print(2)\n"
    assert "+print(2)" in workplace.whence("restore", "@", "--patch").ok().out
    assert workplace.whence("restore", "@", ".").code == 2


def test_a_patch_says_what_it_lacks(repository: Workplace, tmp_path: Path) -> None:
    library = Workplace(tmp_path / "library", repository.home).repository(**{"lib.py": "x = 1\n"})
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", library.path, "lib")
    repository.commit()
    repository.write("lib/lib.py", "x = 2\n")
    repository.write("lib/new.py", "y = 1\n")
    repository.write("train.py", "print('edited')\n")
    repository.write(".env", "A=1\n")
    repository.record("true")
    done = repository.whence("restore", "@", "--patch").ok()
    assert done.out.startswith("diff --git a/train.py b/train.py\n") and "lib" not in done.out
    assert sorted(done.err.splitlines()) == [
        "not in the patch, of a nested repository: lib/lib.py: modified",
        "not in the patch, of a nested repository: lib/new.py: added",
        "not in the patch, of a nested repository: lib: its commit or its files differ",
        "not in the patch: .env (4 B): a file named .env holds secrets by custom",
        "whence restore @ DIR writes the files of nested repositories as they were",
    ]
    lacks = repository.whence("restore", "@", "--patch", "--json").ok().json()["lacks"]
    assert {one["path"] for one in lacks["nested"]} == {"lib", "lib/lib.py", "lib/new.py"}
    assert [one["path"] for one in lacks["files_left_out"]] == [".env"]


def test_a_stopped_run_says_so(workplace: Workplace) -> None:
    process = workplace.start_whence("run", "--", "sleep", "60")
    wait_until(lambda: workplace.run_folders() and workplace.show()["started"], what="the run to start")
    workplace.whence("stop", "@", "--plan").ok()
    assert process.poll() is None
    answer = workplace.whence("stop", "@", "--json").ok().json()
    assert (answer["status"], answer["signal"]) == ("killed", "SIGTERM")
    assert process.wait(60) == 128 + signal.SIGTERM
    again = workplace.whence("stop", "@")
    assert (again.code, again.err) == (
        1,
        f"whence: {answer['id']}: has ended already (killed): there is nothing to stop\n",
    )


@pytest.mark.scenario("V6")
def test_what_is_kept_by_reference_is_found_where_the_project_moved_to(workplace: Workplace) -> None:
    inner = workplace.path / "before"
    place = Workplace(inner, workplace.home)
    place.write("data/big.bin", "1\n" * 1000)
    place.write("big.bin", "others of that name\n")
    (inner / "step").mkdir()
    place.write("whence.toml", "untracked_limit = 100\n")
    place.record("true", options=("--input", "data/big.bin", "--input", "data"))
    place.record("true", options=("--input", "../data/big.bin"), cwd=inner / "step")
    inner.rename(workplace.path / "after")
    moved = Workplace(workplace.path / "after", workplace.home)
    for run in ("@~1", "@"):
        done = moved.whence("get", f"{run}:big.bin", f"../{run}").ok()
        assert f"copied from {moved.path}/data/big.bin, which still holds these bytes" in done.err
        assert moved.whence("cat", f"{run}:big.bin").ok().out == "1\n" * 1000
    moved.whence("get", "@~1:data", "../data").ok()
    assert (workplace.path / "data/big.bin").read_text() == "1\n" * 1000
    moved.write("data/big.bin", "edited since\n")
    done = moved.whence("get", "@~1:data/big.bin", "../none")
    assert done.code == 3
    assert f"it lay at {inner}/data/big.bin, where it is not any more" in done.err


MISTAKEN = {
    "a part that was meant": (["cat", "@:outptu"], 3, "did you mean the part output?"),
    "no part": (["cat", "@:zzz"], 3, "the parts are output, log, record, config, environment, lock"),
    "no run": (["cat", ":output"], 2, ":output: expected RUN:PART"),
    "no run to get": (["get", ":out/made.bin"], 2, ":out/made.bin: expected RUN:NAME"),
    "nowhere to write": (["restore", "@", "/proc/there"], 2, "hint: name a folder where you may write"),
}


def test_a_mistaken_reference_is_said_with_what_may_be_meant(made: Workplace) -> None:
    for words, code, said in MISTAKEN.values():
        done = made.whence(*words)
        assert (done.code, said in done.err) == (code, True), done.err


def test_a_part_that_is_json_is_no_text_in_json(made: Workplace) -> None:
    for part in ("config", "environment", "record"):
        answer = made.whence("cat", f"@:{part}", "--json").ok().json()
        assert isinstance(answer["value"], dict)
        assert set(answer) == {"id", "part", "value"}
    assert made.whence("cat", "@:output", "--json").ok().json()["text"] == ""


def test_the_folder_of_a_restored_tree_is_named_plainly(made: Workplace) -> None:
    done = made.whence("restore", "@", "../x/../as-it-ran").ok()
    assert done.out.startswith(f"{made.path.parent / 'as-it-ran'}: holds ")
