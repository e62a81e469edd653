"""Configuration: files, objects and parameters become one set of values, each with its origin."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import omegaconf
import pytest
from hydra.core.hydra_config import HydraConfig

from whence.capture.config_files import read_config_file
from whence.capture.configuration import NO_HYDRA, ReadConfig, hydra_state, parameter, resolve
from whence.digests import digest_of
from whence.errors import RefusedError
from whence.records.configuration import Seed
from whence.rules.plain import flatten
from whence.rules.secrets import Secrets

SECRETS = Secrets(b"k" * 32)


def read(tmp_path: Path, name: str, content: str | bytes) -> ReadConfig:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_config_file(name, cwd=str(tmp_path), secrets=SECRETS)


@pytest.mark.parametrize(
    ("name", "content", "form", "values"),
    [
        ("c.json", '{"lr": 0.1, "n": NaN, "m": {"d": 3}}', "json", {"lr": 0.1, "n": "NaN", "m": {"d": 3}}),
        ("c.yaml", "lr: 0.1\nday: 2026-11-21\nm:\n  d: 3\n", "yaml", {"lr": 0.1, "day": "2026-11-21", "m": {"d": 3}}),
        ("c.toml", "lr = 0.1\n[m]\nd = 3\n", "toml", {"lr": 0.1, "m": {"d": 3}}),
        ("c.ini", "[m]\nD = 3\np = 50%\n", "ini", {"m": {"D": "3", "p": "50%"}}),
        ("c.txt", "anything", "text", None),
    ],
)
def test_a_file_is_kept_and_parsed(tmp_path: Path, name: str, content: str, form: str, values: object) -> None:
    file = read(tmp_path, name, content)
    assert (file.file.format, file.file.values, file.file.error, file.file.masked) == (form, values, None, False)
    assert (file.file.digest, file.content) == (digest_of(content.encode()), content.encode())


def _aliases(levels: int) -> str:
    """Nine values, and levels of nine aliases each of the level above."""
    lines = [f"a0: &a0 [{', '.join('x' * 9)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


@pytest.mark.scenario("F9")
@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("c.json", '{"a": 1,\n "b": }', "Expecting value: line 2 column 7 (char 15)"),
        ("c.toml", "a = 1\nb = ", "Invalid value (at end of document)"),
        ("c.ini", "a = 1", "File contains no section headers. file: '<string>', line: 1 'a = 1'"),
        ("c.json", b"\xff{}", "not UTF-8 at byte 0"),
        ("c.json", "[" * 100_000, "nested too deep"),
        ("c.yaml", "[" * 100_000, "nested too deep"),
        ("c.yaml", "- " * 100_000, "nested too deep"),
        ("c.yaml", _aliases(6), "its aliases stand for more than 100000 values"),
        ("c.yaml", f"a: &a {'x' * 100_000}\nb: [{'*a, ' * 99}]\n", "its aliases stand for more than 100000 values"),
    ],
)
def test_a_file_that_cannot_be_parsed_is_kept_with_the_reason(
    tmp_path: Path, name: str, content: str | bytes, error: str
) -> None:
    file = read(tmp_path, name, content)
    assert (file.file.values, file.file.error, file.values) == (None, error, {})
    assert file.content == (content.encode() if isinstance(content, str) else content)


def test_aliases_stand_for_their_values(tmp_path: Path) -> None:
    file = read(tmp_path, "c.yaml", "base: &b {lr: 0.1}\none: *b\ntwo:\n  <<: *b\n  n: 3\n")
    assert file.file.error is None
    assert file.values == {"base": {"lr": 0.1}, "one": {"lr": 0.1}, "two": {"lr": 0.1, "n": 3}}


def test_yaml_faults_name_line_and_column(tmp_path: Path) -> None:
    error = read(tmp_path, "c.yaml", "a: 1\nb: [1\n").file.error
    assert error is not None
    assert "line 3, column 1" in error


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError) as refused:
        read_config_file("c.json", cwd=str(tmp_path), secrets=SECRETS)
    assert refused.value.message == f"configuration c.json: No such file or directory in {tmp_path}"


SECRET_FILES = {
    "c.json": '{"db": {"password": "hunter22"}, "lr": 0.1}',
    "c.yaml": "lr: 0.1\nsecrets:\n  inner: hunter22\nother:\n  api_key: >\n    hunter22\n",
    "c.toml": 'lr = 0.1\n[credentials]\nlist = ["hunter22"]\n',
    "c.ini": "[a]\ntoken = hunter22\n",
    "c.txt": "password: hunter22\n",
}


@pytest.mark.scenario("F6")
@pytest.mark.parametrize("name", SECRET_FILES)
def test_no_secret_of_a_file_is_kept(tmp_path: Path, name: str) -> None:
    file = read(tmp_path, name, SECRET_FILES[name])
    assert b"hunter22" not in file.content
    assert "hunter22" not in repr(file.file)
    assert file.file.masked
    assert file.file.digest == digest_of(file.content)


HARD_FILES = {
    "a list.json": '{"lr": 1, "password": ["hunter22"]}',
    "a short one in a list.json": '{"lr": 1, "password": ["Qz!"]}',
    "a mapping.json": '{"lr": 1, "credentials": {"val": "hunter22"}}',
    "the next line.json": '{"lr": 1, "password":\n"hunter22"}',
    "a key with an escape.json": '{"lr": 1, "pass\\u0077ord": "Qz!"}',
    "a value with an escape.json": '{"lr": 1, "password": ["hunter\\u0032\\u0032"]}',
    "a number.json": '{"lr": 1, "password": [83947261]}',
    "a table.toml": "lr = 1\n[credentials]\nx = 'Qz!'\n",
    "several lines.toml": 'lr = 1\n[credentials]\nx = """\nhunt\\\n  er22"""\n',
    "a section.ini": "[m]\nlr = 1\n[credentials]\nx = Qz!\n",
    "the next line.ini": "[m]\nlr = 1\npasswd=\n  Qz!\n",
    "a mapping.yaml": "lr: 1\npassword: {a: Qz!}\n",
    "a list.yaml": "lr: 1\npassword:\n- Qz!\n- hunter22\n",
    "a block.yaml": "lr: 1\npassword: |\n  Qz!\n  hunter22\n",
    "a folded block.yaml": "lr: 1\npassword: >-\n  Qz!\n  hunter22\n",
    "below credentials.yaml": "lr: 1\ncredentials:\n  x: Qz!\n",
    "an anchor.yaml": "lr: 1\nshared: &s hunter22\npassword: *s\n",
    "a key named twice.json": '{"lr": 1, "password": "hunter, 22; Qz!", "pass\\u0077ord": "Qz!"}',
    "a section named twice.json": '{"a": {"pass\\u0077ord": "Qz!"}, "a": {"lr": 1}}',
    "a list under a section named twice.json": '{"a": {"password": ["Qz!", "hunter22"]}, "a": {"lr": 1}}',
    "a key named twice.yaml": 'lr: 1\npassword: [Qz!, hunter22]\npassword: "hunter\\x32\\x32"\n',
    "a section named twice.yaml": 'a: {"pass\\x77ord": Qz!}\na: {lr: 1}\n',
    "an anchor in a section named twice.yaml": "a: &x {password: {b: Qz!}}\na: {lr: 1}\nc: {<<: *x, password: 1}\n",
    "refused.json": '{"lr": 1, "password": ["Qz!", \n"hunter22"',
    "refused.yaml": "lr: 1\npassword: |\n  Qz!\n :\n]",
    "no section.ini": "lr = 1\npasswd=\n  Qz!\n",
    "a text.txt": "lr = 1\nsecrets = {\n  'a': 'Qz!',\n}\n",
}


@pytest.mark.parametrize("name", HARD_FILES)
def test_a_secret_that_no_pattern_for_text_finds_is_not_kept_either(tmp_path: Path, name: str) -> None:
    file = read(tmp_path, name, HARD_FILES[name])
    for raw in ("Qz!", "hunter22", "hunter\\u0032", "er22", "83947261"):
        assert raw.encode() not in file.content
        assert raw not in repr(file.file)
    assert file.file.masked
    assert b"lr" in file.content
    assert file.file.digest == digest_of(file.content)


def test_a_file_whose_masked_bytes_say_something_else_is_kept_as_its_values(tmp_path: Path) -> None:
    read_again = read(tmp_path, "c.yaml", "# a remark\npassword: hunter22\n").file
    assert (read_again.masked, read_again.rendered) == (True, False)
    file = read(tmp_path, "d.yaml", "# a remark\npassword: |\n  hunter22\n  hunter23\nsplit: test\n")
    assert (file.file.masked, file.file.rendered) == (True, True)
    assert msgspec.json.decode(file.content) == file.file.values
    assert file.file.values["split"] == "test"


def test_of_a_key_that_is_named_twice_the_last_value_counts(tmp_path: Path) -> None:
    for name, content in (
        ("c.json", '{"lr": 1, "m": {"a": 1}, "m": {"d": 3}, "lr": 2}'),
        ("c.yaml", "lr: 1\nm: {a: 1}\nm: {d: 3}\nlr: 2\n"),
    ):
        file = read(tmp_path, name, content)
        assert (file.file.values, file.values) == ({"lr": 2, "m": {"d": 3}}, {"lr": 2, "m": {"d": 3}})
        assert (file.content, file.file.masked) == (content.encode(), False)


@dataclass
class Model:
    depth: int = 2
    seed: int = 7


@dataclass
class Settings:
    lr: float = 0.5
    model: Model = field(default_factory=Model)


def resolved(**given: Any) -> Any:
    return resolve(**({"argv": [], "secrets": SECRETS} | given))


@pytest.mark.scenario("S6", "F8")
def test_files_objects_and_parameters_are_merged_in_this_order(tmp_path: Path) -> None:
    one = read(tmp_path, "1.json", '{"lr": 0.1, "model": {"depth": 1, "width": 9}, "only": [1]}')
    two = read(tmp_path, "2.toml", "lr = 0.2\n")
    config = resolved(files=[one, two], objects=[Settings()], params={"model.seed": 8, "new.deep.name": True})
    assert config.values == {
        "lr": 0.5,
        "model": {"depth": 2, "width": 9, "seed": 8},
        "only": [1],
        "new": {"deep": {"name": True}},
    }
    assert config.origins == {
        "lr": "declared",
        "model.depth": "declared",
        "model.width": "file",
        "model.seed": "command_line",
        "only": "file",
        "new.deep.name": "command_line",
    }
    assert config.origins.keys() == flatten(config.values).keys()
    assert config.seeds == [Seed(name="model.seed", value=8, origin="command_line")]


MERGES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "a value by a mapping": ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
    "a mapping by a value": ({"a": {"b": 2}}, {"a": 1}, {"a": 1}),
    "a list by a list": ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
    "nothing by nothing": ({"a": {}}, {"a": {}}, {"a": {}}),
    "an empty mapping by a full one": ({"a": {}}, {"a": {"b": 1}}, {"a": {"b": 1}}),
}


@pytest.mark.parametrize("case", MERGES)
def test_what_is_no_mapping_on_both_sides_is_replaced(case: str) -> None:
    one, two, expected = MERGES[case]
    config = resolved(objects=[one, two])
    assert config.values == expected
    assert config.origins.keys() == flatten(expected).keys()
    assert (one, two) == MERGES[case][:2]


@pytest.mark.scenario("F2")
def test_the_callers_objects_stay_as_they_were() -> None:
    given = {"a": {"b": 1}}
    resolved(objects=[given], params={"a.b": 2, "a.c": 3})
    assert given == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-3", -3), ("3e-4", 3e-4), (".5", 0.5), ("1.", 1.0), ("+2", 2), ("true", True), ("False", False),
        ("none", None), ("null", None), ("[1, 2]", [1, 2]), ('{"a": 1}', {"a": 1}), ('"1"', "1"), ("", ""),
        ("nan", "NaN"),
        ("007", "007"), ("1_000", "1_000"), ("adam", "adam"), ("a=b", "a=b"), (" x ", " x "), ("1e999", "Infinity"),
        ("-", "-"), ("2026-11-21", "2026-11-21"), ("[1,", "[1,"),
    ],
)  # fmt: skip
def test_a_parameter_is_typed_as_one_expects(text: str, value: object) -> None:
    name, found = parameter(f"a.b={text}")
    assert (name, found, type(found)) == ("a.b", value, type(value))


def test_a_parameter_without_a_value_is_refused() -> None:
    with pytest.raises(ValueError, match="'lr': expected NAME=VALUE"):
        parameter("lr")


@pytest.mark.scenario("F6")
def test_secrets_in_values_arguments_and_names_are_masked() -> None:
    config = resolved(
        argv=["t.py", "--password", "hunter22"],
        objects=[argparse.Namespace(api_key="hunter22", max_tokens=5)],
        params={"db.password": "hunter22"},
    )
    assert "hunter22" not in repr(config)
    assert config.values["max_tokens"] == 5


@pytest.mark.scenario("X11")
def test_a_large_configuration_is_kept_whole() -> None:
    given = {f"k{number}": number for number in range(12_000)} | {"long": "z" * 100_000}
    config = resolved(objects=[given])
    assert config.values == given
    assert len(config.origins) == 12_001


@pytest.mark.scenario("S5")
def test_hydra_tells_choices_overrides_and_files(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text("lr: 0.1\n")
    state = omegaconf.OmegaConf.create(
        {
            "hydra": {
                "runtime": {"choices": {"model": "large", "hydra/launcher": "basic"}, "output_dir": str(tmp_path)},
                "overrides": {"task": ["model=large", "+lr=0.2"]},
                "output_subdir": ".hydra",
            }
        }
    )
    holder = HydraConfig.instance()
    holder.cfg = state  # type: ignore[assignment]
    try:
        hydra = hydra_state(sys.modules)
    finally:
        holder.cfg = None
    assert hydra.choices == {"model": "large", "hydra/launcher": "basic"}
    assert hydra.files == [str(tmp_path / ".hydra" / "config.yaml")]
    config = resolved(objects=[{"lr": 0.2, "depth": 3}], hydra=hydra)
    assert config.choices["model"] == "large"
    assert config.overrides == ["model=large", "+lr=0.2"]
    assert config.origins == {"lr": "command_line", "depth": "declared"}


def test_without_hydra_there_are_no_choices() -> None:
    no_modules: Callable[[], dict[str, Any]] = dict
    assert hydra_state(no_modules()) is NO_HYDRA
