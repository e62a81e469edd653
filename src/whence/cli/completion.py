"""`whence completion`: a script that completes commands, options and runs, for bash, zsh or fish.

The script holds the words; only references ask the store, through `whence completion --references` and `--parts`.
A shell may evaluate the words that it is offered, so one that it would not take as it stands is never offered.
"""

from __future__ import annotations

from argparse import SUPPRESS
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import islice
from shlex import quote
from time import time_ns

from ..actions.content import content_names
from ..actions.parts import PARTS
from ..actions.references import name_of, resolve_run
from ..actions.view import view_record
from ..errors import WhenceError
from ..ids import short
from ..rules.policy import KEYS
from ..store.run_list import run_ids
from .arguments import CommandParser, Place
from .log import STATUSES
from .main import COMMANDS, GROUPS, VERBS
from .output import json_document, line
from .stop import SIGNALS

LATEST = 50
"""Runs that are offered."""

WITH_PARTS = ("get", "cat")
"""Commands whose words may name a part of a run, `RUN:PART`."""

WITH_RUNS = ("show", "diff", "audit", "verify", "restore", "get", "cat", "note", "tag", "stop")
"""Commands whose words may name a run."""


VALUES: dict[str, tuple[str, ...]] = {
    "--status": STATUSES,
    "--signal": SIGNALS,
    "--policy": tuple(f"{key.name}={choice}" for key in KEYS.values() for choice in key.choices or ("",)),
}
"""What may stand behind an option, wherever it is one."""


def parser() -> CommandParser:
    parser = CommandParser(
        "completion",
        "Print a script that completes the words of whence.",
        examples=(
            'eval "$(whence completion bash)"          # in ~/.bashrc',
            'eval "$(whence completion zsh)"           # in ~/.zshrc, after compinit',
            "whence completion fish | source          # in ~/.config/fish/config.fish",
        ),
    )
    parser.usage = f"whence completion [--help] [--json] {{{','.join(_SCRIPTS)}}}"
    parser.add_argument("shell", nargs="?", choices=tuple(_SCRIPTS), help="the shell that reads the script")
    parser.add_argument("--references", action="store_true", help=SUPPRESS)
    parser.add_argument("--parts", nargs=2, help=SUPPRESS)
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    if options.references:
        for word in _references():
            line(word)
    elif options.parts:
        for word in _parts(*options.parts):
            line(word)
    elif options.shell and options.json:
        json_document({"shell": options.shell, "script": _SCRIPTS[options.shell](_options()) + "\n"})
    elif options.shell:
        line(_SCRIPTS[options.shell](_options()))
    else:
        parser().error(f"expected one of {', '.join(_SCRIPTS)}")
    return 0


def _references() -> list[str]:
    """The latest runs, by their names and the ends of their ids; none where there is no store."""
    try:
        store = Place().store
    except WhenceError:
        return []
    runs = list(islice(run_ids(store), LATEST))
    names = [name for run in runs if (name := name_of(store, run)) and _is_plain(name)]
    return ["@", *dict.fromkeys(names), *map(short, runs)]


def _parts(command: str, word: str) -> list[str]:
    """`RUN:PART` for each part of the run that begins the word; none where it names no run."""
    reference, colon, _ = word.partition(":")
    if not colon:
        return []
    try:
        store = Place().store
        names = content_names(view_record(store, resolve_run(store, reference), now_ns=time_ns()))
    except WhenceError:
        return []
    words = (*(PARTS if command == "cat" else ()), *names)
    return [f"{reference}:{name}" for name in dict.fromkeys(words) if _is_plain(f"{reference}:{name}")]


def _is_plain(word: str) -> bool:
    """Whether every shell takes the word as it stands."""
    return quote(word) == word


def _options() -> dict[str, list[str]]:
    """Each command's options, from its own parser; of a group its verbs, and the options of all of them."""
    options = {name: _parser(name).long_options() for name in COMMANDS}
    for group, verbs in VERBS.items():
        of_verbs = (word for verb in verbs for word in _parser(f"{group}.{verb}").long_options())
        options[group] = [*verbs, *sorted(set(of_verbs))]
    return options


def _parser(name: str) -> CommandParser:
    parser: CommandParser = import_module(f".{name}", __package__).parser()
    return parser


def _bash(options: Mapping[str, Sequence[str]]) -> str:
    values = "\n".join(
        f'    {option}) COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$current")); return ;;'
        for option, words in VALUES.items()
    )
    parts = "|".join(f"{name}:*:*" for name in WITH_PARTS)
    cases = "\n".join(f'    {name}) words="{" ".join(words)}" ;;' for name, words in options.items())
    return f"""_whence() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" command="${{COMP_WORDS[1]}}" words="" whole="" before=""
  case "${{COMP_WORDS[COMP_CWORD-1]}}" in
{values}
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{" ".join(COMMANDS | GROUPS)} --help --version" -- "$current"))
    return
  fi
  # The word as it was typed: bash takes @ and : for its ends, and replaces only what is behind the last one.
  whole="${{COMP_LINE:0:${{COMP_POINT:-0}}}}"
  whole="${{whole##*[[:space:]]}}"
  case "$command:${{whole:=$current}}" in
    {parts})
      [ -n "$COMP_WORDBREAKS" ] && before="${{whole%"${{whole##*["$COMP_WORDBREAKS"]}}"}}"
      COMPREPLY=($(compgen -W "$(whence completion --parts "$command" "$whole" 2>/dev/null)" -- "$whole"))
      COMPREPLY=("${{COMPREPLY[@]#"$before"}}")
      return ;;
  esac
  case "$command" in
{cases}
  esac
  case "$command" in
    {"|".join(WITH_RUNS)})
      [ "${{current#-}}" = "$current" ] && words="$words $(whence completion --references 2>/dev/null)" ;;
    completion) words="bash zsh fish" ;;
    schema) words="$words record event act seal store" ;;
    bump) words="$words patch minor major" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _whence whence"""


def _zsh(options: Mapping[str, Sequence[str]]) -> str:
    return f"autoload -U +X bashcompinit && bashcompinit\n{_bash(options)}"


def _fish(options: Mapping[str, Sequence[str]]) -> str:
    lines = ["complete -c whence -n __fish_use_subcommand -f"]
    for name, about in (COMMANDS | GROUPS).items():
        sentence = about.replace("'", "\\'")
        lines.append(f"complete -c whence -n __fish_use_subcommand -a {name} -d '{sentence}'")
        seen = f"complete -c whence -n '__fish_seen_subcommand_from {name}'"
        lines += [f"{seen} -l {word[2:]}" if word.startswith("--") else f"{seen} -a {word}" for word in options[name]]
    for option, words in VALUES.items():
        lines.append(f"complete -c whence -l {option[2:]} -x -a '{' '.join(words)}'")
    seen = f"__fish_seen_subcommand_from {' '.join(WITH_RUNS)}"
    lines.append(f"complete -c whence -n '{seen}' -a '(whence completion --references 2>/dev/null)'")
    seen = f"__fish_seen_subcommand_from {' '.join(WITH_PARTS)}"
    asked = "whence completion --parts (commandline -opc)[2] (commandline -ct) 2>/dev/null"
    lines.append(f"complete -c whence -n '{seen}' -a '({asked})'")
    return "\n".join(lines)


_SCRIPTS: dict[str, Callable[[Mapping[str, Sequence[str]]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
