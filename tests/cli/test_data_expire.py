"""Expiring: what would go is shown first, what something else needs stays, and an archive brings everything back."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from bags import contents, data
from workplace import Workplace, wait_until

ALL = ("cifar@0.2.0", "cifar@0.1.0.post1.dev1")
"""Both versions of the newer content: a release has what the developing version before it had."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """0.1.0, and 0.2.0 with two files more, one of them large; a run that pinned each; an archive of 0.2.0."""
    folder = tmp_path_factory.mktemp("made")
    workplace = Workplace(folder / "work", folder / "home")
    for number in range(12):
        workplace.write(f"cifar/{number}.png", f"picture {number}\n")
    data(workplace, "create", "cifar", "cifar")
    workplace.write("cifar/new.png", "new picture\n")
    workplace.write("cifar/large.bin", b"large" * 100_000)
    data(workplace, "add", "cifar", "cifar")
    data(workplace, "release", "minor", "cifar")
    for name, version in (("old", "0.1.0"), ("train", "0.2.0")):
        workplace.record("true", options=("--name", name, "--data", f"cifar@{version}"))
    data(workplace, "export", "cifar@0.2.0", "cifar.tar")
    return workplace


@pytest.fixture
def cifar(made: Workplace, tmp_path: Path) -> Workplace:
    """A copy of it."""
    shutil.copytree(made.path, tmp_path / "work", symlinks=True)
    return Workplace(tmp_path / "work", tmp_path / "home")


def tree(place: Workplace) -> dict[str, bytes]:
    return {
        str(path.relative_to(place.store)): path.read_bytes()
        for path in place.store.rglob("*")
        if path.is_file() and "cache" not in path.relative_to(place.store).parts[:1]
    }


def holds(place: Workplace, content: bytes) -> bool:
    return any(content in path.read_bytes() for path in place.store.glob("[op]*/**/*") if path.is_file())


def expire(place: Workplace, *words: str, because: str = "superseded") -> Any:
    return data(place, "expire", *words, "--because", because)


def pin(place: Workplace, version: str) -> Any:
    return place.whence("run", "--data", version, "--", "true")


@pytest.mark.scenario("T4", "K14")
def test_what_would_go_is_shown_and_nothing_is_done(cifar: Workplace) -> None:
    before = tree(cifar)
    plan = data(cifar, "expire", *ALL, "--plan")
    assert (plan["objects"], plan["freed"]) == (2, len("new picture\n") + 500_000)
    (kept,) = plan["kept_by_versions"]
    assert (kept["name"], kept["version"], kept["objects"]) == ("cifar", "0.1.0", 12)
    (run,) = plan["unreproducible"]
    assert (run["name"], run["version"], run["status"]) == ("train", "cifar@0.2.0", "succeeded")
    assert len(plan["laid_out"]) == 1 and os.path.isdir(plan["laid_out"][0])
    shown = cifar.whence("data", "expire", *ALL, "--plan").ok().out
    assert f"run       {run['run']} (train)" in shown and "by cifar@0.1.0" in shown
    assert tree(cifar) == before and os.path.isdir(plan["laid_out"][0])


@pytest.mark.scenario("T4", "S11")
def test_what_expired_is_gone_and_said_and_the_rest_is_there(cifar: Workplace) -> None:
    before = tree(cifar)
    done = expire(cifar, *ALL, because="too large")
    assert (len(done["acts"]), done["freed"]) == (2, len("new picture\n") + 500_000)
    assert not holds(cifar, b"new picture") and not holds(cifar, b"largelarge") and holds(cifar, b"picture 3")
    assert not any(os.path.isdir(folder) for folder in done["plan"]["laid_out"])
    gone = {name for name in before if name not in tree(cifar)}
    assert {name.partition("/")[0] for name in gone} <= {"objects", "packs"}, "no step, act, run or manifest"
    shown = data(cifar, "show", "cifar@0.2.0", "--files")
    assert len(shown["entries"]) == 14 and shown["here"]["files"] == 12
    (tombstone,) = shown["expiry"]
    assert (tombstone["why"], tombstone["undone"]) == ("too large", None) and tombstone["by"]["user"]
    assert "expired   " in cifar.whence("data", "show", "cifar@0.2.0").ok().out
    assert cifar.whence("run", "--data", "cifar@0.1.0", "--", "sh", "-c", 'cat "$WHENCE_DATA_CIFAR/3.png"').ok().out
    done = cifar.whence("verify")
    assert done.code == 0, done.out
    assert "large.bin and 1 more files are not in the store: expired " in done.out


def test_a_version_that_expired_and_was_added_again_is_no_longer_expired(workplace: Workplace) -> None:
    workplace.write("d/big", b"b" * 600_000)
    workplace.whence("data", "create", "c", "d").ok()
    workplace.whence("data", "expire", "c@0.1.0", "--because", "too large").ok()
    again = workplace.whence("data", "add", "c", "d").ok()
    assert "c@0.1.0: had expired, and has all its bytes again" in again.err
    assert "expired" not in workplace.whence("data", "list").ok().out
    (expiry,) = workplace.whence("data", "show", "c", "--json").ok().json()["expiry"]
    assert expiry["undone"]["archive"] is None
    assert "added again" in workplace.whence("data", "log", "c").ok().out
    (path,) = [
        path for path in (workplace.store / "objects").rglob("*") if path.is_file() and path.stat().st_size > 1e5
    ]
    path.unlink()
    assert workplace.whence("data", "verify").code == 1, "what was lost since did not expire"


@pytest.mark.scenario("S11", "T4")
def test_a_pin_that_expired_is_refused_with_who_when_why_and_the_way_back(cifar: Workplace) -> None:
    train = cifar.show("train")["id"]
    expire(cifar, *ALL, because="too large")
    refused = pin(cifar, "cifar@0.2.0")
    assert refused.code == 125
    for part in (
        "cifar@0.2.0: expired 20", "too large", "2 of 14 files (500012 bytes) are missing", "'large.bin'",
        "cifar@0.1.0.post1.dev1 needs them, too", f"pinned by run {train} (train)", "whence data import FILE",
    ):  # fmt: skip
        assert part in refused.err, part
    record = cifar.show()
    assert (record["status"], record["error"]["type"]) == ("failed", "refused")
    assert "expired" in record["error"]["message"]
    for words in (("get", "cifar@0.2.0", "got"), ("export", "cifar@0.2.0", "again.tar")):
        done = cifar.whence("data", *words)
        assert (done.code, "expired 20" in done.err, "whence data import FILE" in done.err) == (3, True, True)
    checked = cifar.whence("data", "check", "cifar@0.2.0", "--json")
    (reason,) = checked.json()["pins"][0]["reasons"]
    assert (checked.code, reason["code"], reason["files"], reason["size"]) == (1, "expired", 2, 500_012)


@pytest.mark.scenario("S11", "S12")
def test_an_archive_brings_the_bytes_back_and_the_tombstone_says_so(cifar: Workplace) -> None:
    expire(cifar, *ALL)
    done = data(cifar, "import", "cifar.tar")
    assert (done["steps"], done["objects"]) == (0, 2)
    assert pin(cifar, "cifar@0.2.0").code == 0
    data(cifar, "get", "cifar@0.2.0", "got")
    assert contents(cifar.path / "got") == contents(cifar.path / "cifar")
    for version in ALL:
        (tombstone,) = data(cifar, "show", version)["expiry"]
        assert tombstone["undone"]["archive"] == "cifar.tar"
    assert "undone 20" in cifar.whence("data", "show", "cifar@0.2.0").ok().out
    assert cifar.whence("verify").code == 0
    again = expire(cifar, *ALL)
    assert (len(again["acts"]), again["freed"]) == (2, 500_012)


def test_a_version_whose_bytes_all_stay_does_not_expire(cifar: Workplace) -> None:
    assert "1 stay: nothing" not in cifar.whence("data", "expire", *ALL, "--plan").ok().out
    for version in ALL:
        plan = cifar.whence("data", "expire", version, "--plan").ok().out
        assert "could not" not in plan and "cannot be repeated" not in plan
        assert "0 objects go, 0 B; 14 stay: nothing would go, so it does not expire" in plan
        refused = cifar.whence("data", "expire", version, "--because", "x")
        (other,) = set(ALL) - {version}
        assert refused.code == 1 and f"{version}: nothing would go: all that is here of it is needed by" in refused.err
        assert other in refused.err and data(cifar, "show", version)["expiry"] == []
    assert expire(cifar, *ALL)["freed"] == 500_012


@pytest.mark.scenario("K14")
def test_what_a_run_keeps_for_itself_and_another_dataset_has_stays(cifar: Workplace) -> None:
    shutil.copy(cifar.path / "cifar/large.bin", cifar.path / "result.bin")
    run = cifar.record("touch", "result.bin", options=("--output", "result.bin"))["id"]
    data(cifar, "create", "other", "cifar/new.png")
    plan = data(cifar, "expire", *ALL, "--plan")
    assert plan["objects"] == 0
    assert [(one["run"], one["size"]) for one in plan["kept_by_runs"]] == [(run, 500_000)]
    assert {str(one["name"]) for one in plan["kept_by_versions"]} == {"cifar", "other"}
    assert f"run {run}" in cifar.whence("data", "expire", *ALL, "--because", "x").err


@pytest.mark.scenario("T4")
def test_a_run_whose_result_expired_says_so_wherever_it_is_asked(workplace: Workplace) -> None:
    script = "mkdir o; echo result > o/u.csv"
    run = workplace.record("sh", "-c", script, options=("--name", "maker", "--output-data", "made=o"))["id"]
    shutil.rmtree(workplace.path / "o")
    plan = data(workplace, "expire", "made@0.0.0.post1.dev1", "--plan")
    assert plan["losing"] == [{"run": run, "name": "maker", "version": "made@0.0.0.post1.dev1"}]
    shown = workplace.whence("data", "expire", "made@0.0.0.post1.dev1", "--because", "too large").ok().err
    assert f"run       {run} (maker)  made made@0.0.0.post1.dev1: its result would be gone" in shown
    (artifact,) = workplace.show()["artifacts"]
    assert artifact["kept"] is False and artifact["because"].startswith("expired 20")
    for done in (workplace.whence("show", "@"), workplace.whence("audit", "@"), workplace.whence("get", "@:made", "g")):
        assert ": too large (act " in done.out + done.err
    assert "recorded by reference" not in workplace.whence("get", "@:made", "g").err
    (line,) = workplace.whence("data", "list", "--json").ok().json_lines()
    (version,) = workplace.whence("data", "log", "made", "--json").ok().json_lines()
    assert (line["expired"], version["expired"]) == (["0.0.0.post1.dev1"], True)
    assert [(act["kind"], act["why"], act["stands"]) for act in version["acts"]] == [("expire", "too large", True)]
    assert "0.0.0.post1.dev1 (expired)" in workplace.whence("data", "list").ok().out
    log = workplace.whence("data", "log", "made").ok().out
    assert "0.0.0.post1.dev1 (expired)" in log and "0.0.0.post1.dev1  expired  20" in log and "too large" in log


def test_a_run_that_uses_it_now_is_not_robbed(cifar: Workplace) -> None:
    running = cifar.start_whence(
        "run", "--data", "cifar@0.2.0", "--", "sh", "-c", "echo > begun; cat", stdin=subprocess.PIPE
    )
    wait_until((cifar.path / "begun").exists, what="the run to begin")
    refused = cifar.whence("data", "expire", *ALL, "--because", "x")
    assert (refused.code, "uses it at this moment" in refused.err) == (1, True)
    running.communicate(b"")
    assert running.returncode == 0
    assert expire(cifar, *ALL)["freed"] == 500_012


def test_what_somebody_changed_in_a_copy_is_left(cifar: Workplace) -> None:
    (folder,) = data(cifar, "expire", *ALL, "--plan")["laid_out"]
    (Path(folder) / "notes.txt").write_text("mine")
    done = expire(cifar, *ALL)
    assert done["left"] == [folder] and (Path(folder) / "notes.txt").read_text() == "mine"


BAD = {
    "no reason": ([*ALL], 2, "nothing says why, expected a reason"),
    "no version": (["cifar", "--because", "x"], 2, "cifar: expected a version"),
    "no such version": (["cifar@9.0.0", "--because", "x"], 3, "has no version 9.0.0"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_removes_nothing(case: str, cifar: Workplace) -> None:
    words, code, message = BAD[case]
    before = tree(cifar)
    done = cifar.whence("data", "expire", *words)
    assert (done.code, message in done.err, "Traceback" in done.err) == (code, True, False), done.err
    assert tree(cifar) == before


def test_a_run_that_cannot_be_read_stops_it(cifar: Workplace) -> None:
    main = cifar.run_folders()[0] / "main.jsonl"
    for name in ("record.json", "seal.json"):
        (main.parent / name).unlink()
    main.write_text("garbage\n")
    before = tree(cifar)
    done = cifar.whence("data", "expire", *ALL, "--because", "x")
    assert (done.code, "so what it needs is not known" in done.err) == (4, True)
    assert tree(cifar) == before


@pytest.mark.scenario("C7")
def test_a_damaged_object_is_named_with_all_that_refers_to_it(cifar: Workplace) -> None:
    train = cifar.show("train")["id"]
    shutil.rmtree(cifar.store / "cache")
    (large,) = [path for path in cifar.store.glob("objects/sha256/*/*") if path.stat().st_size == 500_000]
    large.chmod(0o644)
    large.write_bytes(b"LARGE" * 100_000)
    refused = pin(cifar, "cifar@0.2.0")
    assert refused.code == 125
    assert "cifar@0.2.0: 'large.bin' is damaged: " in refused.err
    assert "cifar@0.1.0.post1.dev1 needs them, too" in refused.err and f"pinned by run {train} (train)" in refused.err


@pytest.mark.scenario("T4")
def test_no_release_is_made_of_what_expired_and_a_change_says_so(cifar: Workplace) -> None:
    expire(cifar, *ALL, "cifar@0.1.0")
    gone = "the bytes of '0.png', '1.png', '10.png', '11.png', '2.png' and 9 more expired"
    for words in (
        ("split", "cifar@0.2.0", "--into", "a=3", "--into", "b"),
        ("subset", "cifar", "s", "--where", "size > 0"),
    ):
        refused = cifar.whence("data", *words)
        assert (refused.code, gone in refused.err) == (3, True), refused.err
    removed = cifar.whence("data", "remove", "cifar", "large.bin").ok().err
    assert "cifar@0.2.0.post1.dev1: the bytes of" in removed and "no run can have this version" in removed
    refused = cifar.whence("data", "release", "patch", "cifar")
    assert (refused.code, "expected them here to make a release" in refused.err) == (3, True)
    assert cifar.whence("data", "verify").code == 0, "what expired is no damage"
    data(cifar, "add", "cifar", "cifar.tar")
    assert "expired" not in cifar.whence("data", "remove", "cifar", "*.png").ok().err
    data(cifar, "release", "patch", "cifar")


CUT = """
import os, sys
from pathlib import Path
from whence.actions import dataset_expiry
from whence.store.dataset_references import find_version
from whence.store.layout import open_store
from whence.store.speaker import Speaker
from whence.records.act import Actor
import time
def cut(*_):
    os._exit(9)
dataset_expiry.drop_objects = cut
store = open_store(Path(sys.argv[1]))
speaker = Speaker(by=Actor(user="ada"), clock=time.time_ns, random=os.urandom)
dataset_expiry.expire(store, [find_version(store, word) for word in sys.argv[2:]], "cut off", speaker)
"""


def test_who_was_cut_off_has_said_it_and_the_next_call_finishes(cifar: Workplace) -> None:
    assert cifar.python("-c", CUT, cifar.store, *ALL).code == 9
    assert holds(cifar, b"new picture")
    (tombstone,) = data(cifar, "show", "cifar@0.2.0")["expiry"]
    assert tombstone["why"] == "cut off"
    assert pin(cifar, "cifar@0.2.0").code == 0, "all of it is still here"
    done = data(cifar, "expire", *ALL)
    assert (done["acts"], done["freed"]) == ([], 500_012)
    assert not holds(cifar, b"new picture") and len(data(cifar, "show", "cifar@0.2.0")["expiry"]) == 1


@pytest.mark.scenario("T5")
def test_old_developing_versions_that_no_run_pinned_go_by_policy(cifar: Workplace) -> None:
    for name in ("one", "two", "three"):
        cifar.write(f"cifar/{name}.bin", name * 10)
        data(cifar, "add", "cifar", f"cifar/{name}.bin")
        data(cifar, "remove", "cifar", f"{name}.bin")
    pinned = "cifar@0.2.0.post1.dev3"
    cifar.whence("run", "--data", pinned, "--", "true").ok()
    none = cifar.whence("data", "expire", "--old", "--plan", "--json").ok()
    assert none.json()["versions"] == [] and 'policy `retention` is "forever"' in none.err
    cifar.write("whence.toml", 'retention = "0 s"\n')
    done = data(cifar, "expire", "--old")
    gone = [one["version"] for one in done["plan"]["versions"]]
    assert gone == ["0.2.0.post1.dev1", "0.2.0.post1.dev5"], "nor what a run pinned, a release has, or is the newest"
    assert not holds(cifar, b"oneone") and holds(cifar, b"twotwo")
    (tombstone,) = data(cifar, "show", "cifar@0.2.0.post1.dev1")["expiry"]
    assert tombstone["why"] == "older than retention = 0 s"


@pytest.mark.scenario("T5")
def test_a_launch_says_that_the_retention_of_a_pin_ends_soon(cifar: Workplace) -> None:
    dev, said = "cifar@0.1.0.post1.dev1", "the retention of this developing version ends on "
    assert said not in pin(cifar, dev).err
    cifar.write("whence.toml", 'retention = "20 d"\n')
    assert f"warning: data {dev}: {said}" in pin(cifar, dev).err
    assert said not in pin(cifar, "cifar@0.2.0").err, "a release is kept"
    (reason,) = data(cifar, "check", dev)["pins"][0]["reasons"]
    assert (reason["code"], reason["warning"]) == ("retention_ends", True)
    cifar.write("whence.toml", 'retention = "60 d"\n')
    assert said not in pin(cifar, dev).err


@pytest.mark.scenario("T5")
def test_code_that_pins_is_told_of_it_too_beside_all_else_that_there_is_to_say(cifar: Workplace) -> None:
    cifar.write("whence.toml", 'retention = "20 d"\n')
    cifar.write(
        "job.py",
        """
import whence
with whence.start() as run:
    run.data("one", "cifar", "0.1.0.post1.dev1")
    run.data("two", "cifar", "0.1.0.post1.dev1")
    run.data("three", "cifar", "0.2.0")
""",
    )
    said = [line for line in cifar.python("job.py").ok().err.splitlines() if "warning: data" in line]
    soon = "the retention of this developing version ends on "
    assert [soon in line for line in said] == [True, True, False]
    assert "one is the same version of this dataset; both are pinned; the retention" in said[1]
