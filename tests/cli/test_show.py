"""`whence show`, and what a reference may be, seen from outside."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
from workplace import Workplace


def test_the_page_is_grouped_as_a_reviewer_reads(lab) -> None:
    page = lab.place.whence("show", lab.good).ok().out
    titles = ["what", "code", "configuration", "data", "environment", "results", "what is missing"]
    assert [line for line in page.splitlines() if line in titles] == titles
    for fact in ("train.py", "lr", "0.1", "data.csv", "model.json", "fingerprint", "[launch]", "[end]", "sealed"):
        assert fact in page


def test_what_is_missing_is_what_the_audit_finds(workplace: Workplace) -> None:
    workplace.write("in.csv", "1\n")
    workplace.repository()
    workplace.write(".env", "TOKEN=abcdefgh12345678ABCD\n")
    workplace.record("sh", "-c", "echo 2 >> in.csv", options=("--input", "in.csv", "--output", "never.pt"))
    found = workplace.whence("audit", "--json").json()["findings"]
    _, _, rest = workplace.whence("show").ok().out.partition("\nwhat is missing\n")
    missing, _, remarks = rest.partition("\nremarks\n")
    counted = [one["what"] for one in found if one["level"] != "remark"]
    assert {"artifacts.never.pt", 'code.files_left_out.".env"'} <= set(counted)
    assert "inputs.in.csv" in {one["what"] for one in found if one["level"] == "remark"}
    assert [line.split()[0] for line in missing.split("\n") if line] == [*counted, "cures"]
    assert [line.split()[0] for line in remarks.split("\n") if line] == [
        one["what"] for one in found if one["level"] == "remark"
    ]


ROWS = {
    "a seed of the configuration, once": (
        ("--param", "seed=3"), "true", r"\n  seed  3  \(command_line\)  \[launch\]\n\n"
    ),
    "no inputs, where a row begins": ((), "true", r"\n  no inputs are known\n"),
    "no version control, in words": ((), "true", r"  commit +no version control  "),
    "an output that was not written, its path once": (
        ("--output", "never.pt"), "true", r"\n  never.pt  MISSING: declared and never written  "
    ),
    "a signal, once": ((), "kill -TERM $$", r"signal +SIGTERM\n  (?!error)"),
    "a URL, without a size": (("--input", "https://x.org/a"), "true", r"nothing was fetched  declared"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "script", "pattern"), ROWS.values(), ids=ROWS)
def test_a_row_says_a_thing_once(options: tuple[str, ...], script: str, pattern: str, workplace: Workplace) -> None:
    workplace.whence("run", *options, "--", "sh", "-c", script)
    page = workplace.whence("show").ok().out
    assert re.search(pattern, page), page


def test_a_metric_of_one_point_has_no_range(workplace: Workplace) -> None:
    workplace.script("s.py", "import whence\nwith whence.start(purpose='to see') as run: run.log({'acc': 0.5})\n")
    workplace.whence("run", "--", "python", "s.py").ok()
    page = workplace.whence("show").ok().out
    assert "0.5  (1 point)" in page
    assert "  purpose: to see\n" in page


@pytest.mark.scenario("P5")
def test_the_json_is_the_record_of_the_published_schema(lab) -> None:
    schema = lab.place.whence("schema", "record").ok().json()
    record = lab.place.show(lab.good)
    jsonschema.Draft202012Validator(schema).validate(record)
    assert record["as_of"] is not None
    assert record["standing"] == "active"


def test_a_value_with_a_newline_never_makes_a_line(lab) -> None:
    page = lab.place.whence("show", lab.bad).ok().out
    assert "bad\\npurpose" in page
    assert not any(line.startswith("name") for line in page.splitlines())


def test_a_run_is_meant_by_place_id_tail_name_or_content(lab) -> None:
    for reference in ("@~2", lab.good, lab.good[-8:], lab.good[-4:], "good"):
        assert lab.place.show(reference)["id"] == lab.good
    for part in (lab.good[-8:-4], lab.good[-7:-2]):
        assert lab.place.show(part)["id"] == lab.good
    assert lab.place.show("@")["id"] == lab.dirty == lab.place.show("@~0")["id"]


def test_the_head_of_an_id_is_no_reference_and_the_message_says_the_rule(lab) -> None:
    done = lab.place.whence("show", lab.good[:8])
    assert done.code == 3
    assert "hint: ids begin with a clock, so that runs share it: name a run by the end of its id" in done.err


UNKNOWN = {
    "before the first": "@~99",
    "no such id": "01a1fcf6-350c-7bf0-8831-4bb34402024e",
    "no such name": "nothing-of-the-kind",
    "a tail that is too short": "abc",
    "no such file": "./missing.bin",
    "no such content": "sha256:" + "0" * 64,
}


@pytest.mark.scenario("P4")
@pytest.mark.parametrize("reference", UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_reference_ends_with_3_and_a_hint(reference: str, lab) -> None:
    done = lab.place.whence("show", reference)
    assert done.code == 3
    assert done.out == ""
    assert reference in done.err
    assert "hint: " in done.err


def test_a_name_that_is_nearly_right_is_suggested(lab) -> None:
    done = lab.place.whence("show", "goood")
    assert done.code == 3
    assert lab.good in done.err


def test_an_ambiguous_reference_lists_the_candidates(workplace: Workplace) -> None:
    ids = [workplace.record("true", options=("--name", "twice"))["id"] for _ in range(2)]
    done = workplace.whence("show", "twice")
    assert done.code == 3
    assert "twice: 2 runs match, expected one" in done.err
    assert all(run in done.err for run in ids)


def test_a_file_leads_to_the_run_that_made_it(workplace: Workplace) -> None:
    run = workplace.record("sh", "-c", "echo unique > made.txt", options=("--output", "made.txt"))["id"]
    assert workplace.show("./made.txt")["id"] == run
    assert workplace.show(str(workplace.path / "made.txt"))["id"] == run


def test_a_file_of_a_folder_or_of_a_version_leads_to_the_run_that_made_that(workplace: Workplace) -> None:
    folder = workplace.record("sh", "-c", "mkdir out; echo result > out/r.txt", options=("--output", "out"))["id"]
    script = "mkdir -p c/deep; echo row > c/deep/f.csv; cat out/r.txt"
    version = workplace.record("sh", "-c", script, options=("--output-data", "cohort=c", "--input", "out/r.txt"))["id"]
    assert workplace.show("out/r.txt")["id"] == folder, "and not the one that read it"
    assert workplace.show("c/deep/f.csv")["id"] == version
    workplace.whence("get", f"{version}:cohort/deep/f.csv", "got.csv").ok()
    assert (workplace.path / "got.csv").read_text() == "row\n"
    assert workplace.whence("cat", f"{folder}:out/r.txt").ok().out == "result\n"
    unknown = workplace.whence("get", f"{version}:cohort/deep/none", "none")
    assert (unknown.code, "has no output or input 'cohort/deep/none'" in unknown.err) == (3, True)
    again = workplace.record("sh", "-c", "mkdir two; cp out/r.txt two", options=("--output", "two"))["id"]
    several = workplace.whence("show", "out/r.txt")
    assert several.code == 3 and "2 runs made folders that have these bytes" in several.err
    assert folder in several.err and again in several.err


def test_a_digest_leads_to_the_run_that_made_it(workplace: Workplace) -> None:
    record = workplace.record("sh", "-c", "echo unique > made.txt", options=("--output", "made.txt"))
    assert workplace.show(record["artifacts"][0]["digest"])["id"] == record["id"]


@pytest.mark.scenario("S31", "H11")
def test_a_child_stands_on_the_page_of_its_parent(workplace: Workplace) -> None:
    workplace.whence("run", "--name", "outer", "--", "whence", "run", "--name", "inner", "--", "false")
    inner, outer = workplace.show("inner"), workplace.show("outer")
    assert inner["parent"] == outer["id"]
    assert outer["children"] == [inner["id"]]


def test_a_run_copied_with_its_acts_carries_them(workplace: Workplace) -> None:
    run = workplace.record("true")["id"]
    workplace.whence("note", run, "looks fine").ok()
    for path in (workplace.store / "acts").rglob("*.json"):
        path.unlink()
    assert [note["text"] for note in workplace.show(run)["notes"]] == ["looks fine"]


def test_times_are_utc_and_every_fact_says_when(lab) -> None:
    record = lab.place.show(lab.good)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", record[key]) for key in ("created", "started", "ended"))
    assert record["code"]["when"] == record["config"]["when"] == record["environment"]["when"] == "launch"
    assert json.dumps(record)


def test_who_looked_at_the_loaded_code_is_shown_and_audit_remarks_where_nobody_did(workplace: Workplace) -> None:
    workplace.script("job.py", "import sys\n")
    workplace.repository()
    workplace.record("python", "job.py", options=("--policy", "observe=off"))
    assert "nobody looked at what code was loaded" in workplace.whence("show", "@").ok().out
    assert "code.observed_by: nobody looked at what code was loaded" in workplace.whence("audit", "@", "--all").out
    workplace.script("job.py", "import whence\nwith whence.start():\n    pass\n")
    workplace.python("job.py").ok()
    assert "main, by the modules that were loaded" in workplace.whence("show", "@").ok().out
    assert "code.observed_by" not in workplace.whence("audit", "@", "--all").out


def test_a_source_that_was_edited_during_the_run_stands_under_code_and_audit_names_it(workplace: Workplace) -> None:
    workplace.script("job.py", "open('helper.py', 'a').write('# edited')\n")
    workplace.repository(**{"helper.py": "x = 1\n"})
    workplace.record("python", "job.py", options=("--policy", "observe=off"))
    code = workplace.whence("show", "@").ok().out.partition("\ncode\n")[2].partition("\n\n")[0]
    assert "edited  " in code and "helper.py  or removed while the run was going" in code
    assert (
        "weak     code.changed.helper.py: was edited or removed while the run was going"
        in workplace.whence("audit", "@").out
    )


def test_data_that_changed_during_the_run_is_not_called_an_edited_source(workplace: Workplace) -> None:
    workplace.script("job.py", "for name in ('rows.csv', 'tool'): open(name, 'a').write('more')\n")
    workplace.repository(**{"rows.csv": "1\n", "tool": "#!/bin/sh\n"})
    record = workplace.record("python", "job.py", options=("--policy", "observe=off"))
    assert [one["detail"] for one in record["anomalies"]] == [["tool"]]


def test_a_seed_that_code_set_and_a_tree_with_gaps_are_said_so(repository: Workplace) -> None:
    repository.write("job.py", "import random; random.seed(7)\n")
    repository.write("big.bin", "x" * 3000)
    repository.record("python", "job.py", options=("--param", "seed=3", "--policy", "untracked_limit=2000"))
    page = repository.whence("show").ok().out
    assert "seeded" in page and " = 7 (set at job.py:1)" in page
    assert "(complete, without 1 file)" in page


def test_a_file_in_the_current_folder_is_shown_by_its_name_where_no_run_has_it(workplace: Workplace) -> None:
    first = workplace.record("sh", "-c", "echo 1 > out.bin; echo 2 > other", options=("--output", "out.bin"))["id"]
    second = workplace.record("true", options=("--name", "other"))["id"]
    shown = [workplace.whence("show", name, "--json").ok().json()["id"] for name in ("out.bin", "other")]
    assert shown == [first, second]
    done = workplace.whence("show", "gone.bin")
    assert done.code == 3
    assert done.err.splitlines()[0] == f"whence: gone.bin: no such run in {workplace.store}, and no file ./gone.bin"
