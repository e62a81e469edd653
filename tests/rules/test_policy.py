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
            "f.toml: seal_within = -1: expected seconds, a number that is not negative",
            None,
        ),
        (
            [],
            {},
            {"seal_within": True},
            "f.toml: seal_within = True: expected seconds, a number that is not negative",
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
