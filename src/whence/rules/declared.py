"""What was declared about the code, held against what was observed: expectations to check, never facts to copy."""

from __future__ import annotations

import re

from ..records.code import Code, Declared
from .remotes import parse_remote, without_credentials


def declared_code(code: Code, url: str | None, commit: str | None) -> list[Declared]:
    """The address and the commit that were handed in, as far as they were."""
    declared: list[Declared] = []
    if commit is not None:
        declared.append(expectation("code.commit", commit, code.commit, is_commit(commit, code.commit)))
    if url is not None:
        clean = without_credentials(url)
        observed = code.url or next(iter(code.remotes.values()), None)
        agrees = clean == code.url or any(_same_place(clean, other) for other in code.remotes.values())
        declared.append(expectation("code.url", clean, observed, agrees))
    return declared


def looks_like_commit(text: str) -> bool:
    """Whether it could be the identifier of a commit, or its beginning."""
    return re.fullmatch(r"[0-9a-fA-F]{6,64}", text) is not None


def is_commit(declared: str, observed: str | None) -> bool:
    """Whether they are one commit, of which seven digits are enough."""
    return observed is not None and len(declared) >= 7 and observed.startswith(declared.lower())


def expectation(name: str, value: str, observed: str | None, agrees: bool) -> Declared:
    """A declared value with its verdict; without anything observed there is none."""
    checked = "unchecked" if observed is None else "agrees" if agrees else "differs"
    return Declared(name=name, value=value, checked=checked, observed=observed)


def _same_place(url: str, remote: str) -> bool:
    """Whether both addresses mean one repository: `git@host:a/b.git`, `https://host/a/b`, or a page below it."""
    one, other = parse_remote(url), parse_remote(remote)
    if one is None or other is None or one.host != other.host:
        return False
    return one.path == other.path or one.path.startswith(
        (f"{other.path}/blob/", f"{other.path}/tree/", f"{other.path}/-/")
    )
