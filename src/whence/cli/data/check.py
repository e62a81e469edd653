"""`whence data check`: whether pins can be had, without reading data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import time

from ...actions.pin_check import CheckedPin, check_pins
from ...rules.versions import read_version, role_of
from ..arguments import CommandParser, Place
from ..output import json_document, line, printable, styled
from .words import amount


def parser() -> CommandParser:
    parser = CommandParser(
        "data check",
        "Say whether what a run would pin can be had: the dataset, the version and all its bytes, and what several pins"
        " make of each other. No content is read, and nothing is laid out. Exit code 1 when a pin does not resolve.",
        examples=(
            "whence data check train=cifar@2.1.0 labels@1.0.0",
            "whence data check cifar@2.1.0 --json | jq '.pins[].reasons[].code'",
        ),
    )
    parser.add_argument("pins", nargs="+", metavar="[NAME=]DATASET[@VERSION]", help="as `whence run --data` takes them")
    return parser


def main(words: Sequence[str]) -> int:
    options = parser().parse_args(list(words))
    place = Place()
    retention = place.policy.retention
    report = check_pins(place.store, options.pins, cwd=place.setting.cwd, retention=retention, now=time())
    if options.json:
        json_document(report)
    else:
        for pin in report.pins:
            for text in _lines(pin):
                line(text)
    return 0 if report.resolves else 1


def _role(pin: CheckedPin) -> str:
    return role_of(read_version(pin.version))


def _lines(pin: CheckedPin) -> Iterator[str]:
    if pin.resolves:
        floating = f"; no fixed version was named: it is {_role(pin)}" if pin.floating else ""
        what = f"{pin.dataset}@{pin.version}, {amount(pin.files or 0, pin.size or 0)}{floating}"
        yield f"{styled('resolves', 'green')}  {printable(pin.word)}  {what}"
    else:
        yield f"{styled('refused', 'red')}   {printable(pin.word)}"
    for reason in pin.reasons:
        yield f"  {'warning ' if reason.warning else ''}{reason.code}: {printable(reason.message)}"
        yield from (f"    {printable(one)}" for one in reason.available)
        if reason.files:
            yield f"    {amount(reason.files, reason.size or 0)}"
        if reason.hint:
            yield f"    hint: {printable(reason.hint)}"
