"""What a person meets on the first day: each message is true, names the thing, and its cure works."""

from __future__ import annotations

import json
import re

import pytest
from workplace import WHENCE, Done, Workplace, wait_until


def _findings(place: Workplace) -> dict[str, str]:
    """What audit says about the latest run: each fact with its cure."""
    audited = json.loads(place.whence("audit", "@", "--json").out)
    return {finding["what"]: finding["fix"] for finding in audited["findings"]}


def _refused(done: Done, *parts: str) -> None:
    assert done.code == 2, done.err
    assert "fault of whence" not in done.err
    for part in parts:
        assert part in done.err


# Advice


def test_advice_for_a_left_out_file_fits_the_reason(repository: Workplace) -> None:
    repository.write(".env", "PASSWORD=correct-horse\n")
    repository.write("big.bin", b"\1" * 3000)
    repository.whence("run", "--observe", "off", "--policy", "untracked_limit=2000", "--", "true").ok()
    found = _findings(repository)
    assert "environment variable" in found['code.files_left_out.".env"']
    assert "untracked_limit" not in found['code.files_left_out.".env"']
    assert "untracked_limit" in found["code.files_left_out.big.bin"]


def test_advice_for_a_lost_value_is_not_about_the_disk(workplace: Workplace) -> None:
    workplace.write("job.py", "import whence\nwith whence.start() as run: run.log({'bad': 'text'})\n")
    workplace.python("job.py").ok()
    fix = _findings(workplace)["metric bad"]
    assert "space" not in fix
    assert "run.log() takes numbers" in fix


def test_a_required_field_is_advised_for_the_next_run(workplace: Workplace) -> None:
    workplace.write("whence.toml", "[fields.batch]\nrequired = true\n")
    workplace.whence("run", "--", "true").ok()
    assert _findings(workplace)["ext.batch"] == (
        "run again with --field batch=VALUE, or say run.field('batch', VALUE) in the code"
    )


# Usage


@pytest.mark.parametrize("number", ["-1", "1.5", "many", "1" * 30, "²"])
def test_a_count_that_is_none_is_usage(number: str, workplace: Workplace) -> None:
    workplace.record("true")
    _refused(workplace.whence("log", f"--limit={number}"), "--limit", number, "expected a whole number")


@pytest.mark.parametrize("number", ["-1", "nan", "inf", "soon", "1e300"])
def test_a_time_that_is_none_is_usage(number: str, workplace: Workplace) -> None:
    workplace.record("true")
    _refused(workplace.whence("stop", "@", f"--wait={number}"), "--wait", number, "expected seconds")


@pytest.mark.parametrize("key", ["digest_before_start", "seal_within", "untracked_limit", "output_log_limit"])
@pytest.mark.parametrize("number", ["-1", "nan", "1" * 5000, "1e400", "much"])
def test_a_number_of_policy_that_is_none_is_usage(key: str, number: str, workplace: Workplace) -> None:
    _refused(workplace.whence("run", "--policy", f"{key}={number}", "--", "true"), key, "expected")
    assert not workplace.store.exists()


@pytest.mark.parametrize("number", ["0", "99999999999999999999"])
@pytest.mark.parametrize("key", ["digest_before_start", "seal_within", "untracked_limit", "output_log_limit"])
def test_the_ends_of_a_number_of_policy_are_numbers(key: str, number: str, workplace: Workplace) -> None:
    workplace.write("in.txt", "1\n")
    options = ("--policy", f"{key}={number}", "--input", "in.txt", "--output", "out.txt")
    record = workplace.record("sh", "-c", "echo printed > out.txt; echo printed", options=options)
    assert record["status"] == "succeeded"


def test_a_command_without_its_dashes_is_told_where_they_go(workplace: Workplace) -> None:
    done = workplace.whence("run", "--name", "a b", "python", "train.py", "--lr", "0.1")
    _refused(done, "expected `--` before python", "`whence run --name 'a b' -- python train.py --lr 0.1`")


def test_an_unknown_option_is_not_taken_for_a_command(workplace: Workplace) -> None:
    _refused(workplace.whence("run", "--nmae", "x", "--", "true"), "found the option --nmae, which is none of ours")


# Getting


@pytest.fixture
def made(workplace: Workplace) -> Workplace:
    """A folder with a run that wrote `plot.svg`."""
    workplace.record("sh", "-c", "echo drawn > plot.svg", options=("--output", "plot.svg"))
    return workplace


def test_a_destination_that_ends_as_a_folder_is_one(made: Workplace) -> None:
    made.whence("get", "@:plot.svg", "figures/deep/").ok()
    assert (made.path / "figures/deep/plot.svg").read_text() == "drawn\n"
    made.whence("get", "@:plot.svg", "figures").ok()
    assert (made.path / "figures/plot.svg").read_text() == "drawn\n"


def test_a_destination_in_no_folder_is_an_error_that_names_it(made: Workplace) -> None:
    _refused(made.whence("get", "@:plot.svg", "nowhere/copy.svg"), "nowhere/copy.svg", "hint: ")
    assert not (made.path / "nowhere").exists()


def test_a_destination_that_cannot_be_written_is_named_by_its_own_name(made: Workplace) -> None:
    made.write("file", "")
    for dest in ("file/", "file/below/", "/proc/copy.svg"):
        done = made.whence("get", "@:plot.svg", dest)
        assert done.code in (2, 4)
        assert dest.rstrip("/") in done.err
        assert ".tmp-" not in done.err


# Who


def test_an_act_says_who_said_it_without_any_variable(repository: Workplace) -> None:
    repository.record("true")
    repository.git("config", "user.name", "Ada Example")
    repository.git("config", "user.email", "ada@example.org")
    nobody = {"USER": None, "LOGNAME": None, "GIT_AUTHOR_NAME": None, "GIT_AUTHOR_EMAIL": None}
    by = repository.whence("note", "@", "seen", "--json", env=nobody).ok().json()["by"]
    assert (by["name"], by["email"]) == ("Ada Example", "ada@example.org")
    assert by["user"] == repository.show()["user"]["name"]


# Status


def test_status_gives_a_secret_file_the_digest_that_a_run_gives_it(repository: Workplace) -> None:
    repository.write(".env", "PASSWORD=correct-horse\n")
    (left,) = repository.whence("status", "--json").ok().json()["code"]["files_left_out"]
    (recorded,) = repository.record("true")["code"]["files_left_out"]
    assert left == recorded


def test_status_does_not_call_a_folder_without_git_clean(workplace: Workplace) -> None:
    out = workplace.whence("status").ok().out
    assert "clean" not in out
    assert "no version control" in out
    assert str(workplace.path) in out


def test_status_says_what_policy_is_and_who_said_so(repository: Workplace) -> None:
    out = repository.whence("status", "--policy", "seal_within=5").ok().out
    assert "policy    seal_within = 5.0 (from --policy)" in out


# Names


@pytest.mark.parametrize("name", ["@latest", "a:b", "a/b", "two\nlines", "-x", " ", "", "x" * 500])
def test_a_name_that_no_reference_could_mean_is_refused(name: str, workplace: Workplace) -> None:
    _refused(workplace.whence("run", f"--name={name}", "--", "true"), "name", "hint: ")
    workplace.write("job.py", f"import whence\nwhence.start(name={name!r})\n")
    assert "whence.errors.UsageError: name" in workplace.python("job.py").err
    assert not workplace.store.exists()


def test_a_word_that_is_no_kind_of_output_is_told_so(workplace: Workplace) -> None:
    workplace.whence("run", "--output", "figure:x.svg", "--", "touch", "x.svg").ok()
    fix = _findings(workplace)["artifacts.figure:x.svg"]
    assert "'figure' is no kind" in fix
    assert "plot" in fix


def test_what_a_script_calls_itself_is_not_lost_under_a_run(workplace: Workplace) -> None:
    workplace.write("job.py", "import whence\nwith whence.start(name='inner', purpose='why', hypothesis='so'): pass\n")
    record = workplace.record("python", "job.py", options=("--name", "outer"))
    assert record["name"] == "outer"
    assert [note["text"] for note in record["notes"]] == ["name: inner", "purpose: why", "hypothesis: so"]


# Policy


def test_a_broken_policy_does_not_hide_what_was_recorded(workplace: Workplace) -> None:
    run = workplace.record("true")["id"]
    workplace.write("whence.toml", "drity = 'warn'\nstore = '.whence'\n")
    assert workplace.whence("log", "--json").ok().json()["id"] == run
    assert workplace.show()["id"] == run
    workplace.python("-c", "import whence; whence.open().run('@')").ok()
    for command in (["run", "--", "true"], ["status"]):
        _refused(workplace.whence(*command), "whence.toml", "drity", "dirty")
    audit = workplace.whence("audit")
    assert audit.code == 1
    assert "unknown policy key 'drity'; it does not count here" in audit.err


HALF_EDITED = {"whence.toml": "dirty = \n", "pyproject.toml": "[tool.whence]\ndirty = \n"}


@pytest.mark.parametrize("name", HALF_EDITED)
def test_a_half_edited_policy_file_stops_who_records_and_no_reader(name: str, workplace: Workplace) -> None:
    run = workplace.record("true", options=("--input", workplace.write("in.csv")))["id"]
    file = workplace.write(name, HALF_EDITED[name])
    said = f"whence: {file}: not valid TOML: "
    for words in (["log"], ["show"], ["verify"], ["audit", run], ["cat", "@:log"], ["note", "@", "so be it"]):
        done = workplace.whence(*words).ok()
        assert done.err.startswith(said)
        assert done.err.count("it does not count here") == 1
    assert file.name in workplace.python("-c", "import whence; whence.open().run('@').note('x')").ok().err
    [check] = [one for one in workplace.whence("doctor", "--json").json()["checks"] if one["name"] == "policy"]
    assert (check["level"], check["fix"]) == ("bad", "mend the file, or move it away")
    assert check["found"].startswith(str(file))
    for command in (["run", "--", "true"], ["status"]):
        _refused(workplace.whence(*command), str(file), "not valid TOML")
    assert len(workplace.run_folders()) == 1


def test_a_wrong_declaration_of_a_field_names_its_file(workplace: Workplace) -> None:
    file = workplace.write("whence.toml", "[fields.batch]\ntipe = 'str'\n")
    _refused(workplace.whence("run", "--", "true"), f"{file}: [fields] batch: unknown key 'tipe'", "known keys: type")
    assert not workplace.store.exists()


def test_a_configuration_that_cannot_be_parsed_is_said_at_launch(workplace: Workplace) -> None:
    workplace.write("bad.json", "{")
    done = workplace.whence("run", "--config", "bad.json", "--", "true").ok()
    assert done.err.count("bad.json could not be parsed") == 1


# Looking

TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


def _on_terminal(place: Workplace, columns: int, *words: str) -> list[str]:
    """The lines that whence prints on a terminal of that width."""
    done = place.python("-c", TERMINAL, "whence", *words, env={"COLUMNS": str(columns), "NO_COLOR": "1"}).ok()
    return done.out.splitlines()


def test_a_terminal_that_does_not_say_its_width_has_80_columns(repository: Workplace) -> None:
    repository.record("true")
    silent = repository.python("-c", TERMINAL, "whence", "log").ok().out
    assert silent.splitlines() == _on_terminal(repository, 80, "log")


def test_a_terminal_of_80_columns_shows_the_command(repository: Workplace) -> None:
    repository.record("python", "-c", "pass")
    repository.whence("run", "--name", "a-name-of-some-length", "--", "sh", "-c", "exit 3")
    heading, failed, first = _on_terminal(repository, 80, "log")
    assert heading.split() == ["run", "created", "status", "took", "code", "name", "command"]
    assert failed.endswith("  sh -c 'exit 3'")
    assert first.endswith("  python -c pass")
    assert max(map(len, (heading, failed, first))) <= 80
    assert _on_terminal(repository, 40, "log")[1].endswith("…")


def test_an_empty_answer_is_said_beside_it(workplace: Workplace) -> None:
    workplace.record("true")
    assert _on_terminal(workplace, 80, "log", "name = zzz")[-1] == "whence: no run matches"
    for words in ((), ("--json",), ("--group", "status")):
        assert workplace.whence("log", "name = zzz", *words).ok().err == "whence: no run matches\n"


def test_an_audit_that_finds_no_run_does_not_pass(workplace: Workplace) -> None:
    workplace.record("true")
    audited = workplace.whence("audit", "name = zzz")
    assert (audited.code, audited.out) == (3, "")
    assert "name = zzz: no run matches, expected at least one: nothing was audited" in audited.err


def test_columns_without_anything_in_them_are_left_out_on_a_terminal(workplace: Workplace) -> None:
    workplace.record("true")
    heading, _ = _on_terminal(workplace, 80, "log")
    assert "name" not in heading


def test_a_short_run_took_milliseconds_and_a_running_one_what_it_took_so_far(workplace: Workplace) -> None:
    workplace.record("true")
    assert re.search(r"succeeded +(\d+ ms|\d+(\.\d)?s)  ", workplace.whence("log").ok().out)
    workplace.start_whence("run", "--", "sleep", "600", stdout=-3, stderr=-3)
    took = re.compile(r"running +\d+(\.\ds| ms)")
    wait_until(lambda: took.search(workplace.whence("log", "--limit", "1").ok().out), what="what it took so far")
    workplace.whence("stop", "@").ok()


@pytest.mark.parametrize("columns", [60, 80, 130])
def test_a_digest_is_never_cut(columns: int, workplace: Workplace) -> None:
    workplace.write("a-name-of-some-length/data.csv", "1\n")
    record = workplace.record("true", options=("--input", "a-name-of-some-length/data.csv"))
    lines = _on_terminal(workplace, columns, "show")
    digests = [record["seal"], record["environment"]["fingerprint"], record["inputs"][0]["digest"]]
    assert [sum(digest in line for line in lines) for digest in digests] == [1, 1, 1]
    assert [line for line in lines if len(line) > columns and " " in line.strip()] == []


def test_a_long_row_is_wrapped_under_its_column_and_all_of_it_shown_when_asked(workplace: Workplace) -> None:
    workplace.record("true", options=("--purpose", " ".join(f"word{n}" for n in range(200))))
    lines = [line for line in _on_terminal(workplace, 80, "show") if "word" in line or "more lines" in line]
    assert len(lines) == 7
    assert {len(line) - len(line.lstrip()) for line in lines[1:]} == {lines[0].index("word0")}
    assert "word199" in " ".join(_on_terminal(workplace, 80, "show", "--all"))


def test_an_input_that_no_run_made_leads_to_those_that_read_it(workplace: Workplace) -> None:
    workplace.write("data.csv", "1\n")
    run = workplace.record("true", options=("--input", "data.csv"))["id"]
    done = workplace.whence("show", "./data.csv")
    assert done.code == 3
    assert run in done.err


def test_a_file_that_several_runs_made_leads_to_all_of_them(workplace: Workplace) -> None:
    runs = [workplace.record("sh", "-c", "echo 1 > o", options=("--output", "o"))["id"] for _ in range(2)]
    done = workplace.whence("show", "./o")
    assert done.code == 3
    assert all(run in done.err for run in runs)


def test_a_run_that_goes_on_shows_what_it_has_printed(workplace: Workplace) -> None:
    command = ("sh", "-c", "echo 0123456; touch ready; exec sleep 600")
    workplace.start_whence("run", "--", *command, stdout=-3, stderr=-3)
    wait_until(lambda: (workplace.path / "ready").exists(), what="the command")
    wait_until(lambda: "printed" in workplace.whence("show").ok().out, what="the printed line")
    assert "8 B" in workplace.whence("show").ok().out
    workplace.whence("stop", "@").ok()


def test_one_is_not_many_and_a_detail_is_shown(workplace: Workplace) -> None:
    body = "run.log(loss=1.0); run.anomaly('spike', {'z': 9}); run.progress('half', 0.5)"
    workplace.write("job.py", f"import whence\nwith whence.start() as run: {body}\n")
    workplace.python("job.py").ok()
    page = workplace.whence("show").ok().out
    assert "1 point)" in page
    assert 'spike: {"z":9}' in page
    assert "50% half" in page


def test_a_plan_to_restore_needs_no_folder(repository: Workplace) -> None:
    repository.record("true")
    assert "the folder: would hold" in repository.whence("restore", "@", "--plan").ok().out


def test_a_tag_that_is_not_there_cannot_be_removed(workplace: Workplace) -> None:
    workplace.record("true", options=("--tag", "paper"))
    _refused(workplace.whence("tag", "@", "--remove", "zzz"), "'zzz'", "its tags are paper")


def test_a_store_of_another_format_is_named_with_a_cure(workplace: Workplace) -> None:
    workplace.record("true")
    for content in ('{"format":9}', '{"format":"whence-store/9","id":"x","created":"y"}', "rubbish"):
        (workplace.store / "store.json").chmod(0o600)
        (workplace.store / "store.json").write_text(content)
        done = workplace.whence("log")
        assert done.code == 4
        assert "hint: " in done.err and "newer whence" in done.err
        assert "store.json" in done.err and "expected" in done.err


def test_the_package_can_be_run_as_a_module(workplace: Workplace) -> None:
    assert workplace.python("-m", "whence", "--version").ok().out.startswith("whence ")
    assert workplace.python("-m", "whence", "nothing").code == 2


@pytest.mark.parametrize("kept", [True, False])
def test_an_input_folder_that_lies_unchanged_can_be_had(kept: bool, workplace: Workplace) -> None:
    for name in ("a.csv", "deep/b.csv"):
        workplace.write(f"data/{name}", f"{name}\n")
    (workplace.path / "data/link").symlink_to("a.csv")
    options = ("--input", "data", *(("--policy", "keep_inputs=copy") if kept else ()))
    workplace.record("true", options=options)
    workplace.whence("get", "@:data", "copy").ok()
    assert (workplace.path / "copy/deep/b.csv").read_text() == "deep/b.csv\n"
    assert (workplace.path / "copy/link").readlink().name == "a.csv"
    workplace.write("data/deep/b.csv", "other\n")
    done = workplace.whence("get", "@:data", "again")
    assert done.code == (0 if kept else 3), done.err
    assert (workplace.path / "again").exists() is kept
    assert not list(workplace.path.glob(".tmp-*"))


def test_completion_offers_what_may_stand_behind_an_option(workplace: Workplace) -> None:
    words = "COMP_WORDS=(whence log --status fa); COMP_CWORD=3"
    ask = f'eval "$(whence completion bash)"; {words}; _whence; echo "${{COMPREPLY[@]}}"'
    assert workplace.run(["bash", "-c", ask]).ok().out == "failed\n"


@pytest.mark.parametrize("gone", [True, False])
def test_a_tracked_folder_that_is_not_as_it_was_leads_to_the_code(gone: bool, repository: Workplace) -> None:
    repository.write("data/a.csv", "1\n")
    repository.commit()
    run = repository.record("true", options=("--input", "data"))["id"]
    (repository.path / "data/a.csv").unlink() if gone else repository.write("data/a.csv", "other\n")
    done = repository.whence("get", "@:data", "copy")
    assert done.code == 3
    assert f"`whence restore {run} DIR`" in done.err
    repository.whence("restore", run, "../as-it-ran").ok()
    assert (repository.path.parent / "as-it-ran/data/a.csv").read_text() == "1\n"


def test_memory_that_was_not_measured_is_said(workplace: Workplace) -> None:
    for _ in range(3):
        record = workplace.record("true")
        measured = record["resources"].get("peak_memory") is not None
        memory = next(line for line in workplace.whence("show").ok().out.splitlines() if line.startswith("  memory"))
        assert ("not measured" in memory) is not measured


def test_a_configuration_file_of_a_format_that_is_not_read_is_said_at_the_launch(workplace: Workplace) -> None:
    workplace.write("c.txt", "lr: 0.1\n")
    said = "c.txt is in a format that is not read (json, yaml, toml and ini are, by their suffix); its bytes are kept"
    assert f"warning: {said}" in workplace.whence("run", "--config", "c.txt", "--", "true").ok().err
    assert "config.files.c.txt: is in a format that is not read" in workplace.whence("audit", "@", "--all").out
    workplace.write("c.ini", "[a]\nb = 1\n")
    assert workplace.whence("run", "--config", "c.ini", "--", "true").ok().err == ""


def test_a_mistaken_kind_of_output_is_said_at_the_launch_with_the_nearest(workplace: Workplace) -> None:
    done = workplace.whence("run", "--output", "plto:plot.svg", "--", "true")
    said = "output plto:plot.svg: 'plto' is no kind, and is taken as part of the path; did you mean plot:plot.svg?"
    assert f"whence: warning: {said}\n" in done.err
    workplace.write("plto:plot.svg", "")
    for sound in ("plto:plot.svg", "plot:plot.svg", "s=plot.svg", "out/plto:plot.svg"):
        assert "is no kind" not in workplace.whence("run", "--output", sound, "--", "true").err


def test_a_dry_run_says_that_it_writes_no_line(workplace: Workplace) -> None:
    done = workplace.whence("run", "--dry-run", "--record-json", "line.json", "--", "true").ok()
    assert done.err == "whence: --record-json line.json: not written: a dry run records nothing\n"
    assert not (workplace.path / "line.json").exists()


def test_the_line_of_a_run_is_that_of_log(workplace: Workplace) -> None:
    workplace.whence("run", "--record-json", "line.json", "--", *WHENCE, "tag", "@", "meanwhile").ok()
    written = json.loads((workplace.path / "line.json").read_text())
    [listed] = workplace.whence("log", "--json").ok().json_lines()
    assert written.pop("as_of") <= listed.pop("as_of")
    assert written == listed
    assert (written["standing"], written["tags"]) == ("active", {"meanwhile": ""})


def test_the_completion_script_comes_as_json_too(workplace: Workplace) -> None:
    script = workplace.whence("completion", "bash").ok().out
    assert workplace.whence("completion", "bash", "--json").ok().json() == {"shell": "bash", "script": script}
    assert "usage: whence completion [--help] [--json] {bash,zsh,fish}" in workplace.whence("completion", "--help").out
