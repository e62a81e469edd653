"""`whence status`: what a run would record now, and what policy would say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..actions.status import Status, status
from ..records.code import Code, DirtyPath
from ..records.encoding import encode
from ..rules.policy import Policy
from ..rules.snapshot import is_excluded
from ..store.layout import open_store
from ..wiring import load_policy, secrets_of, setting, store_path
from .arguments import CommandParser
from .output import counted, json_document, line, printable, size_text, styled


def parser() -> CommandParser:
    parser = CommandParser(
        "status",
        "Say what a run would record now: the code's identities, which paths differ from the commit (code and results"
        " apart), what would be left out, and what policy would say. Exit code 1 when policy would refuse the run."
        " Writes nothing.",
        examples=("whence status", "whence status --json | jq -r .code.id", "whence status --policy dirty=refuse"),
    )
    parser.add_argument("--policy", action="append", default=[], metavar="KEY=VALUE", help="as for whence run")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    where = setting()
    policy = load_policy(where, options.policy)
    path = store_path(where, policy)
    found = status(
        open_store(path) if path.exists() else None,
        path,
        cwd=where.cwd,
        environ=where.environ,
        home=where.home,
        policy=policy,
        secrets=secrets_of(where, policy),
    )
    if options.json:
        json_document(_as_json(found, policy))
    else:
        for text in _lines(found, policy):
            line(text)
    return 1 if any(policy.values[case.key] == "refuse" for case in found.cases) else 0


def _as_json(found: Status, policy: Policy) -> dict[str, object]:
    return {
        "store": str(found.store),
        "runs": found.runs,
        "code": found.code,
        "missing": list(found.missing),
        "policy": [
            {"key": case.key, "answer": policy.values[case.key], "because": case.message, "fix": case.cure}
            for case in found.cases
        ],
        "policy_sources": dict(found.policy),
    }


def _lines(found: Status, policy: Policy) -> Iterator[str]:
    runs = "not there yet: the first run makes it" if found.runs is None else counted(found.runs, "run", "runs")
    yield f"store     {printable(str(found.store))} ({runs})"
    yield from _code(found.code, policy.code_exclude)
    for gap in found.missing:
        yield f"missing   {printable(gap.what)}: {printable(gap.because)}"
    for key, source in found.policy.items():
        yield f"policy    {key} = {_value(policy.values[key])} (from {printable(source)})"
    for case in found.cases:
        answer = policy.values[case.key]
        yield f"policy    {case.key} = {styled(answer, _STYLES.get(answer))}: {printable(case.message)}"
        if answer != "allow":
            yield f"          fix: {printable(case.cure)}"


def _value(value: object) -> str:
    """A policy's value as the policy file would say it."""
    return value if isinstance(value, str) else encode(value).decode()


def _difference(code: Code) -> Iterator[str]:
    """Whether the folder is its commit."""
    if code.vcs != "git":
        yield "vcs       no version control: a run from here takes the folder as it is"
    elif code.dirty is None:
        yield "unknown   git cannot compare the folder with its commit: a run takes the folder as it is"
    elif code.dirty:
        yield f"dirty     {counted(len(code.dirty_paths), 'path differs', 'paths differ')}"
    else:
        yield "clean"


_CODE = "code"
_EXCLUDED = "not part of the code id (code_exclude, caches)"
_RESULTS = "results of earlier runs"


def _title(path: DirtyPath, code_exclude: Sequence[str]) -> str:
    """Under which heading a path stands that differs from the commit."""
    if path.role == "code":
        return _CODE
    return _EXCLUDED if is_excluded(path.path, code_exclude) else _RESULTS


_STYLES = {"refuse": "red", "warn": "yellow"}


def _code(code: Code, code_exclude: Sequence[str]) -> Iterator[str]:
    yield f"code id   {code.id or 'unknown'}"
    for label, value in (
        ("root", code.root),
        ("commit", code.commit),
        ("branch", code.branch),
        ("version", code.version or code.describe),
        ("tree", code.tree),
    ):
        if value:
            yield f"{label:<9} {printable(value)}"
    yield from _difference(code)
    for title in (_CODE, _EXCLUDED, _RESULTS):
        paths = [path for path in code.dirty_paths if _title(path, code_exclude) == title]
        if paths:
            yield f"  {title}:"
            yield from (f"    {path.words:<16} {printable(path.path)}" for path in paths)
    for left in code.files_left_out:
        yield f"left out  {printable(left.path)} ({size_text(left.size)}): {printable(left.because)}"
