"""Data that a run pins: found by version, laid out in a folder before the start, looked at again at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from ..errors import RefusedError, UnresolvedError, WhenceError
from ..handlers import let_pass
from ..records.base import When
from ..records.data import Input
from ..records.events import InputChecked
from ..rules.pins import Pin
from ..rules.policy import Policy
from ..rules.retention import ends_soon
from ..rules.versions import Version
from ..store.dataset_references import Found, NoDatasetError, find_version
from ..store.explaining import explained
from ..store.laid_out import changed_there, data_folder, lay_out
from ..store.layout import Store
from ..store.manifests import read_manifest
from ..store.origins import holds_all, origins_of

if TYPE_CHECKING:
    from .held_against import Opened

NAMED = 3
"""Changed files that are named; the rest is counted."""


class Pinned(msgspec.Struct, kw_only=True):
    """A pin whose version was found."""

    pin: Pin
    found: Found
    folder: Path
    """Where its files lie, or would."""
    materialized: bool = False
    kept: bool = True
    """The store holds all its bytes, as far as that was looked at."""

    def __str__(self) -> str:
        return str(self.found) if self.pin.name == self.found.history.name else f"{self.pin.name}={self.found}"

    @property
    def version(self) -> Version:
        return self.found.made.version

    def lay_out(
        self,
        store: Store,
        say: Callable[[str], None],
        *,
        between: Callable[[], None] = lambda: None,
        seconds: float | None = None,
    ) -> None:
        """Have the files there. Raises what `materialize` raises; of missing bytes it says who needs them."""
        manifest, origins = self.found.made.manifest, origins_of(store, self.found)
        with explained(store, self.found):
            self.folder = lay_out(store, manifest, say=say, origins=origins, seconds=seconds, between=between)
        self.kept = not origins or holds_all(store, manifest)
        self.materialized = True

    def input(self, when: When) -> Input:
        step = self.found.made.stated.step
        return Input(
            when=when,
            name=self.pin.name,
            path=os.fspath(self.folder),
            kind="folder",
            digest=step.manifest,
            size=step.size,
            files=step.files,
            how="pinned",
            dataset=self.found.history.name,
            dataset_id=self.found.history.id,
            version=step.version,
            floating=self.found.floating,
            materialized=self.materialized,
            kept=self.kept,
        )

    def check(self, store: Store, when: When, opened: bool | None) -> InputChecked:
        """Whether the folder still holds what the version does."""
        step = self.found.made.stated.step

        def checked(changed: Literal["no", "yes", "unknown"], because: str | None) -> InputChecked:
            return InputChecked(
                when=when, name=self.pin.name, path=os.fspath(self.folder), opened=opened,
                changed=changed, because=because, digest_after=step.manifest if changed == "no" else None,
            )  # fmt: skip

        if not self.materialized:
            return checked("no", None)
        try:
            wrong = changed_there(store, step.manifest, self.folder)
        except FileNotFoundError:
            return checked("yes", "the folder is gone")
        except (OSError, WhenceError) as error:
            let_pass(error)
            return checked("unknown", f"it could not be looked at again: {error}")
        if not wrong:
            return checked("no", None)
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        return checked("yes", f"not as the version has it at the end: {', '.join(map(repr, wrong[:NAMED]))}{more}")

    def as_opened(self, store: Store, checked: InputChecked, observed: Opened) -> InputChecked:
        """The check, as far as what was opened tells more."""
        try:
            manifest = read_manifest(store, self.found.made.manifest)
        except WhenceError:
            return checked
        from .held_against import folder_as_opened  # with the observation

        digests = {entry.path: entry.digest for entry in manifest}
        return folder_as_opened(checked, digests, os.fspath(self.folder), observed)


def find_pins(store: Store, pins: Sequence[Pin]) -> tuple[list[Pinned], list[RefusedError]]:
    """Those whose version there is, and a refusal for each other one."""
    found: list[Pinned] = []
    refused: list[RefusedError] = []
    for pin in pins:
        try:
            found.append(find_pin(store, pin))
        except WhenceError as error:
            refused.append(refusal(pin, error))
    return found, refused


def find_pin(store: Store, pin: Pin) -> Pinned:
    """Raises UsageError, UnresolvedError."""
    version = find_version(store, pin.reference)
    manifest = version.made.manifest
    kept = not origins_of(store, version) or holds_all(store, manifest)
    return Pinned(pin=pin, found=version, folder=data_folder(store, manifest), kept=kept)


def refusal(pin: Pin, error: WhenceError) -> RefusedError:
    """What is wrong with a pin, as the reason not to start; what it could have meant is named."""
    candidates = error.candidates if isinstance(error, UnresolvedError) else ()
    listed = f"; {_near(error)} {', '.join(candidates)}" if candidates else ""
    return RefusedError(f"data {pin}: {error.message}{listed}", hint=error.hint)


def _near(error: WhenceError) -> str:
    return "did you mean" if isinstance(error, NoDatasetError) else "found"


def double(one: Pinned, others: Iterable[Pinned]) -> str | None:
    """What to say of a dataset that is pinned already."""
    for other in others:
        if other.found.history.id == one.found.history.id:
            same = other.found.made.version == one.found.made.version
            what = "the same version" if same else f"another version, {other.found.made.version},"
            return f"{other.pin.name} is {what} of this dataset; both are pinned"
    return None


def retention_ends(one: Pinned, policy: Policy, now: float) -> str | None:
    """What to say of a version whose bytes are not kept for much longer; `now` in Unix seconds."""
    said = ends_soon(one.found.made, policy.retention, now)
    return None if said is None else f"{said} (policy retention); `whence data release` keeps its bytes"
