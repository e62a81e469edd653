"""The command line as a whole: help, errors, exit codes, completion."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from workplace import WHENCE, Workplace

from whence.cli.main import COMMANDS, GROUPS, VERBS, every_command

UNUSED = ("msgspec", "argparse", "rich", "json", "subprocess", "dataclasses", "typing_extensions")


def test_help_names_every_command_variable_and_exit_code(workplace: Workplace) -> None:
    said = workplace.whence("--help").ok().out
    for word in (*COMMANDS, *GROUPS, "WHENCE_STORE", "WHENCE_DEBUG", "NO_COLOR", "exit codes: 0"):
        assert word in said
    assert workplace.whence().ok().out == said
    assert workplace.whence("help").ok().out == said


def test_help_loads_only_what_it_prints_with(workplace: Workplace) -> None:
    script = "import sys; from whence.cli.main import main; main(['--help']); print(*sorted(sys.modules), sep=chr(10))"
    loaded = workplace.python("-S", "-c", script, env={"PYTHONPATH": os.pathsep.join(_paths())}).ok().out.splitlines()
    assert not set(UNUSED) & set(loaded)


def _paths() -> list[str]:
    import whence

    return [str(Path(whence.__file__).parents[1])]


@pytest.mark.scenario("P1")
@pytest.mark.parametrize("command", every_command())
def test_help_of_a_command_has_examples_and_writes_nothing(command: str, workplace: Workplace) -> None:
    said = workplace.whence(*command.split(), "--help").ok().out
    assert f"whence {command}" in said
    assert "examples:" in said
    assert list(workplace.path.iterdir()) == []


@pytest.mark.scenario("P5")
@pytest.mark.parametrize("command", [c for c in every_command() if c not in ("run", "schema")])
def test_every_command_can_answer_in_json(command: str, workplace: Workplace) -> None:
    assert "--json" in workplace.whence(*command.split(), "--help").ok().out


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_lists_its_verbs(group: str, workplace: Workplace) -> None:
    said = workplace.whence(group, "--help").ok().out
    for verb in VERBS[group]:
        assert f"\n  {verb} " in said
    assert workplace.whence(group).ok().out == said
    assert workplace.whence(group, "help").ok().out == said


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["lgo"], "did you mean `whence log`?"),
        (["data", "lgo"], "did you mean `whence data log`?"),
        (["data", "delete"], "`whence data --help` lists the verbs"),
        (["data", "python"], "`whence data --help` lists the verbs"),
        (["python"], "`whence --help` lists the commands; to record it: `whence run -- python …`"),
        (["--jsn"], "options stand after the command; `whence --help` lists the commands"),
    ],
)
@pytest.mark.scenario("P2")
def test_an_unknown_command_is_refused_with_a_suggestion(words: list[str], hint: str, workplace: Workplace) -> None:
    done = workplace.whence(*words)
    assert done.code == 2
    assert done.out == ""
    assert done.err.endswith(f"hint: {hint}\n")


WRONG = {
    "an unknown option": (["log", "--limt", "3"], 2),
    "a value that is no number": (["log", "--limit", "x"], 2),
    "a wrong query": (["log", "stats = x"], 2),
    "no store": (["log"], 4),
    "nothing to get": (["get"], 2),
    "a part without a run": (["cat", "output"], 2),
    "a version that is none": (["bump", "huge"], 2),
}


@pytest.mark.scenario("P4")
@pytest.mark.parametrize(("words", "code"), WRONG.values(), ids=WRONG)
def test_a_mistake_has_its_code_and_no_traceback(words: list[str], code: int, workplace: Workplace) -> None:
    done = workplace.whence(*words)
    assert done.code == code
    assert done.out == ""
    assert done.err.startswith("whence: ")
    assert "hint: " in done.err or "query" in done.err
    assert "Traceback" not in done.err
    assert list(workplace.path.iterdir()) == []


POLICIES = {
    "an unknown key": ('dirtyy = "warn"\n', "whence.toml: unknown policy key 'dirtyy'", "did you mean 'dirty'?"),
    "invalid TOML": ("dirty = \n", "whence.toml: not valid TOML", "mend the file"),
    "a wrong value": ('dirty = "maybe"\n', "dirty = 'maybe': expected one of allow, warn, refuse", ""),
}


@pytest.mark.parametrize(("text", "message", "hint"), POLICIES.values(), ids=POLICIES)
def test_a_wrong_policy_file_is_named_with_its_cure(text: str, message: str, hint: str, workplace: Workplace) -> None:
    workplace.write("whence.toml", text)
    done = workplace.whence("status")
    assert done.code == 2
    assert message in done.err
    assert hint in done.err


def test_a_store_path_that_is_a_file_is_refused(workplace: Workplace) -> None:
    workplace.write("store", "x")
    done = workplace.whence("log", env={"WHENCE_STORE": "store"})
    assert done.code == 4
    assert "expected a folder" in done.err


@pytest.mark.scenario("V7")
def test_a_newer_store_is_refused_politely(workplace: Workplace) -> None:
    workplace.write(".whence/store.json", '{"format": "whence-store/2", "id": "x", "created": "x"}')
    done = workplace.whence("log")
    assert done.code == 4
    assert "found format 'whence-store/2', expected 'whence-store/1'" in done.err
    assert "upgrade" in done.err


def test_a_reader_that_goes_away_is_no_error(workplace: Workplace) -> None:
    command = f"{WHENCE[0]} schema event | head -c 10"
    done = workplace.run(["bash", "-c", f"set -o pipefail; {command}; echo ${{PIPESTATUS[0]}}"])
    assert done.err == ""
    assert done.out.endswith("141\n")


def test_an_interrupt_ends_with_130(workplace: Workplace) -> None:
    import signal

    workplace.whence("run", "--", "true").ok()
    process = workplace.start_whence("log", "-f", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    process.stdout.close()


IN_AN_IMPORT = """
import signal, sys
from whence.cli.main import script
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "datetime":
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
script()
"""
"""msgspec imports it from C, and goes on without it."""


@pytest.mark.parametrize("words", [["log"], ["run", "--", "touch", "ran"]], ids=["log", "run"])
def test_an_interrupt_in_the_middle_of_an_import_ends_with_130(words: list[str], workplace: Workplace) -> None:
    done = workplace.python("-c", IN_AN_IMPORT, *words)
    assert (done.code, done.out, done.err) == (130, "", "")
    assert not (workplace.path / "ran").exists()


def test_an_interrupt_in_the_middle_of_our_imports_reaches_the_program_that_uses_us(workplace: Workplace) -> None:
    script = IN_AN_IMPORT.replace("from whence.cli.main import script", "import whence").replace(
        "script()", "try:\n    whence.start\nexcept KeyboardInterrupt:\n    whence.start()"
    )
    workplace.python("-c", script).ok()
    assert workplace.show()["status"] == "failed"  # It was never finished.


SHELLS = {"bash": ["bash", "-n"], "zsh": ["bash", "-n"]}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_and_option(shell: str, workplace: Workplace) -> None:
    script = workplace.whence("completion", shell).ok().out
    for word in (*COMMANDS, *GROUPS, *VERBS["data"], "record-json", "follow"):
        assert word in script
    if shell in SHELLS:
        workplace.run(SHELLS[shell], input=script).ok()


def test_bash_completes_commands_options_and_runs(lab: object, workplace: Workplace) -> None:
    script = workplace.whence("completion", "bash").ok().out

    def completed(*words: str, cwd: Path) -> set[str]:
        asked = f"COMP_WORDS=({' '.join(words)})\nCOMP_CWORD={len(words) - 1}\n_whence"
        ask = f"{script}\n{asked}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
        return set(workplace.run(["bash", "-c", ask], cwd=cwd).ok().out.split())

    place: Workplace = lab.place  # pyright: ignore
    assert completed("whence", "sho", cwd=place.path) == {"show"}
    assert "--reruns-of" in completed("whence", "log", "--", cwd=place.path)
    assert {"good", "@"} <= completed("whence", "show", "''", cwd=place.path)
    assert completed("whence", "show", "''", cwd=workplace.path) == {"--all", "--help", "--json"}


def test_help_is_as_wide_as_columns_says_also_in_a_pipe(workplace: Workplace) -> None:
    def usage(columns: str) -> list[str]:
        return workplace.whence("log", "--help", env={"COLUMNS": columns}).ok().out.partition("\n\n")[0].splitlines()

    assert max(map(len, usage("50"))) <= 50
    assert len(usage("50")) > len(usage("80")) > len(usage("200"))
