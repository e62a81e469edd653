"""What every struct of the format shares: frozen, complete when made; unknown fields are ignored.

msgspec does not inherit `kw_only`, and type checkers not `frozen`, so each struct says both again. No module of
records imports `annotations` from `__future__`: msgspec would compile each as a string when it first reads a record,
3 ms at the end of every run.
"""

from typing import Literal

import msgspec


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    """A value of the format. One that exists is valid."""


When = Literal["launch", "during", "end", "later"]
"""When a fact was captured: before the command started, while it ran, right after it ended, after the seal."""

How = Literal["observed", "declared"]
"""Whether whence saw it or somebody said so."""


class Missing(Struct, frozen=True, kw_only=True):
    """Something that could not be captured."""

    what: str
    """The dotted name of what is missing: `environment.accelerators`, `code.describe`."""
    because: str
    """The reason, for a person."""
    when: When = "launch"
