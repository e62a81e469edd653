"""Steps of a dataset: made, changed, released, derived. Each is an act that claims its number; none is overwritten."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ..digests import digest_of
from ..errors import FormatError, StoreError, UnresolvedError, UsageError
from ..ids import new_id
from ..records.act import Act, Subject
from ..records.dataset import Operation, Part, Step
from ..records.encoding import timestamp
from ..rules.contents import Manifest, difference
from ..rules.dataset_names import check_dataset_name
from ..rules.history import History, Made, producers_since_release
from ..rules.manifests import encode_manifest
from ..rules.merging import Changes
from ..rules.nesting import cycle, intact, with_part
from ..rules.secret_forms import holds_token
from ..rules.secrets import Secrets
from ..rules.versions import FIRST, NOTHING, Level, Version, after_change, after_release, read_version
from .dataset_acts import describe
from .dataset_references import Found, find_dataset
from .dataset_tables import Describe, put_tables, tables_before
from .datasets import KIND, claim_first_step, claim_step, ids_of_name, load_history, steps_folder
from .layout import Store
from .manifests import Stored, counts_of, put_manifest, read_manifest, refuse_entries
from .merging import Grown
from .speaker import Speaker
from .version_bytes import refuse_expired

Edit = Callable[[Manifest], Manifest]
"""What a change makes of a manifest; it is asked again where another change came first."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What is said with a step."""

    why: str | None = None
    description: str | None = None
    run: str | None = None
    """The run that makes the step."""
    parameters: dict[str, Any] = {}
    describe: Describe | None = None
    """Says what the tables are; without, what is known of those that stay is kept."""


def said_masked(secrets: Secrets, why: str | None, description: str | None) -> Said:
    """What a person says with a step; what looks like a secret in it is masked, as in a record."""
    why, description = (None if text is None else secrets.mask_text(text) for text in (why, description))
    return Said(why=why, description=description)


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A step that was made, and the version that it came of."""

    history: History
    made: Made
    base: Version | None


def check_new_name(store: Store, name: str) -> None:
    """Before anything is read. Raises UsageError for what is no name, or one that is taken; StoreError."""
    _must_be_writable(store)
    check_dataset_name(name)
    if holds_token(name):
        raise UsageError("a dataset's name: found what looks like a token", hint="a name is never masked: take another")
    _refuse_taken(store, name)


def create(
    store: Store,
    name: str,
    manifest: Manifest,
    said: Said,
    speaker: Speaker,
    *,
    operation: Operation = "create",
    version: Version = FIRST,
) -> Taken:
    """Make a dataset; its first version is a release, unless another is said.

    Raises UsageError for a name that is taken or none.
    """
    check_new_name(store, name)
    if not isinstance(manifest, Stored):
        refuse_entries(name, manifest)
    now = speaker.clock()
    identifier = new_id(now // 1_000_000, speaker.random(10))
    whole = counts_of(manifest)
    step = Step(
        number=0,
        operation=operation,
        name=name,
        version=str(version),
        manifest=put_manifest(store, manifest),
        files=whole.files,
        size=whole.size,
        added=whole.files,
        tables=put_tables(store, manifest, [], said.describe),
        description=said.description,
        run=said.run,
        producers=[said.run] if said.run and not version.developing else [],
        parameters=said.parameters,
    )
    if not claim_first_step(store, _act(identifier, step, [], said, speaker), step):
        _refuse_taken(store, name)
    return _taken(store, identifier, step, None)


def change(
    store: Store,
    identifier: str,
    operation: Operation,
    edit: Edit,
    said: Said,
    speaker: Speaker,
    *,
    part: Part | None = None,
    added: Manifest = (),
) -> Taken | None:
    """Make a developing version; nothing when the edit changes nothing, and then what was said the dataset is stays as
    an act. Raises UnresolvedError for two heads.

    `part` is what the edit puts into a folder as a whole: a version of another dataset. `added` is all that it adds:
    when that is the content already, the edit is not asked.
    """
    _must_be_writable(store)
    tried: str | None = None
    while True:
        history = _history(store, identifier)
        head = history.head
        if head.stated.digest == tried:
            raise _blocked(store, history)
        if isinstance(added, Stored) and added.digest == head.manifest:
            describe(store, history, said.description, said.why, speaker)
            return None
        tried = head.stated.digest
        step = head.stated.step
        before = Stored(store, head.manifest, files=step.files, size=step.size)
        after = edit(before)
        if not isinstance(after, Stored):
            refuse_entries(history.name, after)
        differs = _changes(before, after)
        parts = _parts_after(store, head.stated.step.parts, part, after)
        if not any(differs) and parts == head.stated.step.parts:
            describe(store, history, said.description, said.why, speaker)
            return None
        version = _free(history, after_change(head.version), after_change)
        step = _following(store, history, operation, version, after, differs, said)
        step = msgspec.structs.replace(step, parts=parts)
        if claim_step(store, _act(identifier, step, _priors(history), said, speaker), step):
            return _taken(store, identifier, step, head.version)


def _following(
    store: Store,
    history: History,
    operation: Operation,
    version: Version,
    manifest: Manifest,
    differs: Changes,
    said: Said,
) -> Step:
    """The step after the newest version, with other content; `differs` is how. Raises OSError."""
    head, whole = history.head, counts_of(manifest)
    return Step(
        number=_next_number(history),
        operation=operation,
        name=history.name,
        version=str(version),
        base=str(head.version),
        manifest=put_manifest(store, manifest),
        files=whole.files,
        size=whole.size,
        added=differs.added,
        changed=differs.changed,
        removed=differs.removed,
        tables=put_tables(store, manifest, tables_before(store, head.stated.step.tables), said.describe),
        description=said.description,
        run=said.run,
        parameters=said.parameters,
    )


def _changes(before: Manifest, after: Manifest) -> Changes:
    """How much the second manifest has otherwise."""
    if isinstance(after, Grown):
        return after.changes
    differs = difference(before, after)
    return Changes(len(differs.added), len(differs.changed), len(differs.removed))


def _parts_after(store: Store, before: Sequence[Part], new: Part | None, after: Manifest) -> list[Part]:
    """The parts that a change leaves whole, by folder."""
    parts = {part.folder: part for part in [*before, *([new] if new else [])]}
    return [part for _, part in sorted(parts.items()) if intact(part, after, read_manifest(store, part.manifest))]


def nest(store: Store, identifier: str, child: Found, folder: str, said: Said, speaker: Speaker) -> Taken | None:
    """Make a version of another dataset a folder of this one. Raises UsageError for what would lie in itself."""
    part = Part(
        folder=folder,
        dataset=child.history.name,
        dataset_id=child.history.id,
        version=str(child.made.version),
        manifest=child.made.manifest,
    )
    way = cycle(identifier, part, functools.partial(parts_of, store))
    if way is not None:
        name = _history(store, identifier).name
        raise UsageError(
            f"{name}: {child} cannot be a part of it, as it is one of {' > '.join([name, *way])}",
            hint="a dataset cannot lie in itself",
        )
    content = read_manifest(store, part.manifest)
    return change(
        store, identifier, "nest", lambda manifest: with_part(manifest, content, folder), said, speaker, part=part
    )


def parts_of(store: Store, identifier: str, version: str) -> list[Part]:
    """The parts of a version; of a dataset that is not here nothing is known."""
    history = load_history(store, identifier)
    made = [made for made in history.versions if str(made.version) == version] if history else []
    return made[0].stated.step.parts if made else []


def produce(store: Store, name: str, manifest: Manifest, said: Said, speaker: Speaker) -> Found:
    """Make what a run wrote the newest version, of a new dataset where the name is free. It is a developing one: a
    person releases.

    What has the content of the newest version is that version. Raises UsageError for what is no name, UnresolvedError,
    StoreError.
    """
    if not ids_of_name(store, name):
        try:
            create(store, name, manifest, said, speaker, operation="produce", version=after_change(NOTHING))
        except UsageError:
            if not ids_of_name(store, name):
                raise
    history = find_dataset(store, name)
    taken = change(store, history.id, "produce", lambda _: list(manifest), said, speaker, added=manifest)
    made = taken.made if taken else history.head
    return Found(history=history, made=made, floating=False)


def next_derived(history: History, manifest: Manifest, parameters: dict[str, Any]) -> Version | None:
    """The release that a derivation makes; nothing when the current one was derived just so. Raises UnresolvedError for
    two heads, and UsageError for changes that no release holds: they would not be in the next one."""
    head = history.head
    if head.version.developing:
        raise UsageError(
            f"dataset {history.name}: {head.version} holds changes that no release has",
            hint=f"`whence data release patch {history.name}` first, or derive under another name",
        )
    step = head.stated.step
    if step.parameters == parameters and step.manifest == digest_of(encode_manifest(manifest)):
        return None
    return _free(history, after_release(head.version, "patch"), lambda taken: after_release(taken, "patch"))


def derive(store: Store, name: str, manifest: Manifest, said: Said, speaker: Speaker) -> Taken | None:
    """Make a derived dataset or its next release; nothing when nothing changes.

    Raises UsageError when another was faster, or as `next_derived`.
    """
    _must_be_writable(store)
    ids = ids_of_name(store, name)
    if not ids:
        return create(store, name, manifest, said, speaker, operation="derive")
    history = _history(store, ids[0])
    version = next_derived(history, manifest, said.parameters)
    if version is None:
        describe(store, history, said.description, said.why, speaker)
        return None
    head = history.head
    differs = _changes(read_manifest(store, head.manifest), manifest)
    step = _following(store, history, "derive", version, manifest, differs, said)
    step = msgspec.structs.replace(step, producers=[said.run] if said.run else [])
    if not claim_step(store, _act(history.id, step, _priors(history), said, speaker), step):
        raise _overtaken(_history(store, history.id), head)
    return _taken(store, history.id, step, head.version)


def release(store: Store, identifier: str, level: Level, said: Said, speaker: Speaker) -> Taken:
    """Make the newest version a release. Raises UsageError when there is nothing to release, or another was faster."""
    _must_be_writable(store)
    history = _history(store, identifier)
    head = history.head
    _refuse_nothing(history, head)
    refuse_expired(store, Found(history=history, made=head, floating=False))
    version = _free(history, after_release(head.version, level), lambda taken: after_release(taken, level))
    step = msgspec.structs.replace(
        head.stated.step,
        number=_next_number(history),
        operation="release",
        version=str(version),
        base=str(head.version),
        added=0,
        changed=0,
        removed=0,
        description=said.description,
        run=said.run,
        tables=_tables_of(store, head, said.describe),
        producers=producers_since_release(history),
        parameters={},
    )
    if not claim_step(store, _act(identifier, step, _priors(history), said, speaker), step):
        raise _overtaken(_history(store, identifier), head)
    return _taken(store, identifier, step, head.version)


def _tables_of(store: Store, head: Made, describe: Describe | None) -> str | None:
    """What is known of the tables of a version, and what was not looked at before. Raises OSError."""
    step = head.stated.step
    if describe is None:
        return step.tables
    try:
        manifest = Stored(store, step.manifest, files=step.files, size=step.size)
        return put_tables(store, manifest, tables_before(store, step.tables), describe)
    except (UnresolvedError, FormatError):
        return step.tables


def _refuse_nothing(history: History, head: Made) -> None:
    current = history.current
    if not head.version.developing:
        raise UsageError(
            f"{history.name}: there is nothing to release: {head.version} is the newest version",
            hint=f"`whence data add {history.name} PATH` or `remove` changes it first",
        )
    if current.version != head.version and head.manifest == current.manifest:
        raise UsageError(
            f"{history.name}: there is nothing to release: {head.version} has the content of {current.version}",
            hint=f"`whence data diff {history.name}@{current.version} {history.name}@{head.version}` shows nothing",
        )


def _overtaken(history: History, head: Made) -> UsageError:
    newest = history.head
    by, at = newest.stated.by, newest.stated.at[:19]
    made = f"{by.name or by.user or 'somebody'} made {newest.version} of it at {at}"
    return UsageError(
        f"{history.name}: {head.version} was not released: {made}",
        hint=f"`whence data log {history.name}` shows it",
    )


def _blocked(store: Store, history: History) -> StoreError:
    """The next step is there and is not read: something of it is damaged."""
    faults: list[str] = []
    load_history(store, history.id, faults)
    place = steps_folder(store, history.id) / str(history.head.stated.step.number + 1)
    what = faults[0] if faults else f"{place} is in the way: found no step in it, expected one or no folder"
    return StoreError(
        f"{history.name}: {what}",
        hint="`whence verify` names all that is damaged; what lies there by mistake can be moved out of the store",
    )


def _refuse_taken(store: Store, name: str) -> None:
    ids = ids_of_name(store, name)
    if ids:
        raise UsageError(
            f"dataset {name}: there is one already, {ids[0]}",
            hint=f"`whence data add {name} PATH` adds to it; another one takes another name",
        )


def _must_be_writable(store: Store) -> None:
    if not store.writable:
        raise StoreError(f"{store.path}: may be read, not written", hint="copy the store, or ask its owner")


def _history(store: Store, identifier: str) -> History:
    history = load_history(store, identifier)
    if history is None:
        raise UnresolvedError(f"no dataset {identifier} in {store.path}")
    return history


def _act(identifier: str, step: Step, prior: Sequence[str], said: Said, speaker: Speaker) -> Act:
    now = speaker.clock()
    return Act(
        id=new_id(now // 1_000_000, speaker.random(10)),
        kind=KIND,
        at=timestamp(now),
        subject=Subject(dataset=identifier),
        by=speaker.by,
        why=said.why,
        prior=list(prior),
        body=msgspec.to_builtins(step),
    )


def _taken(store: Store, identifier: str, step: Step, base: Version | None) -> Taken:
    history, version = _history(store, identifier), read_version(step.version)
    made = next(made for made in history.versions if made.version == version and made.manifest == step.manifest)
    return Taken(history=history, made=made, base=base)


def _priors(history: History) -> list[str]:
    return [stated.digest for stated in history.priors]


def _next_number(history: History) -> int:
    return max(stated.step.number for stated in history.priors) + 1


def _free(history: History, version: Version, following: Callable[[Version], Version]) -> Version:
    """The version, or the next one that a line which is not meant has not made."""
    while not history.is_free(version):
        version = following(version)
    return version
