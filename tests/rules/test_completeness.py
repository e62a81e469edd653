"""Audit's judgement: a clean record has no finding, and each fault exactly one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from whence.records.base import Missing
from whence.records.code import Code, Declared, Entry, LeftOut, OutsideSource, SourceObserver
from whence.records.configuration import ConfigFile, Configuration, Contested
from whence.records.data import Artifact, Input
from whence.records.environment import Environment, Lock
from whence.records.observation import Observation
from whence.records.record import Loss, Record
from whence.records.result import Anomaly
from whence.records.run import Error
from whence.rules.completeness import findings
from whence.rules.finding import Finding
from whence.rules.fold import SOURCES_CHANGED
from whence.rules.git_objects import EMPTY_TREE

DIGEST = "sha256:" + "0" * 64
FIELDS = {"site": {"type": "str", "required": True}, "note": {"type": "str"}}

CLEAN = Record(
    id="01a1fcf6-350c-7bf0-8831-4bb34402024e",
    status="succeeded",
    started="2026-11-21T06:40:29.120000Z",
    ended="2026-11-21T06:40:30.120000Z",
    exit_code=0,
    ext={"site": "north"},
    code=Code(
        vcs="git",
        tree="a" * 40,
        id="git-tree:" + "a" * 40,
        entry=Entry(kind="file", path="a.py"),
        dirty=True,
        observed_by=[SourceObserver(writer="main", by="modules")],
    ),
    config=Configuration(values={"lr": 0.1}),
    environment=Environment(fingerprint=DIGEST, lock=Lock(path="l", format="uv", digest=DIGEST, size=1, agrees=True)),
    inputs=[Input(name="d.csv", path="d.csv", kind="file", digest=DIGEST, changed="no")],
    artifacts=[Artifact(name="m.pt", path="m.pt", kind="model", digest=DIGEST, kept=True)],
    seal=DIGEST,
)


def judged(record: Record, **extra: Any) -> list[Finding]:
    return [finding for finding in findings(record, fields=FIELDS, **extra) if finding.counts]


def test_a_clean_record_has_no_finding() -> None:
    assert findings(CLEAN, fields=FIELDS) == []


def _with(**changes: Any) -> Callable[[Record], Record]:
    return lambda record: msgspec.structs.replace(record, **changes)


def _code(**changes: Any) -> Callable[[Record], Record]:
    return lambda record: msgspec.structs.replace(record, code=msgspec.structs.replace(record.code, **changes))


def _contested(one: Contested) -> Callable[[Record], Record]:
    return _with(config=Configuration(contested=[one]))


def _environment(**changes: Any) -> Callable[[Record], Record]:
    return lambda r: msgspec.structs.replace(r, environment=msgspec.structs.replace(r.environment, **changes))


def _input(**changes: Any) -> Callable[[Record], Record]:
    return lambda r: msgspec.structs.replace(r, inputs=[msgspec.structs.replace(r.inputs[0], **changes)])


def _artifact(**changes: Any) -> Callable[[Record], Record]:
    return lambda r: msgspec.structs.replace(r, artifacts=[msgspec.structs.replace(r.artifacts[0], **changes)])


_KEPT = OutsideSource(path="a.py", state="elsewhere", digest=DIGEST, size=1, kept=True, certain=True)

FAULTS: dict[str, tuple[Callable[[Record], Record], str, str]] = {
    "a producer that has not ended": (_with(status="running", seal=None), "weak", "status"),
    "a lost run without a seal": (_with(status="lost", seal=None), "weak", "seal"),
    "a failure without a reason": (_with(status="failed", exit_code=1), "missing", "error"),
    "a failure with an empty reason": (_with(status="failed", error=Error(type="E", message=" ")), "missing", "error"),
    "no code": (_with(code=None), "missing", "code"),
    "no code, and why": (_with(code=None, missing=[Missing(what="code", because="git hung")]), "missing", "code"),
    "no snapshot": (_code(tree=None), "missing", "code.tree"),
    "a snapshot of nothing": (_code(tree=EMPTY_TREE), "weak", "code.tree"),
    "a partial snapshot": (_code(stored="partial"), "weak", "code.stored"),
    "a snapshot that was never completed": (_code(stored="pending"), "weak", "code.stored"),
    "code from a terminal": (_code(entry=Entry(kind="interactive")), "weak", "code.entry"),
    "code from stdin": (_code(entry=Entry(kind="stdin")), "weak", "code.entry"),
    "code captured late": (_code(when="end"), "late", "code"),
    "a file left out": (
        _code(files_left_out=[LeftOut(path="big.bin", size=9, digest=DIGEST, because="too big")]),
        "weak",
        "code.files_left_out.big.bin",
    ),
    "a source that ran and was not kept": (
        _code(outside_snapshot=[OutsideSource(path="a.py", state="absent", because="it could not be read: closed")]),
        "missing",
        "code.outside_snapshot.a.py",
    ),
    "a source that ran and may have been another": (
        _code(outside_snapshot=[OutsideSource(path="a.py", state="changed", digest=DIGEST, kept=True)]),
        "weak",
        "code.outside_snapshot.a.py",
    ),
    "a file left out that ran and was not kept": (
        _code(
            files_left_out=[LeftOut(path="big.py", size=9, digest=DIGEST, because="too big")],
            outside_snapshot=[OutsideSource(path="big.py", state="absent", digest=DIGEST, because="too big")],
        ),
        "missing",
        "code.outside_snapshot.big.py",
    ),
    "sources without a snapshot": (
        _with(
            code=Code(when="end", outside_snapshot=[_KEPT]),
            missing=[Missing(what="code", because="git hung")],
        ),
        "missing",
        "code.tree",
    ),
    "a source that was edited meanwhile": (
        _with(anomalies=[Anomaly(what=SOURCES_CHANGED, at="", detail=["a.py"])]),
        "weak",
        "code.changed.a.py",
    ),
    "a declared commit that differs": (
        _code(declared=[Declared(name="commit", value="a", checked="differs", observed="b")]),
        "weak",
        "code.declared.commit",
    ),
    "a configuration that was not parsed": (
        _with(config=Configuration(files=[ConfigFile(path="c", digest=DIGEST, size=1, format="yaml", error="line 1")])),
        "weak",
        "config.files.c",
    ),
    "a default that differs from what was declared": (
        _contested(Contested(name="lr", value=0.1, origin="default", by="program", when="during")),
        "weak",
        "config.lr",
    ),
    "a declared value that the program did not use": (
        _contested(Contested(name="lr", value=0.9, origin="file", by="declared", when="launch")),
        "weak",
        "config.lr",
    ),
    "a late configuration": (_with(config=Configuration(when="end")), "late", "config"),
    "no environment": (_with(environment=None), "missing", "environment"),
    "no fingerprint": (_environment(fingerprint=None), "missing", "environment"),
    "an environment that only the end knew": (_environment(when="end"), "late", "environment"),
    "a lock that differs": (
        _environment(lock=Lock(path="l", format="uv", digest=DIGEST, size=1, agrees=False, mismatches=["numpy"])),
        "weak",
        "environment.lock.l",
    ),
    "no inputs": (_with(inputs=[]), "missing", "inputs"),
    "an input that was named and is not there": (
        _with(inputs=[], missing=[Missing(what="inputs.d.csv", because="no such file")]),
        "missing",
        "inputs.d.csv",
    ),
    "an input without a digest": (_input(digest=None, because="unread"), "missing", "inputs.d.csv"),
    "an input that changed": (_input(changed="yes"), "weak", "inputs.d.csv"),
    "an input stated late": (_input(when="end"), "late", "inputs.d.csv"),
    "an output that was never written": (_artifact(missing=True, digest=None), "missing", "artifacts.m.pt"),
    "an output without a digest": (_artifact(digest=None), "missing", "artifacts.m.pt"),
    "an output of no kind": (_artifact(kind="other"), "weak", "artifacts.m.pt"),
    "an output that is not final": (_artifact(final=False), "weak", "artifacts.m.pt"),
    "a capture that failed": (
        _with(missing=[Missing(what="environment.packages", because="timed out")]),
        "missing",
        "environment.packages",
    ),
    "lost detail": (_with(losses=[Loss(what="metric points", because="disk full")]), "missing", "metric points"),
    "a required field": (_with(ext={}), "missing", "ext.site"),
}


@pytest.mark.scenario("L2", "L4")
@pytest.mark.parametrize(("seed", "level", "what"), FAULTS.values(), ids=FAULTS)
def test_each_fault_has_exactly_one_finding(seed: Callable[[Record], Record], level: str, what: str) -> None:
    found = judged(seed(CLEAN))
    assert [(finding.level, finding.what) for finding in found] == [(level, what)]
    assert found[0].because
    assert found[0].fix


def test_a_default_of_nothing_where_something_was_declared_is_a_remark() -> None:
    one = Contested(name="lr", value=None, origin="default", by="program", when="during")
    (found,) = (finding for finding in findings(_contested(one)(CLEAN), fields={}) if finding.what == "config.lr")
    assert (found.level, found.what) == ("remark", "config.lr")
    assert found.because == "the program resolved another value than was declared: null (default)"


@pytest.mark.scenario("L4")
def test_several_faults_have_as_many_findings() -> None:
    record = _code(stored="partial")(_with(inputs=[], ext={})(CLEAN))
    assert [finding.what for finding in judged(record)] == ["code.stored", "inputs", "ext.site"]


def test_damage_and_late_files_are_findings() -> None:
    found = judged(CLEAN, faults=["main.jsonl:3: …"], late=["main.points.jsonl: 12 bytes"])
    assert [(finding.level, finding.what) for finding in found] == [
        ("weak", "journal"),
        ("late", "main.points.jsonl: 12 bytes"),
    ]


@pytest.mark.scenario("H6")
def test_a_run_that_was_never_driven_is_no_violation() -> None:
    assert judged(Record(id=CLEAN.id, status="created", ext={"site": "x"})) == []


def test_a_refused_run_owes_only_its_reason() -> None:
    refused = Record(
        id=CLEAN.id, status="failed", error=Error(type="refused", message="no input"), seal=DIGEST, ext={"site": "x"}
    )
    assert judged(refused) == []


def test_what_a_machine_cannot_have_is_a_remark() -> None:
    found = findings(
        _with(missing=[Missing(what="environment.accelerators", because="there is none")])(CLEAN), fields=FIELDS
    )
    assert [(finding.level, finding.what) for finding in found] == [("remark", "environment.accelerators")]
    assert found[0].fix.startswith("nothing on a machine that has none")


def test_a_repository_that_git_refuses_and_that_was_read_is_a_remark_with_its_cure() -> None:
    gap = Missing(what="code.safe_directory", because="git refuses this repository; it was read all the same")
    [finding] = findings(_with(missing=[gap])(CLEAN), fields=FIELDS)
    assert (finding.level, finding.what) == ("remark", "code.safe_directory")
    assert "git config --global --add safe.directory" in finding.fix


def test_a_name_that_begins_with_a_dot_stands_in_quotes() -> None:
    left = LeftOut(path=".env", size=9, digest=None, because="secret")
    assert [one.what for one in judged(_code(files_left_out=[left])(CLEAN))] == ['code.files_left_out.".env"']


def test_the_cure_of_no_inputs_names_the_run() -> None:
    [finding] = judged(_with(inputs=[])(CLEAN))
    assert finding.fix.endswith("; or whence tag 4402024e inputs=none")


def test_that_nobody_looked_at_the_loaded_code_is_a_remark() -> None:
    found = findings(_code(observed_by=[])(CLEAN), fields=FIELDS)
    assert [(finding.level, finding.what) for finding in found] == [("remark", "code.observed_by")]


def test_a_source_that_was_edited_while_all_opens_were_seen_is_a_remark() -> None:
    edited = _with(
        anomalies=[Anomaly(what=SOURCES_CHANGED, at="", detail=["a.py"])], observation=Observation(complete=True)
    )
    found = findings(edited(CLEAN), fields=FIELDS)
    assert [(finding.level, finding.what) for finding in found] == [("remark", "code.changed.a.py")]


def test_a_source_outside_the_snapshot_that_was_kept_is_a_remark() -> None:
    found = findings(_code(outside_snapshot=[_KEPT])(CLEAN), fields=FIELDS)
    assert [(finding.level, finding.what) for finding in found] == [("remark", "code.outside_snapshot.a.py")]


SOURCE_FIXES = {
    "it holds a value that looks like a secret": "move the secret into an environment variable",
    "600 bytes, larger than policy keep_file_limit (400)": "raise keep_file_limit",
    "together with others of the run it is larger than policy keep_limit": "raise keep_limit",
    "there was no time to read it before the seal": "raise seal_within",
    "it could not be read: Permission denied": "make it readable",
    "it is not there any more": "keep it until the run has ended",
}


@pytest.mark.parametrize("because", SOURCE_FIXES)
def test_each_reason_that_a_source_was_not_kept_has_its_cure(because: str) -> None:
    digest = "keyed:00" if "secret" in because else None
    source = OutsideSource(path="a.py", state="absent", digest=digest, because=because)
    [finding] = judged(_code(outside_snapshot=[source])(CLEAN))
    assert finding.because == f"ran, is not in the snapshot, and was not kept: {because}"
    assert finding.fix.startswith(SOURCE_FIXES[because])


@pytest.mark.parametrize("said", ["none", "unknown"])
def test_a_run_that_is_said_to_have_no_inputs_is_complete(said: str) -> None:
    found = findings(_with(inputs=[], tags={"inputs": said})(CLEAN), fields=FIELDS)
    assert [(finding.level, finding.what, finding.because) for finding in found] == [
        ("remark", "inputs", f"declared: {said}")
    ]


def test_interrupted_opens_are_a_remark_that_names_what_helps() -> None:
    seen = Observation(mechanism="seccomp", complete=True, interrupted=3)
    told = [
        one
        for one in findings(msgspec.structs.replace(CLEAN, observation=seen), fields=FIELDS)
        if "EINTR" in one.because
    ]
    assert [(one.level, one.counts, "--observe strace" in one.fix) for one in told] == [("remark", False, True)]


def test_a_large_file_that_a_command_seen_whole_did_not_need_as_code_is_no_lack() -> None:
    left = LeftOut(path="big.bin", size=9, digest=DIGEST, because="too big")
    seen = _with(observation=Observation(mechanism="seccomp", complete=True))(_code(files_left_out=[left])(CLEAN))
    assert judged(seen) == []
    secret = msgspec.structs.replace(left, digest="keyed:0")
    assert judged(_code(files_left_out=[secret])(seen))
    assert judged(_with(observation=Observation(mechanism="seccomp", complete=False))(seen))


def test_a_snapshot_without_a_file_says_that_what_is_there_was_left_out() -> None:
    left = LeftOut(path="a.py", size=9, digest="keyed:0", because="it holds a token of a known form")
    found = {one.what: one for one in findings(_code(tree=EMPTY_TREE, files_left_out=[left])(CLEAN), fields=FIELDS)}
    assert found["code.tree"].because == "the snapshot holds no file: what is in the folder was left out"
    assert "code.files_left_out.a.py" in found
