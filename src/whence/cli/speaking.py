"""What the commands share that add to a record: who speaks, and how the act is told."""

from __future__ import annotations

import os
import time

from ..records.act import Act
from ..store.speaker import Speaker
from ..wiring import Setting, actor
from .output import json_document, say


def speaker(where: Setting) -> Speaker:
    """The account and the author of this process, now."""
    return Speaker(by=lambda: actor(where), clock=time.time_ns, random=os.urandom)


def tell(act: Act, sentence: str, *, as_json: bool) -> None:
    """The act on stdout, or a sentence on stderr."""
    if as_json:
        json_document(act)
    else:
        say(sentence)
