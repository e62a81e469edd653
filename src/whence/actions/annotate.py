"""Notes, tags and digests said from outside: each is an act, a file of its own, and nothing is overwritten.

What looks like a secret in them is masked, as in a record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import StoreError, UsageError
from ..ids import new_id
from ..records.act import Act, Subject
from ..records.encoding import timestamp
from ..rules.secrets import Secrets
from ..store.acts import acts_about, write_act
from ..store.layout import Store
from ..store.runs import load_run
from ..store.speaker import Speaker
from .view import view_record


def add_note(store: Store, run_id: str, text: str, *, secrets: Secrets, speaker: Speaker) -> Act:
    """Say something about a run. Raises UsageError for an empty note."""
    if not text.strip():
        raise UsageError("the note is empty, expected text", hint="whence note RUN 'what you saw'")
    return _say(store, run_id, "note", {"text": secrets.mask_text(text)}, speaker)


def set_tags(
    store: Store,
    run_id: str,
    tags: Mapping[str, str],
    *,
    remove: Sequence[str] = (),
    secrets: Secrets,
    speaker: Speaker,
) -> Act:
    """Put tags on a run or take them off; the last word on a key wins. Raises UsageError when nothing is said, or
    a tag is to be removed that is not there."""
    if not tags and not remove:
        raise UsageError("no tag was given, expected KEY, KEY=VALUE or --remove KEY", hint="whence tag RUN checked=yes")
    said = {secrets.mask_text(key): secrets.mask_pair(key, value) for key, value in tags.items()}
    there = view_record(store, run_id, now_ns=speaker.clock()).tags
    absent = [key for key in remove if key not in there]
    if absent:
        known = f"its tags are {', '.join(there)}" if there else "it has none"
        raise UsageError(f"run {run_id}: found no tag {absent[0]!r} to remove", hint=known)
    return _say(store, run_id, "tag", {"set": said, "unset": list(remove)}, speaker)


def state_digests(
    store: Store,
    run_id: str,
    artifacts: Sequence[Mapping[str, str | int]],
    *,
    speaker: Speaker,
) -> Act:
    """Complete digests that were pending at the seal: `name`, `digest` and `size` of each output."""
    return _say(store, run_id, "digest", {"artifacts": list(artifacts)}, speaker)


def read_tags(words: Sequence[str]) -> dict[str, str]:
    """`KEY` or `KEY=VALUE`, each. Raises UsageError for a tag without a key."""
    tags: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        if not key.strip():
            raise UsageError(f"{word!r}: expected KEY or KEY=VALUE")
        tags[key.strip()] = value
    return tags


def _say(store: Store, run_id: str, kind: str, body: dict[str, Any], speaker: Speaker) -> Act:
    if not store.writable:
        raise StoreError(f"{store.path}: may be read, not written", hint="copy the store, or ask its owner")
    now = speaker.clock()
    act = Act(
        id=new_id(now // 1_000_000, speaker.random(10)),
        kind=kind,
        at=timestamp(now),
        subject=Subject(run=run_id, seal=load_run(store, run_id).seal_digest),
        by=speaker.by,
        prior=[digest for digest, _ in acts_about(store, run_id)],
        body=body,
    )
    write_act(store, act)
    return act
