"""What runs have otherwise: pure over records, complete over the record's schema, the same from either side."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import SAMPLES, leaves, mutated, without

from whence.records.comparison import Comparison, Differing, Undecided
from whence.records.record import Record
from whence.rules.difference import PARTS, compare
from whence.rules.not_compared import NOT_COMPARED, is_compared


def record(**fields: Any) -> Record:
    return msgspec.convert(copy.deepcopy(SAMPLES[0]) | fields, Record)


def part(name: str, *records: Record) -> Any:
    return compare(records).parts[name]


# --- every field of the schema

LEAVES = leaves()
RECORDS = [msgspec.convert(sample, Record) for sample in SAMPLES]


def test_what_is_not_compared_is_a_field_of_the_record_each_with_a_reason() -> None:
    known = {name for leaf in LEAVES for name in _above(leaf)}
    assert set(NOT_COMPARED) <= known
    assert all(len(reason) > 10 for reason in NOT_COMPARED.values())


def test_every_field_is_compared_or_listed_as_not_compared() -> None:
    wrong = [leaf for leaf in LEAVES if _makes_a_difference(leaf) is not is_compared(leaf)]
    assert wrong == [], "compare them, or give the reason in NOT_COMPARED"


def _makes_a_difference(leaf: str) -> bool:
    """Whether two records that have only this field otherwise differ, in one of the samples."""
    pairs = zip(RECORDS, SAMPLES, strict=True)
    return any(compare([one, msgspec.convert(mutated(sample, leaf), Record)]).same is False for one, sample in pairs)


def _above(leaf: str) -> Iterator[str]:
    words = leaf.split(".")
    return (".".join(words[:count]) for count in range(1, len(words) + 1))


# --- properties

changes = st.lists(st.tuples(st.sampled_from(["mutate", "drop"]), st.sampled_from(LEAVES)), max_size=6)


def made(base: int, steps: list[tuple[str, str]]) -> Record:
    sample = SAMPLES[base]
    for step, leaf in steps:
        sample = mutated(sample, leaf) if step == "mutate" else without(sample, leaf)
    return msgspec.convert(sample, Record)


records = st.builds(made, st.integers(0, len(SAMPLES) - 1), changes)


@settings(max_examples=40)
@given(records)
def test_a_run_has_nothing_otherwise_than_itself(one: Record) -> None:
    compared = compare([one, one])
    assert all(found.differs == [] for found in compared.parts.values())
    assert compared.same is not False


@settings(max_examples=40)
@given(records, records)
def test_a_comparison_is_the_same_from_the_other_side(first: Record, second: Record) -> None:
    there, back = compare([first, second]), compare([second, first])
    assert back.same == there.same
    for name in PARTS:
        assert back.parts[name].same == there.parts[name].same
        assert [turned(one) for one in back.parts[name].differs] == _known(there.parts[name].differs)
        assert [_turned_unknown(one) for one in back.parts[name].unknown] == there.parts[name].unknown


@settings(max_examples=40)
@given(records, records, records)
def test_of_several_runs_what_varies_is_what_a_pair_has_otherwise(a: Record, b: Record, c: Record) -> None:
    several = compare([a, b, c])
    pairs = [compare([a, b]), compare([b, c]), compare([a, c])]
    for name in PARTS:
        varies = {one.what for one in several.parts[name].differs}
        unknown = {one.what for one in several.parts[name].unknown}
        found = {one.what for pair in pairs for one in pair.parts[name].differs}
        assert varies <= found
        assert all(what in varies or any(_is_below(what, head) for head in unknown) for what in found)


@settings(max_examples=40)
@given(records, records)
def test_a_comparison_reads_back_from_its_json(first: Record, second: Record) -> None:
    compared = compare([first, second])
    assert msgspec.json.decode(msgspec.json.encode(compared), type=Comparison) == compared


def turned(one: Differing) -> Differing:
    change = {"added": "removed", "removed": "added"}.get(one.change, one.change)
    return msgspec.structs.replace(
        one,
        change=change,
        values=one.values[::-1],
        absent=[1 - position for position in one.absent],
        origins=one.origins[::-1],
        imported=one.imported[::-1],
        relative=None,
    )


def _known(differs: list[Differing]) -> list[Differing]:
    return [msgspec.structs.replace(one, relative=None) for one in differs]


def _turned_unknown(one: Undecided) -> Undecided:
    return msgspec.structs.replace(one, because=one.because[::-1])


def _is_below(what: str, head: str) -> bool:
    return what == head or what.startswith(f"{head}.")


# --- what is not known is not the same


def test_code_that_was_not_captured_is_unknown() -> None:
    found = part("code", record(code=None), record())
    assert found.state == "unknown"
    assert [(one.what, one.because) for one in found.unknown] == [("code", ["it was not captured", None])]


def test_two_unknown_code_ids_are_not_the_same_but_two_equal_trees_are() -> None:
    code = SAMPLES[0]["code"]
    unknown = record(code=code | {"id": None, "tree": None})
    assert [one.what for one in part("code", unknown, unknown).unknown] == ["code.id"]
    tree = record(code=code | {"id": None})
    assert part("code", tree, tree).state == "same"
    other = record(code=code | {"id": None, "tree": "f" * 40})
    assert [one.what for one in part("code", tree, other).differs] == ["code.tree"]


def test_an_input_that_an_incomplete_observation_lacks_is_unknown_and_a_declared_one_is_not_there() -> None:
    seen = SAMPLES[0]["inputs"][0] | {"how": "observed"}
    blind = {"mechanism": "python", "complete": False, "gaps": ["C readers", "children"]}
    found = part("data", record(inputs=[seen]), record(inputs=[], observation=blind))
    assert found.differs == []
    assert {one.what: one.because for one in found.unknown}["inputs.x"] == [None, "C readers (and 1 more)"]
    declared = part("data", record(inputs=[seen | {"how": "declared"}]), record(inputs=[], observation=blind))
    assert [(one.what, one.change, one.absent) for one in declared.differs] == [("inputs.x", "removed", [1])]


def test_an_input_without_digest_is_unknown_in_the_words_of_the_record() -> None:
    lacking = SAMPLES[0]["inputs"][0] | {"digest": None, "because": "permission denied"}
    found = part("data", record(inputs=[lacking]), record())
    assert [one.because for one in found.unknown] == [["permission denied", None]]


def test_results_of_a_run_that_goes_on_are_unknown() -> None:
    found = part("results", record(status="running"), record(status="running"))
    assert found.state == "unknown"
    assert {one.what for one in found.unknown} == {"metrics", "artifacts"}


def test_packages_that_the_store_has_lost_are_unknown_unless_the_fingerprint_is_one() -> None:
    environment = SAMPLES[0]["environment"] | {"packages": [], "imported": []}
    lost = record(environment=environment)
    assert part("environment", lost, lost).state == "same"
    found = part("environment", lost, record(environment=environment | {"fingerprint": "sha256:" + "1" * 64}))
    assert [one.what for one in found.unknown] == ["environment.packages"]
    assert [one.what for one in found.differs] == ["environment.fingerprint"]


def test_what_the_machine_has_none_of_is_known() -> None:
    none = {"what": "environment.accelerators", "because": "not available: no device was found"}
    broken = {"what": "environment.accelerators", "because": "nvidia-smi: it hangs"}
    assert part("environment", record(missing=[none]), record(missing=[none])).state == "same"
    assert part("environment", record(missing=[none]), record(missing=[broken])).state == "unknown"


def test_hashes_under_two_keys_cannot_be_compared() -> None:
    code = SAMPLES[0]["code"]
    left = [code["files_left_out"][0] | {"digest": f"keyed:{letter * 32}"} for letter in "ab"]
    mine, changed = (record(code=code | {"files_left_out": [one]}) for one in left)
    theirs = record(code=code | {"files_left_out": [left[1]]}, user={"name": "another"})
    assert part("code", mine, changed).state == "differs"
    assert part("code", mine, theirs).state == "unknown"


# --- how facts are told


def test_a_seed_stands_among_the_seeds_and_not_among_the_values() -> None:
    config = SAMPLES[0]["config"]
    first, second = (
        record(
            config=config
            | {"values": {"seed": seed, "lr": 0.1}, "seeds": [{"name": "seed", "value": seed, "origin": "file"}]}
        )
        for seed in (1, 2)
    )
    compared = compare([first, second])
    assert compared.parts["config"].state == "same"
    assert [(one.what, one.values) for one in compared.parts["seeds"].differs] == [("config.seeds.seed", [1, 2])]


def test_a_metric_tells_by_how_much_it_changed() -> None:
    metric = {"last": 0.5, "min": 0.5, "max": 0.5, "mean": 0.5, "first": 0.5, "count": 1, "step": None}
    second = record(metrics={"acc": metric | {"last": 0.6}, "odd": metric | {"last": "NaN"}})
    first = record(metrics={"acc": metric, "odd": metric})
    relative = {one.what: one.relative for one in part("results", first, second).differs}
    assert relative == {"metrics.acc": pytest.approx(0.2), "metrics.odd": None}


def test_true_is_not_one_and_one_is_one_point_zero() -> None:
    config = SAMPLES[0]["config"] | {"seeds": []}
    first, second, third = (record(config=config | {"values": {"k": value}}) for value in (1, 1.0, True))
    assert part("config", first, second).state == "same"
    assert part("config", first, third).state == "differs"


def test_programs_are_the_same_wherever_they_lie() -> None:
    program = SAMPLES[0]["programs"][0]
    moved = program | {"path": "/elsewhere/" + program["path"].rpartition("/")[2]}
    assert part("environment", record(), record(programs=[moved])).state == "same"


def test_only_the_parts_that_are_asked_for_are_compared() -> None:
    compared = compare([record(), record(command=["other"])], ["config", "code"])
    assert list(compared.parts) == ["code", "config"]
    assert compared.same is True


# --- files of the configuration, and places of pinned data


def _input(**fields: Any) -> dict[str, Any]:
    base = {"name": "fit.toml", "path": "fit.toml", "kind": "file", "how": "observed", "role": "config"}
    return base | {"digest": "sha256:" + "1" * 64} | fields


def test_a_file_of_configuration_that_was_only_seen_is_compared_among_the_configuration() -> None:
    first, second = record(inputs=[_input()]), record(inputs=[_input(digest="sha256:" + "2" * 64)])
    assert [one.what for one in part("config", first, second).differs] == ['config.files."fit.toml"']
    assert part("data", first, second).differs == []


def test_a_file_of_configuration_that_an_incomplete_observation_lacks_is_unknown() -> None:
    partial = record(inputs=[], observation={"mechanism": "strace", "complete": False, "gaps": ["two calls lost"]})
    found = part("config", record(inputs=[_input()]), partial)
    assert (found.differs, found.unknown) == (
        [], [Undecided(what='config.files."fit.toml"', because=[None, "two calls lost"])],
    )  # fmt: skip
    assert part("config", partial, partial).unknown == []


def test_a_file_of_configuration_without_digest_is_unknown_among_the_configuration() -> None:
    found = part("config", record(inputs=[_input(digest=None, because="it was gone")]), record(inputs=[_input()]))
    assert found.unknown == [Undecided(what='config.files."fit.toml"', because=["it was gone", None])]


def test_where_a_pinned_version_lay_is_no_value_of_the_configuration() -> None:
    def pinned(version: str) -> Record:
        place = f"/store/cache/data/{version * 64}"
        pin = _input(name="train", path=place, how="pinned", role="data", digest="sha256:" + version * 64)
        values = {"data": place, "files": [f"{place}/x.csv", f"{place}-other"], "n": 1}
        return record(inputs=[pin], config=SAMPLES[0]["config"] | {"values": values, "origins": {}})

    found = part("config", pinned("1"), pinned("2"))
    assert {one.what: one.values for one in found.differs} == {
        "config.values.files": [
            ["{data.train}/x.csv", f"/store/cache/data/{version * 64}-other"] for version in ("1", "2")
        ]
    }
    assert [one.what for one in part("data", pinned("1"), pinned("2")).differs] == ["inputs.train"]


def test_the_same_version_is_the_same_data_whether_or_not_it_was_read_and_a_change_is_said_in_words() -> None:
    pin = _input(name="train", path="/x", how="pinned", role="data", changed="no", opened=True)
    read, unread = record(inputs=[pin]), record(inputs=[pin | {"opened": False}])
    assert part("data", read, unread).differs == []
    written = record(inputs=[pin | {"opened": False, "changed": "yes"}])
    assert {one.what: one.values for one in part("data", read, written).differs} == {
        "inputs.train.changed": [None, "was changed while the run went on"]
    }
    unsure = record(inputs=[pin | {"changed": "unknown", "because": "the folder could not be read"}])
    assert part("data", read, unsure).unknown == [
        Undecided(what="inputs.train.changed", because=[None, "the folder could not be read"])
    ]
