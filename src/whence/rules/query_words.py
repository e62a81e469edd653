"""The words of the query language, for its page (docs/query.md): each form with what it means and an example.

`query.parse` reads every example, which a test shows.
"""

from __future__ import annotations

import msgspec


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """One form of a query."""

    name: str
    form: str
    example: str
    meaning: str


class Name(msgspec.Struct, frozen=True, kw_only=True):
    """A field, or a family of fields."""

    field: str
    meaning: str
    example: str


FORMS: tuple[Form, ...] = (
    Form(
        name="query",
        form="`a and b`, `a or b`, `not a`, `(a)`",
        example="status = failed or code.dirty = true and not tags.kind = test",
        meaning="`and` binds closer than `or`",
    ),
    Form(
        name="compare",
        form="`=` `!=` `<` `<=` `>` `>=`",
        example="metrics.loss < 0.1",
        meaning="numbers as numbers, times as times, versions of software as such (`2.4.0rc1` is before `2.4`)",
    ),
    Form(
        name="match",
        form="`~`, `!~`",
        example="error ~ 'CUDA|out of memory'",
        meaning="a regular expression, found anywhere in the text",
    ),
    Form(
        name="one of",
        form="`in (a, b)`, `not in (a, b)`",
        example="status in (killed, lost)",
        meaning="any of the values",
    ),
    Form(
        name="there",
        form="`exists`, `missing`",
        example="metrics.acc exists",
        meaning="whether the record has the field at all",
    ),
    Form(
        name="values",
        form="words, numbers, `'text'`, `\"text\"`, `true`, `false`",
        example="name = 'warm-up off'",
        meaning="quotes are for blanks and signs",
    ),
    Form(
        name="measures",
        form="`90s`, `20min`, `2h`, `7d`, `10KiB`, `5GB`",
        example="duration < 2h",
        meaning="seconds and bytes",
    ),
    Form(
        name="times",
        form="`2026-11-21`, `2026-11-21T06:40`, `2026-11-21T06:40+01:00`",
        example="started > 2026-11-01",
        meaning="the whole day or minute, in UTC where no zone is named",
    ),
)

NAMES: tuple[Name, ...] = (
    Name(
        field="status, outcome, standing",
        meaning="how it ended, what it means, whether it may be relied on",
        example="outcome = refuted",
    ),
    Name(
        field="name, purpose, hypothesis, command, host, user",
        meaning="what was said at the launch, and where it was; a command by a word or as a whole",
        example="command ~ 'train.py 2'",
    ),
    Name(
        field="created, started, ended, duration, exit_code, signal",
        meaning="when it was, how long it took, with what code it ended",
        example="created = 2026-11-21",
    ),
    Name(
        field="config.NAME",
        meaning="a parameter, by its dotted path; also `param.NAME`",
        example="config.optim.lr in (0.1, 0.01)",
    ),
    Name(
        field="metrics.NAME",
        meaning="the last value; `metrics.NAME.min`, `.max`, `.first`, `.mean`, `.count`, `.step` the others",
        example="metrics.val.acc.max >= 0.9",
    ),
    Name(
        field="tags.NAME, ext.NAME",
        meaning="a tag; a field of the project, given with `--field`, also `field.NAME`",
        example="tags.kind = ablation",
    ),
    Name(
        field="code.id, code.commit, code.branch, code.dirty",
        meaning="the code that ran; a commit or an id by its first 7 digits or more",
        example="code.commit = 54a9005",
    ),
    Name(
        field="env.packages.NAME",
        meaning="the version of an installed package; `env.python.version` the interpreter's",
        example="env.packages.torch < 2.4",
    ),
    Name(
        field="inputs, input.NAME, data.NAME",
        meaning="what it read: by digest (7 digits on), path, name, `DATASET`, `DATASET@VERSION`; that of one name",
        example="data.train = cifar@2.1.0",
    ),
    Name(
        field="artifacts, artifact.NAME",
        meaning="what it made, likewise",
        example="artifacts.kind = model",
    ),
    Name(
        field="error",
        meaning="the message; `error.type` its class",
        example="error.type = ValueError",
    ),
    Name(
        field="notes, text",
        meaning="what was said about it; `text` is purposes, hypotheses, notes, claims and errors together",
        example="text ~ overfit",
    ),
)
