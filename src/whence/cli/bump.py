"""`whence bump`: tag the next version and push it, in one step."""

from __future__ import annotations

from collections.abc import Sequence

from ..actions.bump import bump
from ..capture.captured_code import no_result
from ..store.layout import open_store
from ..store.results import results_judge
from ..wiring import load_policy, setting, store_path
from .arguments import CommandParser
from .output import json_document, line


def parser() -> CommandParser:
    parser = CommandParser(
        "bump",
        "Fetch the tags, tag the commit with the next version, and push the tag, in one step. Refused, with exit"
        " code 1, where the folder differs from its commit, results of runs aside, and where the commit has the newest"
        " version already. Without a remote the tag is made and not pushed; without any tag v0.1.0 is the first.",
        examples=("whence bump patch", "whence bump minor --plan"),
    )
    parser.add_argument("part", choices=("patch", "minor", "major"))
    parser.add_argument("--plan", action="store_true", help="say which tag would be made, and do nothing")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    where = setting()
    policy = load_policy(where)
    store = store_path(where, policy)
    bumped = bump(
        where.cwd,
        options.part,
        where.environ,
        plan=options.plan,
        is_result=results_judge(open_store(store)) if store.exists() else no_result,
        code_exclude=policy.code_exclude,
    )
    if options.json:
        json_document(
            {
                "previous": bumped.previous,
                "tag": bumped.tag,
                "commit": bumped.commit,
                "remote": bumped.remote,
                "done": bumped.done,
            }
        )
        return 0
    done = "would tag" if options.plan else "tagged"
    remote = f"and pushed to {bumped.remote}" if bumped.remote else "not pushed: there is no remote"
    line(f"{done} {bumped.tag} at {bumped.commit[:12]}" + (f" (after {bumped.previous})" if bumped.previous else ""))
    if not options.plan:
        line(remote)
    return 0
