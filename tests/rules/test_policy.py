"""Policy: precedence, and errors that name source, key and expectation."""

from __future__ import annotations

from typing import Any

import pytest

from whence.errors import UsageError
from whence.rules.policy import KEYS, resolve


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default() -> None:
    file = {"dirty": "warn", "seal_within": 1, "keep_limit": "1 KiB"}
    environ = {"WHENCE_POLICY_DIRTY": "allow", "WHENCE_POLICY_SEAL_WITHIN": "2"}
    policy = resolve(flags=["dirty=refuse"], environ=environ, file=file, where="whence.toml")
    assert (policy.dirty, policy.seal_within, policy.keep_limit) == ("refuse", 2.0, 1024)
    assert policy.sources == {
        "dirty": "--policy",
        "seal_within": "WHENCE_POLICY_SEAL_WITHIN",
        "keep_limit": "whence.toml",
    }
    assert policy.untracked_limit == KEYS["untracked_limit"].default


@pytest.mark.parametrize(
    ("flags", "environ", "file", "message", "hint"),
    [
        (["drity=refuse"], {}, {}, "--policy: unknown policy key 'drity'", "did you mean 'dirty'?"),
        (
            [],
            {"WHENCE_POLICY_DRITY": "x"},
            {},
            "WHENCE_POLICY_DRITY: unknown policy key 'drity'",
            "did you mean 'dirty'?",
        ),
        ([], {}, {"dirty": "no"}, "f.toml: dirty = 'no': expected one of allow, warn, refuse", KEYS["dirty"].sentence),
        (
            [],
            {},
            {"seal_within": -1},
            "f.toml: seal_within = -1: expected a time such as 90, 10 s, 2 min or 1 h",
            None,
        ),
        (
            [],
            {},
            {"seal_within": True},
            "f.toml: seal_within = True: expected a time such as 90, 10 s, 2 min or 1 h",
            None,
        ),
        (
            ["keep_limit=3 parsecs"],
            {},
            {},
            "--policy: keep_limit = '3 parsecs': expected a size such as 1048576, 10 MiB or 1 GiB",
            None,
        ),
        (["dirty"], {}, {}, "--policy dirty: expected KEY=VALUE", "for instance --policy dirty=refuse"),
        ([], {}, {"code_exclude": [1]}, "f.toml: code_exclude = [1]: expected a list of patterns", None),
    ],
)
def test_a_wrong_policy_names_source_key_and_expectation(
    flags: list[str], environ: dict[str, str], file: dict[str, Any], message: str, hint: str | None
) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(flags=flags, environ=environ, file=file, where="f.toml")
    assert caught.value.message == message
    assert caught.value.hint == hint or (hint is None and caught.value.hint in {key.sentence for key in KEYS.values()})


@pytest.mark.parametrize(("text", "size"), [("10", 10), ("2 KiB", 2048), ("1GiB", 1 << 30), ("3 MB", 3_000_000)])
def test_sizes_have_units(text: str, size: int) -> None:
    assert resolve(flags=[f"keep_limit={text}"], environ={}, file={}).keep_limit == size


def test_every_key_is_described_and_its_default_is_readable() -> None:
    for name, key in KEYS.items():
        assert key.sentence.endswith(".")
        if key.kind not in ("fields", "text"):
            assert resolve(environ={}, file={name: key.default}).values[name] == key.default


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60", 60), ("10 s", 10), ("60s", 60), ("2 min", 120), ("1h", 3600), ("500 ms", 0.5), ("1e2", 100), (1.5, 1.5)],
)
def test_a_time_is_read_with_its_unit_as_the_page_shows_it(text: str | float, seconds: float) -> None:
    assert resolve(environ={}, file={"digest_before_start": text}).values["digest_before_start"] == seconds


@pytest.mark.parametrize("text", ["", "s", "10 parsecs", "nan", "inf", "-1 s", "min 2", [1], None])
def test_what_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(UsageError, match="expected a time such as 90, 10 s, 2 min or 1 h"):
        resolve(environ={}, file={"digest_before_start": text})


def test_a_text_with_a_zero_character_is_refused() -> None:
    with pytest.raises(UsageError) as raised:
        resolve(environ={}, file={"store": "a\0b"}, where="whence.toml")
    assert raised.value.message == "whence.toml: store = 'a\\x00b': expected text without a zero character"
