"""What runs said of the rows of the versions that they made: out of their records, or as an archive tells it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ..errors import FormatError, WhenceError
from ..records.dataset import Imported
from ..records.encoding import convert
from ..records.transform import Transform
from .dataset_acts import dataset_acts
from .layout import Store
from .runs import load_run
from .tombstones import IMPORT


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What one run said."""

    transforms: list[Transform]
    archive: str | None
    """The file that it came with, where the run itself is not in the store: nothing here can be held against it."""
    here: bool
    """Whether the run is."""


NO_STORY = Story(transforms=[], archive=None, here=False)


def story_of_run(store: Store, dataset: str, run: str) -> Story:
    """Of a run that made a version of a dataset, by their identifiers."""
    try:
        return Story(transforms=load_run(store, run).record.transforms, archive=None, here=True)
    except WhenceError:
        return _told(store, dataset, run)


def _told(store: Store, dataset: str, run: str) -> Story:
    """As the archive tells it that the versions came with."""
    for _, act in reversed(dataset_acts(store, dataset)):
        if act.kind == IMPORT:
            try:
                body = convert(act.body, Imported)
            except FormatError:
                continue  # of a later version of the format
            if run in body.stories:
                return Story(transforms=body.stories[run], archive=body.archive, here=False)
    return NO_STORY


def stories(store: Store, dataset: str, runs: Iterable[str]) -> dict[str, list[Transform]]:
    """Run -> what it said, of those that said anything."""
    told = {run: story_of_run(store, dataset, run).transforms for run in sorted(set(runs))}
    return {run: transforms for run, transforms in told.items() if transforms}
