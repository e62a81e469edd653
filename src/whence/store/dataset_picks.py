"""Acts of kind `pick`: which of several steps is meant that were made in stores apart (docs/format.md, section 10)."""

from __future__ import annotations

from ..errors import FormatError
from ..records.dataset import Picked
from ..records.encoding import convert
from ..rules.picks import Pick
from .dataset_acts import dataset_acts, say_of_dataset
from .layout import Store
from .speaker import Speaker

PICK = "pick"


def read_picks(store: Store, identifier: str) -> list[Pick]:
    """Those that mean a step of this dataset, the oldest first. What cannot be read is named by `verify`."""
    found: list[Pick] = []
    for digest, act in dataset_acts(store, identifier):
        if act.kind == PICK:
            try:
                body = convert(act.body, Picked)
            except FormatError:
                continue  # of a later version of the format
            found.append(
                Pick(
                    digest=digest,
                    act=act.id,
                    at=act.at,
                    by=act.by,
                    why=act.why,
                    prior=act.prior,
                    question=body.question,
                    step=body.step,
                    over=body.over,
                )
            )
    return found


def make_pick(
    store: Store, identifier: str, picked: Picked, *, prior: list[str], why: str | None, speaker: Speaker
) -> None:
    """State it; `prior` are the picks that it takes the place of. Raises OSError."""
    say_of_dataset(store, identifier, PICK, picked, prior=prior, why=why, speaker=speaker)
