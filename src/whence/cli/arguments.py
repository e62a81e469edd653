"""How every command's words are read: a parser with examples, `--json`, and the setting that the command works in."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from ..errors import UsageError
from ..rules.policy import Policy
from ..store.archives import unreadable_archives
from ..store.layout import Store
from ..wiring import Setting, announce, existing_store, find_index, load_policy, setting, store_for_run, store_policy
from .output import columns_asked, complain, say, width

if TYPE_CHECKING:
    from ..index.interface import Index

REFERENCE = "an id, a unique part (4 characters or more) of the end that `log` shows, a name, @ or @~N"


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """As wide as our other output; by itself argparse imports shutil, and with it compression, to find the width."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=(columns_asked() or width() or 80) - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """A sentence is broken at the width; examples, of several lines, stand as they are."""
        if "\n" in text:
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


class CommandParser(argparse.ArgumentParser):
    """A parser whose mistakes are ours to report: it raises UsageError instead of leaving the process."""

    def __init__(self, command: str, about: str, *, examples: Sequence[str] = (), json: bool = True) -> None:
        super().__init__(
            prog=f"whence {command}",
            description=about,
            epilog="\n".join(("examples:", *(f"  {example}" for example in examples))) if examples else None,
            formatter_class=HelpFormatter,
            allow_abbrev=False,
        )
        if json:
            self.add_argument("--json", action="store_true", help="JSON on stdout; its keys are those of the record")

    def long_options(self) -> list[str]:
        """Its options of two dashes, sorted: what completion offers."""
        return sorted(word for action in self._actions for word in action.option_strings if word.startswith("--"))

    def first_bare(self, words: Sequence[str]) -> int | None:
        """Where the first word stands that is neither an option of this command nor the value of one."""
        takes = {name: action.nargs != 0 for action in self._actions for name in action.option_strings}
        at = 0
        while at < len(words):
            name, equals, _ = words[at].partition("=")
            if name not in takes:
                return at
            at += 2 if takes[name] and not equals else 1
        return None

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}", hint=f"`{self.prog} --help` has examples")


def count(text: str) -> int:
    """The words of an option that counts things. Raises what argparse turns into our message."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number from 0 to 999999999")
    return int(text)


def seconds(text: str) -> float:
    """The words of an option that is a time. Raises what argparse turns into our message."""
    try:
        given = float(text)
    except ValueError:
        given = -1.0
    if not 0 <= given < 1e9:
        raise argparse.ArgumentTypeError(f"{text}: expected seconds, a number from 0 to 1e9")
    return given


class Place:
    """The setting of this process and the store that it is in, which must be there, unless `makes` says otherwise."""

    def __init__(self, *, makes: bool = False) -> None:
        self.setting: Setting = setting()
        self._told: set[str] = set()
        where = store_policy(self.setting, wrong=self._wrong)
        self.store: Store = self._made(where) if makes else existing_store(self.setting, where)
        for fault in unreadable_archives(self.store):
            complain(f"runs were skipped: {fault}", "`whence verify` names all that is damaged")

    def _made(self, where: Policy) -> Store:
        store, made = store_for_run(self.setting, where)
        announce(store, made, say)
        return store

    @property
    def policy(self) -> Policy:
        """The whole policy, as far as it can be read; what is wrong in it is said, and stops only who records."""
        return load_policy(self.setting, wrong=self._wrong)

    def index(self, *, tells: bool = True) -> Index:
        """What the store's records say, brought up to date. With `tells` what cannot be read is complained of."""
        index = find_index(self.setting, self.store, say=complain)
        fed = index.feed()
        for run, why in sorted(fed.unreadable.items(), reverse=True) if tells else ():
            complain(f"run {run} cannot be read: {why}", f"`whence verify {run}` names the damage")
        for fault in fed.faults if tells else ():
            complain(fault)
        return index

    def _wrong(self, error: UsageError) -> None:
        if error.message not in self._told:
            self._told.add(error.message)
            complain(f"{error.message}; it does not count here", error.hint)
