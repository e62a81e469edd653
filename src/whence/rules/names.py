"""Names of runs: any text that cannot be taken for another kind of reference, and that stands on one line."""

from __future__ import annotations

from ..errors import UsageError

LONGEST = 200


def check_name(name: str | None) -> str | None:
    """The name, if a run may have it. Raises UsageError.

    `@` begins the latest run of a name, `:` parts a run from what is in it, and a word with `/` is a path.
    """
    if name is None:
        return None
    fault = _fault(name)
    if fault is not None:
        shown = repr(name) if len(name) <= LONGEST else f"{name[:20]!r}…"
        raise UsageError(f"name {shown}: {fault}", hint="for instance `baseline` or `lr-0.1`; a purpose may say more")
    return name


def _fault(name: str) -> str | None:
    if not name.strip():
        return "found nothing, expected a name"
    if len(name) > LONGEST:
        return f"found {len(name)} characters, expected at most {LONGEST}"
    if name.startswith(("@", "-")):
        return f"expected another first character than {name[0]!r}"
    found = next((character for character in name if character in ":/" or ord(character) < 32), None)
    return None if found is None else f"found {found!r} in it"
