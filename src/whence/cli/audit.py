"""`whence audit`: what a reviewer would miss."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..actions.audit import Audited, audit
from ..errors import UnresolvedError
from ..rules.finding import Finding
from .arguments import REFERENCE, CommandParser, Place
from .log import status_text
from .output import counted, json_line, line, printable, say, styled

LEVELS = {"missing": "red", "weak": "yellow", "late": "yellow", "remark": "dim"}


def parser() -> CommandParser:
    parser = CommandParser(
        "audit",
        "Say what a reviewer would miss in a run, in those that a query means, or in the whole store: each missing,"
        " weak or late fact, why, and how to cure it. Exit code 1 when anything is incomplete. Writes nothing."
        " missing: the record lacks it. weak: it is there, and proves less than it should. late: it was captured or"
        " written later than it counts. remark: worth knowing, and the run is complete with it. A run that has no"
        " inputs to record says so with `whence tag RUN inputs=none` (or `unknown`): then it is a remark."
        " It trusts what the records say: that nothing was edited since is for `whence verify`.",
        examples=(
            "whence audit @",
            "whence audit 'tags.paper exists'",
            "whence audit --json | jq 'select(.complete|not)'",
        ),
    )
    parser.add_argument("words", nargs="*", metavar="REF|QUERY", help=f"{REFERENCE}; or a query; all runs without")
    parser.add_argument("--all", action="store_true", help="also what does not count: remarks")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_intermixed_args(list(words))
    place = Place()
    count = incomplete = 0
    for audited in audit(
        place.store,
        options.words,
        fields=place.policy.fields,
        cwd=place.setting.cwd,
        now_ns=time.time_ns(),
    ):
        count += 1
        incomplete += not audited.complete
        if options.json:
            json_line(_as_json(audited))
        else:
            _print(audited, remarks=options.all)
    if count == 0 and options.words:
        raise UnresolvedError(
            f"{' '.join(options.words)}: no run matches, expected at least one: nothing was audited",
            hint="`whence log` lists the runs",
        )
    if count == 0:
        say("there is no run: nothing was audited")
    elif not options.json:
        say(f"{counted(count, 'run', 'runs')} audited, {incomplete} incomplete" if count != 1 else _verdict(incomplete))
        say("not verified: `whence verify` reads every byte")
    return 1 if incomplete else 0


def _verdict(incomplete: int) -> str:
    return "incomplete" if incomplete else "complete"


def _as_json(audited: Audited) -> dict[str, object]:
    record = audited.record
    return {
        "id": audited.run,
        "name": record.name if record else None,
        "status": record.status if record else None,
        "complete": audited.complete,
        "findings": [{"level": f.level, "what": f.what, "because": f.because, "fix": f.fix} for f in audited.findings],
    }


def _print(audited: Audited, *, remarks: bool) -> None:
    shown = [finding for finding in audited.findings if finding.counts or remarks]
    name = f"  {printable(audited.record.name)}" if audited.record and audited.record.name else ""
    status = status_text(audited.record) if audited.record else "unreadable"
    line(f"{audited.run}{name}  {status}  {'complete' if audited.complete else 'INCOMPLETE'}")
    for finding in shown:
        _print_finding(finding)


def _print_finding(finding: Finding) -> None:
    level = styled(f"{finding.level:<7}", LEVELS[finding.level])
    line(f"  {level}  {printable(finding.what)}: {printable(finding.because)}")
    line(f"           fix: {printable(finding.fix)}")
