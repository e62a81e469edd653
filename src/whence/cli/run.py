"""`whence run`: record a command while it runs."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..actions.run import dry_run, run
from ..capture.configuration import checked_params, parameter
from ..errors import RefusedError, StoreError, UsageError
from ..ids import short
from ..recorder.attach import DRY_RUN, is_dry
from ..recorder.request import Request
from ..records.record import Record
from ..rules.declared import looks_like_commit
from ..rules.fields import allowed
from ..rules.kinds import KINDS
from ..rules.names import check_name
from ..rules.pins import Pin, check_places, read_pins
from ..rules.products import read_products
from ..wiring import Setting, existing_store, load_policy, setting, surroundings
from .arguments import CommandParser
from .output import command_text, complain, counted, printable, seconds_text

REFUSED = 125


OBSERVE = "how opened files are watched: auto, seccomp, strace, python or off (policy observe, for this run)"

_REPEATED = (
    ("--tag", "K[=V]", "a tag"),
    ("--field", "K=V", "a field of the project, checked if policy declares any under [fields]"),
    ("--config", "FILE", "a configuration file to keep and parse: json, yaml, toml or ini"),
    ("--param", "K=V", "a configuration value, nested by dots"),
    (
        "--data",
        "[NAME=]DS[@V]",
        "a version of a dataset: its folder is in WHENCE_DATA_NAME and for {data.NAME}",
    ),
    ("--input", "P", "a file, folder, glob or URL that is read"),
    ("--output", "[KIND:]P", f"a file, folder or glob that is written; KIND: {', '.join(KINDS)}"),
    ("--output-data", "DS=P", "a folder or file that is written, and becomes the newest version of the dataset DS"),
    ("--policy", "K=V", "a policy key for this run"),
)


def parser() -> CommandParser:
    """The words of `whence run` before `--`."""
    words = CommandParser(
        "run",
        "Record a command while it runs. Its exit code, output and signals are its own. Ours are 125, where it was"
        " refused or could not be recorded, and 2, where the words or the policy are wrong: nothing is recorded then.",
        examples=(
            "whence run -- python train.py --lr 0.1",
            "whence run --name warmup-off --tag kind=ablation --input data/train.csv --output model.pt -- ./train.sh",
            "whence run --data train=cifar@2.1.0 -- python train.py --data {data.train}",
            "whence run --config config.yaml --param optim.lr=0.1 -- python train.py",
            "whence run --policy dirty=refuse -- make results",
        ),
        json=False,
    )
    words.usage = "whence run [options] -- COMMAND [ARGUMENTS]"
    for option, metavar, about in _REPEATED:
        words.add_argument(option, action="append", default=[], metavar=metavar, help=f"{about}; may be given again")
    words.add_argument(
        "--name",
        help="a name for the run, on one line, without / and : and no @ before it; `whence show NAME` finds it",
    )
    words.add_argument("--purpose", help="why it is run, in a sentence")
    words.add_argument("--hypothesis", help="what the run is to support or refute")
    words.add_argument("--code-url", metavar="URL", help="where the code is from; recorded as declared")
    words.add_argument("--code-commit", metavar="ID", help="the commit it should be; recorded as declared, and checked")
    words.add_argument("--observe", metavar="HOW", help=OBSERVE)
    words.add_argument("--record-json", metavar="FILE", help="write the run's line of `log --json` to FILE at the end")
    words.add_argument("--dry-run", action="store_true", help="run the command and record nothing")
    return words


def main(words: Sequence[str]) -> int:
    """Run it; the command's own code, 126 or 127 as a shell says, or 125 when we refused or could not record."""
    try:
        ours, command = split(words)
        options = _options(ours, command if "--" in words else None)
        if not command:
            raise UsageError(
                "no command: expected `--` and a command", hint="for instance `whence run -- python train.py`"
            )
        where = setting()
        if is_dry(where.environ) and not options.dry_run:
            _say(f"{DRY_RUN} is set: nothing is recorded")
            options.dry_run = True
        return _dry_run(options, command, where) if options.dry_run else _record(options, command, where)
    except (RefusedError, StoreError) as error:
        complain(error.message, error.hint)
        return REFUSED
    except OSError as error:
        complain(f"cannot record: {os.fsdecode(error.filename) + ': ' if error.filename else ''}{error.strerror}")
        return REFUSED


def _dry_run(options: argparse.Namespace, command: list[str], where: Setting) -> int:
    if options.record_json is not None:
        complain(f"--record-json {options.record_json}: not written: a dry run records nothing")
    pins = _pinned(options, command)
    return dry_run(command, where.environ, pins, lambda: existing_store(where, load_policy(where)), _say)


def _pinned(options: argparse.Namespace, command: Sequence[str]) -> list[Pin]:
    """The data that are pinned. Raises UsageError, also for a place in the command that none of them takes."""
    pins = read_pins(options.data)
    check_places(command, pins)
    return pins


def _options(words: list[str], command: list[str] | None) -> argparse.Namespace:
    """Our options; `command` is what stood behind `--`. Raises UsageError, with `--` in its place where a command was
    given before it."""
    ours = parser()
    at = ours.first_bare(words)
    if at is None:
        return ours.parse_args(words)
    bare = words[at]
    if bare.startswith("-"):
        hint = "`whence run --help` lists ours; those of the command come behind it: `whence run -- COMMAND …`"
        raise UsageError(f"whence run: found the option {bare}, which is none of ours", hint=hint)
    meant = command_text(("whence", "run", *words[:at])) + " -- " + command_text(words[at:])
    if command is None:
        raise UsageError(f"no command: expected `--` before {bare}", hint=f"`{meant}`")
    raise UsageError(
        f"whence run: found {bare} before `--`, expected only options there",
        hint=f"if the command begins with it: `{meant} -- {command_text(command)}`",
    )


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our words and the command's: everything after the first `--` is the command's."""
    given = list(words)
    if "--" in given:
        at = given.index("--")
        return given[:at], given[at + 1 :]
    return given, []


def _record(options: argparse.Namespace, command: list[str], where: Setting) -> int:
    watched = [f"observe={options.observe}"] if options.observe is not None else []
    policy = load_policy(where, [*options.policy, *watched])
    asked = Request(
        mode="command",
        argv=command,
        name=check_name(options.name),
        purpose=options.purpose,
        hypothesis=options.hypothesis,
        tags=pairs(options.tag, "--tag", needs_value=False),
        fields=allowed(policy.fields, pairs(options.field, "--field")),
        config_files=options.config,
        params=_params(options.param),
        inputs=options.input,
        data=_pinned(options, command),
        outputs=options.output,
        output_data=read_products(options.output_data),
        code_url=options.code_url,
        code_commit=_commit(options.code_commit),
    )
    # What is piped or kept in a file is the command's alone.
    told = _tell if os.isatty(2) else None
    return run(asked, surroundings(where, policy, say=_say), _report_to(options.record_json, where.cwd), told)


def pairs(words: Sequence[str], option: str, *, needs_value: bool = True) -> dict[str, str]:
    """`K=V` words as a mapping; the last of a key wins. Raises UsageError for a word without a key or a value."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or (needs_value and not equals):
            raise UsageError(f"whence run: {option} {word}: expected K=V", hint=f"for instance {option} kind=ablation")
        found[key] = value
    return found


def _params(words: Sequence[str]) -> dict[str, Any]:
    try:
        return checked_params(map(parameter, words))
    except ValueError as error:
        raise UsageError(f"whence run: --param {error}", hint="for instance --param optim.lr=0.1") from None


def _commit(text: str | None) -> str | None:
    if text is not None and not looks_like_commit(text):
        message = f"whence run: --code-commit {text}: expected the hexadecimal digits of a commit, 6 or more"
        raise UsageError(message, hint="git rev-parse HEAD prints them")
    return text


def _report_to(file: str | None, cwd: Path) -> Path | None:
    if file is None:
        return None
    path = cwd / file
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(f"--record-json {file}: {path.parent} is not a folder that can be written to")
    return path


def _tell(record: Record) -> None:
    """What was stored and where, for a person at a terminal: one line, after everything that the command printed."""
    unwritten = sum(artifact.missing for artifact in record.artifacts)
    artifacts = counted(len(record.artifacts) - unwritten, "artifact", "artifacts")
    artifacts += f", {counted(unwritten, 'output', 'outputs')} never written" if unwritten else ""
    inputs = counted(len(record.inputs), "input", "inputs")
    took = "" if record.duration is None else f" in {seconds_text(record.duration)}"
    state = f"{record.status} ({record.phase})" if record.phase else record.status
    _say(f"recorded {short(record.id)}, {state}{took}; {artifacts}, {inputs}: whence show {short(record.id)}")


def _say(message: str) -> None:
    """Past Python's buffers: what nobody takes must not come back at the end, as an exit code of ours."""
    try:
        lines = "\n".join(map(printable, message.split("\n")))  # A hint stands on a line of its own.
        os.write(2, f"whence: {lines}\n".encode(errors="backslashreplace"))
    except OSError:
        return  # Nobody listens any more; the run goes on.
