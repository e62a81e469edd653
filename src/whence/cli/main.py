"""`whence`: chooses the command, and is the one place that ends a failure.

Only the chosen command's module is imported, and help needs none: `COMMANDS` has what it prints.
"""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

from ..errors import refuse_windows
from ..system.descriptors import hold_standard_descriptors
from ..version import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Literal, NoReturn

FAULT = 70
"""Exit code of a fault of ours (EX_SOFTWARE of sysexits.h)."""

INTERRUPTED = 130

COMMANDS: dict[str, str] = {
    "run": "record a command while it runs",
    "status": "what a run would record now, and what policy would say",
    "log": "list runs, newest first",
    "show": "one record, grouped as a reviewer reads",
    "diff": "what two runs or more have otherwise, and why their results may differ",
    "audit": "what a reviewer would miss: each missing, weak or late fact, and its cure",
    "verify": "re-read every line, object and seal, and name what is damaged",
    "restore": "the exact code tree of a run, into a folder",
    "get": "content out of the store, verified",
    "cat": "a part of a record: lock, config, environment, log, record, output",
    "note": "say something about a run, during or after it",
    "tag": "put tags on a run, or take them off",
    "stop": "ask a living run to stop",
    "du": "bytes by run and part",
    "doctor": "check the installation and the store, close runs that were lost",
    "schema": "the JSON Schema of records, events, acts, seals",
    "bump": "tag the next version and push it",
    "completion": "completion for bash, zsh or fish",
}
"""Every command with the line that help prints, in the order of a working day. Its module has the same name."""

GROUPS: dict[str, str] = {
    "data": "datasets and their versions: create, add, release, get …",
    "index": "the copy of the records that questions are asked of: rebuild",
}
"""Commands of several verbs, each of which is a module in the folder of that name."""

VERBS: dict[str, dict[str, str]] = {
    "data": {
        "create": "make a dataset; its first version is a release",
        "add": "add files: a developing version",
        "describe": "say what a dataset is, without a change of it",
        "nest": "make a version of another dataset a folder of it",
        "remove": "take files out: a developing version",
        "release": "make the newest version a release",
        "list": "the datasets",
        "log": "the versions of one, with who made them and why",
        "show": "one version, and how much of it is here",
        "diff": "what two versions have otherwise",
        "status": "what a folder has otherwise than a version",
        "get": "write a version into a folder, verified",
        "check": "whether what a run would pin can be had, without reading data",
        "verify": "read every byte of versions again, and name what is damaged",
        "export": "a version as a BagIt archive that any program can check",
        "expire": "remove the bytes of versions, and say what that means first",
        "import": "a version out of such an archive",
        "pick": "say which is meant of what two merged stores made apart",
        "split": "divide a version into parts, each a dataset",
        "subset": "what of a version is asked for, as a dataset",
        "derive": "derive again: from the current release, or to check",
    },
    "index": {"rebuild": "throw the index away, and make it of the records again"},
}

VARIABLES: dict[str, str] = {
    "WHENCE_STORE": "the store's folder, instead of the nearest .whence",
    "WHENCE_POLICY_<KEY>": "a policy key, for instance WHENCE_POLICY_DIRTY=refuse",
    "WHENCE_DATA_<NAME>": "set for the command of a run: the folder of the data that it pins as NAME",
    "WHENCE_RUN": "set for the command of a run: names it, so that scripts attach to it",
    "WHENCE_DRY_RUN": "set for the command of a dry run: nothing in it is recorded, also by `import whence`",
    "WHENCE_WATCH": "set for a command that is watched: where runs inside it learn what their own commands do",
    "WHENCE_IN_CONTAINER": "`true`: the four below count although no container is observed",
    "WHENCE_IMAGE_NAME, WHENCE_IMAGE_DIGEST": "the container's image, as declared",
    "WHENCE_GIT_COMMIT, WHENCE_VERSION": "the code in the image, as declared",
    "WHENCE_DEBUG": "`1`: a fault of ours prints its traceback",
    "NO_COLOR": "no colour, also on a terminal",
    "COLUMNS": "the width of help, and of what is printed on a terminal; elsewhere no line is cut",
}


def script() -> NoReturn:
    """What the installed command does: run, and leave at once. Taking an interpreter apart costs 10 ms of CPU, and
    nothing of ours waits for that: every file is written and closed by then."""
    code = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue  # `main` has said what could not be printed.
    os._exit(code)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code; nothing but SystemExit of the parser leaves it."""
    hold_standard_descriptors()
    given = list(sys.argv[1:] if words is None else words)
    try:
        refuse_windows()
        code = _dispatch(given)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _closed_pipe()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 2
    except Exception as error:  # noqa: BLE001  the one place that ends a failure: ours gets its code, the rest is a fault
        return _fail(error)


def _dispatch(words: list[str]) -> int:
    command, rest = (words[0], words[1:]) if words else ("--help", [])
    match command:
        case "--help" | "-h":
            print(usage())
            return 0
        case "help":
            return _dispatch([rest[0], "--help"] if rest else ["--help"])
        case "--version" | "-V":
            print(f"whence {VERSION}")
            return 0
        case _ if command in COMMANDS:
            return _load(command).main(rest)
        case _ if command in GROUPS:
            return _dispatch_verb(command, rest)
        case _:
            return _unknown(command)


def _dispatch_verb(group: str, words: list[str]) -> int:
    verb, rest = (words[0], words[1:]) if words else ("--help", [])
    match verb:
        case "--help" | "-h":
            print(usage_of(group))
            return 0
        case "help":
            return _dispatch_verb(group, [rest[0], "--help"] if rest else ["--help"])
        case _ if verb in VERBS[group]:
            return _load(f"{group}.{verb}").main(rest)
        case _:
            return _unknown(verb, group)


def usage_of(group: str) -> str:
    """What `whence GROUP --help` prints."""
    return "\n".join(
        (
            f"usage: whence {group} VERB [ARGUMENTS]",
            "",
            GROUPS[group],
            "",
            f"verbs (whence {group} VERB --help has examples):",
            *(f"  {name:<12}{line}" for name, line in VERBS[group].items()),
        )
    )


def every_command() -> dict[str, str]:
    """Every command with its line, those of several verbs as `data create`."""
    verbs = {f"{group} {verb}": line for group in GROUPS for verb, line in VERBS[group].items()}
    return COMMANDS | verbs


def _load(command: str) -> ModuleType:
    """The command's module. What it loads stays to the end: the collector looks at none of it, now or ever.

    Saves a sixth of the CPU time of a short command, and the copies of pages that a collection after a fork would make.
    """
    from ..system.held_signals import held

    gc.disable()
    try:
        with held:
            return import_module(f".{command}", __package__)
    finally:
        gc.freeze()
        gc.enable()


def usage() -> str:
    """What `whence --help` prints."""
    return "\n".join(
        (
            "usage: whence COMMAND [ARGUMENTS]",
            "",
            "Records a research run while it happens, and later says what exactly produced a result.",
            "",
            "  whence run -- python train.py --lr 0.1      record a run",
            "  whence show @                               the latest record",
            "",
            "commands (whence COMMAND --help has examples):",
            *(f"  {name:<12}{line}" for name, line in (COMMANDS | GROUPS).items()),
            "",
            "a run is named by its id, a unique part of at least four characters of the end that `log` shows,",
            "its name, @ (the latest), @~2 (two before), or @NAME (the latest of that name)",
            "",
            "environment variables:",
            *_columns(VARIABLES),
            "",
            "exit codes: 0 done; 1 done, and the answer is no; 2 usage; 3 not found or ambiguous; 4 store unusable;",
            "70 a fault of whence; 130 interrupted. `whence run` gives the command's own code, or 125 when whence",
            "refused to start it; 2 where its own words or the policy are wrong, and then nothing is recorded.",
        )
    )


def _columns(rows: dict[str, str]) -> list[str]:
    return [f"  {name:<40}{line}" for name, line in rows.items()]


def _unknown(command: str, group: str | None = None) -> int:
    from difflib import get_close_matches

    near = get_close_matches(command, VERBS[group] if group else COMMANDS | GROUPS, n=1, cutoff=0.65)
    _say("option" if command.startswith("-") else "command", command, near[0] if near else None, group)
    return 2


def _say(what: Literal["option", "command"], word: str, near: str | None, group: str | None) -> None:
    from .output import complain

    start = f"whence {group}" if group else "whence"
    if near:
        hint = f"did you mean `{start} {near}`?"
    elif what == "command" and not group:
        hint = f"`whence --help` lists the commands; to record it: `whence run -- {word} …`"
    elif what == "command":
        hint = f"`{start} --help` lists the verbs"
    else:
        hint = f"options stand after the command; `{start} --help` lists the commands"
    complain(f"unknown {what} {word!r}", hint)


def _closed_pipe() -> int:
    """The reader of our output went away: no complaint."""
    _drop_output()
    return 141


def _drop_output() -> None:
    """What is still to be printed goes nowhere: the interpreter's own last flush must not complain again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _fail(error: Exception) -> int:
    from ..errors import UnresolvedError, WhenceError
    from .output import complain

    if not isinstance(error, WhenceError):
        return _report_fault(error)
    candidates = error.candidates if isinstance(error, UnresolvedError) else ()
    complain(error.message, error.hint, candidates)
    return error.code


def _report_fault(error: Exception) -> int:
    """A fault of ours; an unusable world that no action answered (a full disk, no permission) is said without blame."""
    from .output import complain

    if isinstance(error, OSError) and error.strerror:
        if error.filename is None:
            _drop_output()
        complain(f"{os.fsdecode(error.filename)}: {error.strerror}" if error.filename is not None else error.strerror)
        return 4
    if os.environ.get("WHENCE_DEBUG") == "1":
        import traceback

        traceback.print_exc()
    complain(
        f"a fault of whence, not of yours: {type(error).__name__}: {error}",
        f"please report it with `whence {VERSION}` and the command; WHENCE_DEBUG=1 prints where it happened",
    )
    return FAULT
