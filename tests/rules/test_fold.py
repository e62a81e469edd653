"""The fold: what each event adds to the record, and what it refuses."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from whence.records import events
from whence.records.base import Missing
from whence.records.code import Code, OutsideSource
from whence.records.configuration import Configuration, Contested, Seed
from whence.records.data import Artifact, Input
from whence.records.observation import Observation
from whence.records.run import Error, Host, Process, User
from whence.records.seal import ClosedBy, Seal
from whence.rules.fold import Folded, Stated, fold

RUN = "019aa4b2-8e2b-7000-8000-0000000000aa"


def created(**more: object) -> events.RunCreated:
    return events.RunCreated(
        id=RUN,
        command=["true"],
        cwd="/x",
        mode="command",
        host=Host(name="lab"),
        user=User(name="ada"),
        process=Process(pid=1),
        recorder="whence",
        **more,  # type: ignore[arg-type]
    )


STARTED = events.RunStarted(process=Process(pid=2))


def folded(*main: events.Event, **others: list[events.Event]) -> Folded:
    stated = {"main": main, **{name.replace("_", "-"): told for name, told in others.items()}}
    journals = {
        name: [Stated(f"2026-11-21T06:00:{n:02d}.000000Z", event) for n, event in enumerate(told)]
        for name, told in stated.items()
    }
    result = fold(journals, metrics={})
    assert result is not None
    return result


def test_a_journal_that_does_not_begin_with_its_creation_is_no_run() -> None:
    assert fold({"main": [Stated("", STARTED)]}, metrics={}) is None
    assert fold({}, metrics={}) is None


def observed(*sources: OutsideSource) -> events.CodeObserved:
    return events.CodeObserved(when="end", by="modules", sources=list(sources))


def test_sources_that_several_writers_saw_are_listed_once_with_the_best_that_was_said() -> None:
    seen = OutsideSource(path="a.py", state="absent", digest="sha256:1", because="no room")
    kept = msgspec.structs.replace(seen, kept=True, because=None)
    sure = msgspec.structs.replace(seen, certain=True)
    other = msgspec.structs.replace(seen, digest="sha256:2")
    code = folded(
        created(), events.CodeCaptured(code=Code(tree="a" * 40)), observed(seen), rank_1=[observed(kept), observed()],
        rank_2=[observed(sure, other)],
    ).record.code  # fmt: skip
    assert code is not None and code.tree == "a" * 40
    assert code.outside_snapshot == [msgspec.structs.replace(kept, certain=True), other]
    assert [(one.writer, one.by) for one in code.observed_by] == [
        ("main", "modules"), ("rank-1", "modules"), ("rank-2", "modules")
    ]  # fmt: skip


def test_sources_are_listed_also_where_no_code_was_captured() -> None:
    seen = OutsideSource(path="/a.py", state="absent", digest="sha256:1", kept=True)
    code = folded(created(), observed(seen)).record.code
    assert code is not None and (code.tree, code.outside_snapshot) == (None, [seen])


def test_the_last_tag_and_field_of_a_key_win() -> None:
    record = folded(
        created(tags={"a": "1", "b": "1"}, ext={"x": 1}),
        events.TagSet(tags={"a": "2"}),
        events.FieldSet(when="during", values={"x": 2, "y": 3}),
    ).record
    assert record.tags == {"a": "2", "b": "1"}
    assert record.ext == {"x": 2, "y": 3}


def test_status_follows_start_and_end() -> None:
    assert folded(created()).record.status == "created"
    assert folded(created(), STARTED).record.status == "running"
    done = folded(created(), STARTED, events.RunEnded(status="failed", exit_code=3)).record
    assert (done.status, done.exit_code, done.started, done.ended) == (
        "failed",
        3,
        "2026-11-21T06:00:01.000000Z",
        "2026-11-21T06:00:02.000000Z",
    )


def test_what_the_table_refuses_is_left_out_and_named() -> None:
    ended = events.RunEnded(status="succeeded", exit_code=0)
    result = folded(created(), ended, STARTED, ended, events.RunEnded(status="failed", exit_code=1))
    assert result.record.status == "succeeded"
    assert result.faults == (
        "main: run.ended is not allowed when the run is created",
        "main: run.ended is not allowed when the run is ended",
    )


def test_only_main_states_the_lifecycle() -> None:
    result = folded(created(), STARTED, rank_1=[events.RunEnded(status="failed")])
    assert result.record.status == "running"
    assert result.faults == ("rank-1: run.ended: only main may state it",)


def test_what_programs_told_later_takes_the_place_of_what_they_had_told_with_its_changes() -> None:
    launcher = Configuration(when="during", values={"ranks": 2}, origins={"ranks": "command_line"})
    script = Configuration(when="during", values={"lr": 0.1}, origins={"lr": "default"})
    config = folded(
        created(),
        events.ConfigResolved(config=Configuration(values={"said": 1}, origins={"said": "declared"})),
        STARTED,
        events.ConfigResolved(config=launcher),
        events.ConfigChanged(when="during", values={"ranks": 4}, origins={"ranks": "generated"}),
        events.ConfigResolved(config=script),
        events.ConfigChanged(when="end", values={"lr": 0.2}, origins={"lr": "generated"}),
        worker_1=[events.ConfigChanged(when="during", values={"own": 3})],
    ).record.config
    assert config is not None
    assert config.values == {"said": 1, "lr": 0.2, "own": 3}
    assert config.origins == {"said": "declared", "lr": "generated"}


def configured(*configs: Configuration) -> Configuration:
    config = folded(created(), *(events.ConfigResolved(config=one) for one in configs)).record.config
    assert config is not None
    return config


def test_a_default_does_not_take_the_place_of_a_declared_value_and_both_are_named() -> None:
    file = Configuration(
        values={"steps": 100, "optim": {"lr": 0.9}, "same": 1},
        origins={"steps": "file", "optim.lr": "command_line", "same": "file"},
    )
    parsed = Configuration(
        when="during",
        values={"steps": None, "optim": {"lr": 0.1, "name": "sgd"}, "same": 1},
        origins={"steps": "default", "optim.lr": "default", "optim.name": "default", "same": "default"},
    )
    config = configured(file, parsed)
    assert config.values == {"steps": 100, "optim": {"lr": 0.9, "name": "sgd"}, "same": 1}
    assert config.origins == file.origins | {"optim.name": "default"}
    assert config.contested == [
        Contested(name="steps", value=None, origin="default", by="program", when="during"),
        Contested(name="optim.lr", value=0.1, origin="default", by="program", when="during"),
    ]


def test_what_the_program_was_given_counts_and_what_was_declared_otherwise_is_named() -> None:
    declared = Configuration(values={"lr": 0.9}, origins={"lr": "file"})
    parsed = Configuration(when="during", values={"lr": 0.5}, origins={"lr": "command_line"})
    config = configured(declared, parsed)
    assert (config.values, config.origins) == ({"lr": 0.5}, {"lr": "command_line"})
    assert config.contested == [Contested(name="lr", value=0.9, origin="file", by="declared", when="launch")]


def test_a_number_and_its_text_do_not_contradict_each_other() -> None:
    declared = Configuration(values={"lr": 0.9}, origins={"lr": "command_line"})
    parsed = Configuration(when="during", values={"lr": "0.9"}, origins={"lr": "command_line"})
    assert configured(declared, parsed).contested == []


def test_what_one_of_the_processes_declares_does_not_contradict_the_program() -> None:
    parsed = Configuration(when="during", values={"local_rank": 0}, origins={"local_rank": "command_line"})
    ranks = {
        f"rank_{rank}": [events.ConfigResolved(config=Configuration(values={"local_rank": rank}))] for rank in (0, 1)
    }
    config = folded(created(), events.ConfigResolved(config=parsed), **ranks).record.config
    assert config is not None
    assert config.contested == []


def test_a_seed_that_was_declared_stays_where_the_program_has_only_a_default() -> None:
    declared = Configuration(
        values={"seed": 1}, origins={"seed": "file"}, seeds=[Seed(name="seed", value=1, origin="file")]
    )
    parsed = Configuration(
        when="during", values={"seed": 0}, origins={"seed": "default"},
        seeds=[Seed(name="seed", value=0, origin="default")],
    )  # fmt: skip
    assert configured(declared, parsed).seeds == declared.seeds


def test_what_was_learnt_later_than_the_rest_says_when() -> None:
    launch = Configuration(values={"lr": 0.1, "bs": 4}, origins={"lr": "command_line", "bs": "file"}, overrides=["a=1"])
    placed = Seed(name="random.seed", value=3, origin="declared", place="a.py:1")
    told = Configuration(
        when="during",
        values={"lr": 0.1, "new": 1},
        origins={"lr": "command_line", "new": "default"},
        choices={"db": "mysql"},
        overrides=["a=1", "b=2"],
        seeds=[placed],
    )
    config = folded(
        created(),
        events.ConfigResolved(config=launch),
        events.ConfigResolved(config=told),
        events.ConfigChanged(when="end", values={"bs": 8}, origins={"bs": "generated"}),
    ).record.config
    assert config is not None
    during = dict.fromkeys(("new", "db", "b=2", "random.seed"), "during")
    assert (config.when, config.learnt) == ("launch", {**during, "bs": "end"})


def test_configurations_of_several_writers_are_merged_key_by_key() -> None:
    first = Configuration(
        values={"optim": {"lr": 0.1, "name": "sgd"}}, seeds=[Seed(name="seed", value=1, origin="file")]
    )
    then = Configuration(values={"optim": {"lr": 0.2}}, seeds=[Seed(name="seed", value=2, origin="declared")])
    config = folded(
        created(),
        events.ConfigResolved(config=first),
        events.ConfigChanged(when="during", values={"epochs": 3}),
        worker_1=[events.ConfigResolved(config=then)],
    ).record.config
    assert config is not None
    assert config.values == {"optim": {"lr": 0.2, "name": "sgd"}, "epochs": 3}
    assert [seed.value for seed in config.seeds] == [2]


def test_a_pending_input_is_completed_and_checked() -> None:
    pending = Input(name="d", path="d.csv", kind="file", pending=True)
    record = folded(
        created(),
        events.InputDeclared(input=pending),
        events.InputDigested(when="during", name="d", path="d.csv", digest="sha256:x", size=3),
        events.InputChecked(when="end", name="d", path="d.csv", changed="yes", digest_after="sha256:y"),
    ).record
    (entry,) = record.inputs
    assert (entry.digest, entry.pending, entry.changed, entry.digest_after) == ("sha256:x", False, "yes", "sha256:y")


def test_the_first_statement_of_an_input_that_has_a_digest_stays() -> None:
    launch = Input(name="d", path="d.csv", kind="file", digest="sha256:x")
    later = Input(name="d", path="d.csv", kind="file", digest="sha256:x", when="during")
    record = folded(created(), events.InputDeclared(input=launch), worker_1=[events.InputDeclared(input=later)]).record
    assert record.inputs == [launch]


def test_a_check_of_an_input_that_nobody_named_is_a_fault() -> None:
    result = folded(created(), events.InputChecked(when="end", name="d", path="d", changed="no"))
    assert result.faults == ("main: input.checked: ('d', 'd'): no such input was named before",)


def test_the_outputs_of_a_failed_run_are_kept_and_flagged() -> None:
    artifact = Artifact(name="m", path="m.pt")
    before = folded(created(), STARTED, events.ArtifactProduced(artifact=artifact), events.RunEnded(status="failed"))
    after = folded(created(), STARTED, events.RunEnded(status="killed"), events.ArtifactProduced(artifact=artifact))
    assert [a.unfinished for a in before.record.artifacts + after.record.artifacts] == [True, True]


def test_a_seal_by_another_process_says_what_became_of_the_run() -> None:
    seal = Seal(
        run=RUN,
        at="2026-11-21T07:00:00.000000Z",
        status="lost",
        ended="2026-11-21T06:30:00.000000Z",
        code_digest=None,
        files=[],
        journals=[],
        closed_by=ClosedBy(host="lab", pid=9, user="ada", evidence="its lock was free"),
    )
    result = fold(
        {"main": [Stated("t", created()), Stated("t", STARTED)]}, metrics={}, seal=seal, seal_digest="sha256:s"
    )
    assert result is not None
    assert (result.record.status, result.record.ended) == ("lost", "2026-11-21T06:30:00.000000Z")
    assert result.record.closed_by == seal.closed_by


FACTS = st.sampled_from(
    [
        STARTED,
        events.RunEnded(status="succeeded", exit_code=0),
        events.RunEnded(status="failed", error=Error(type="x", message="y")),
        events.RunSealed(),
        events.NoteAdded(text="n"),
        events.TagSet(tags={"k": "v"}),
        events.CaptureFailed(missing=Missing(what="w", because="b")),
        events.ArtifactProduced(artifact=Artifact(name="a", path="a")),
        events.InputDeclared(input=Input(name="i", path="i", kind="file")),
        events.InputChecked(when="end", name="i", path="i", changed="no"),
        events.RecordLost(what="w", because="b"),
    ]
)


@given(st.lists(FACTS, max_size=12))
def test_any_order_of_events_folds_and_a_final_status_never_changes(history: list[events.Event]) -> None:
    last = None
    for n in range(len(history) + 1):
        status = folded(created(), *history[:n]).record.status
        if last in ("succeeded", "failed"):
            assert status == last
        last = status


def test_what_was_observed_is_not_listed_beside_what_was_said() -> None:
    said = Input(name="train", path="a.csv", kind="file", digest="sha256:a")
    seen = [
        Input(name=path, path=path, kind="file", digest="sha256:b", how="observed") for path in ("a.csv", "d/x", "e")
    ]
    made = [Artifact(name=path, path=path, how="observed") for path in ("out/1.npy", "out/2.npy", "log.txt")]
    record = folded(
        created(),
        *(events.InputObserved(input=one) for one in seen),
        *(events.ArtifactProduced(artifact=one) for one in made),
        events.InputDeclared(input=Input(name="d", path="d", kind="folder", digest="sha256:d")),
        worker=[
            events.InputDeclared(input=said),
            events.ArtifactProduced(artifact=Artifact(name="predictions", path="out")),
        ],
    ).record
    assert [(one.name, one.how) for one in record.inputs] == [
        ("e", "observed"), ("d", "declared"), ("train", "declared")
    ]  # fmt: skip
    assert [one.name for one in record.artifacts] == ["log.txt", "predictions"]


def test_what_was_said_wins_over_what_was_seen_under_the_same_name() -> None:
    seen = Input(name="a.csv", path="a.csv", kind="file", digest="sha256:a", how="observed")
    said = Input(name="a.csv", path="a.csv", kind="file")
    record = folded(created(), events.InputObserved(input=seen), events.InputDeclared(input=said)).record
    assert [one.how for one in record.inputs] == ["declared"]


def so_far(name: str, digest: str | None = None) -> events.ObservationSoFar:
    seen = Input(when="during", name=name, path=name, kind="file", digest=digest, how="observed")
    made = Artifact(when="during", name=f"{name}.out", path=f"{name}.out", how="observed")
    return events.ObservationSoFar(inputs=[seen], artifacts=[made])


def test_what_was_seen_so_far_stands_until_the_observation_ends() -> None:
    begun = (created(), STARTED, events.ObservationStarted(mechanism="seccomp"), so_far("a"), so_far("b"))
    cut_off = folded(*begun, so_far("a", "sha256:a")).record
    assert {one.name: one.digest for one in cut_off.inputs} == {"a": "sha256:a", "b": None}
    assert {one.name for one in cut_off.artifacts} == {"a.out", "b.out"}
    said = events.InputObserved(input=Input(name="b", path="b", kind="file", digest="sha256:b", how="observed"))
    ended = folded(*begun, said, events.ObservationEnded(observation=Observation(mechanism="seccomp"))).record
    assert {one.name: one.digest for one in ended.inputs} == {"b": "sha256:b"}
    assert ended.artifacts == []


def test_the_end_of_one_observation_leaves_what_another_writer_saw_so_far() -> None:
    ended = events.ObservationEnded(observation=Observation(mechanism="seccomp"))
    record = folded(created(), STARTED, so_far("a"), ended, worker=[so_far("b")]).record
    assert [one.name for one in record.inputs] == ["b"]


def test_an_observation_that_was_cut_off_is_not_complete() -> None:
    record = folded(created(), STARTED, events.ObservationStarted(mechanism="seccomp")).record
    assert (record.observation.mechanism, record.observation.complete) == ("seccomp", False)
    assert record.observation.gaps == ["what was seen has not been said: the run goes on, or its recorder was cut off"]
