"""A program under `whence run` finds everything as it would without: its imports, its streams, its objects."""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from fences import ROOT
from workplace import WHENCE, Workplace

import whence.boot as boot
from whence.boot.hook import WATCHED
from whence.boot.table import ROWS

PYTHON = sys.executable
OTHER = str(Path(sys.base_prefix) / "bin" / "python3")
FOLDER = Path(boot.__file__).parent

SHOW = """\
import json, os, sys
names = [n for n in sys.modules if not n.startswith("_whence_boot")]
path = [entry for entry in sys.path]
variables = {k: v for k, v in os.environ.items() if k != "WHENCE_RUN"}
print(json.dumps([path, sorted(names), variables, [type(f).__name__ for f in sys.meta_path], sys.argv, sys.flags[:],
    sorted(sys.path_importer_cache), sorted(os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd") else [])]))
"""


def seen(workplace: Workplace, *command: str, **how: Any) -> tuple[list[Any], list[Any]]:
    """What a program prints without us, and with."""
    bare = workplace.run(command, **how).ok()
    recorded = workplace.whence("run", "--", *command, **how).ok()
    return json.loads(bare.out), json.loads(recorded.out)


@pytest.mark.parametrize("python", [PYTHON, OTHER])
def test_path_modules_and_environment_are_those_without_us_but_for_what_is_documented(
    python: str, workplace: Workplace
) -> None:
    workplace.script("show.py", SHOW)
    (path, modules, variables, finders, *rest), (path2, modules2, variables2, finders2, *rest2) = seen(
        workplace, python, "show.py"
    )
    # Its standard library's `atexit` and `time` are built in, `__future__` is a small file: ours, and harmless.
    assert set(modules2) - set(modules) <= {"__future__", "atexit", "time"}
    assert set(modules) <= set(modules2)
    assert (path2, finders2) == (path, ["Finder", *finders])
    assert variables2.pop("PYTHONPATH") == f"{FOLDER / 'site'}/."
    assert Path(variables2.pop("WHENCE_BOOT")).parent.name.startswith("whence-boot-")
    variables2.pop("WHENCE_WATCH", None)  # Only where the command is watched by a filter.
    assert variables2 == variables
    argv, flags, caches, descriptors = rest
    argv2, flags2, caches2, descriptors2 = rest2
    assert (argv2, flags2, descriptors2) == (argv, flags, descriptors)
    assert set(caches2) - set(caches) == {str(FOLDER)}


def test_a_pythonpath_of_the_users_keeps_its_place(workplace: Workplace) -> None:
    workplace.script("show.py", SHOW)
    env = {"PYTHONPATH": f"{workplace.path / 'a'}:{workplace.path / 'b'}"}
    bare, recorded = seen(workplace, PYTHON, "show.py", env=env)
    assert recorded[0] == bare[0]
    assert recorded[2]["PYTHONPATH"] == f"{FOLDER / 'site'}:{env['PYTHONPATH']}"


ADDED = {
    "at the front": (":/foo", "$PYTHONPATH"),
    "at the end": ("/foo:", "$PYTHONPATH"),
    "in the middle": ("/foo::/bar", "$PYTHONPATH"),
    "by a script, behind nothing": (None, "$PYTHONPATH:/x"),
    "by a script, before an empty one": ("", "/x:$PYTHONPATH"),
}


@pytest.mark.parametrize("case", ADDED)
def test_an_empty_entry_of_pythonpath_stays_the_working_folder(case: str, workplace: Workplace) -> None:
    path, said = ADDED[case]
    workplace.script("sub/show.py", SHOW)
    command = ("sh", "-c", f'PYTHONPATH="{said}" exec "$0" sub/show.py', OTHER)
    bare, recorded = seen(workplace, *command, env={"PYTHONPATH": path})
    assert recorded[0] == bare[0]
    assert str(workplace.path) in bare[0]


CUSTOM = {
    "sitecustomize": "import builtins; builtins.site_was_here = __file__\n",
    "usercustomize": "import builtins; builtins.user_was_here = __file__\n",
}
WHO = """\
import builtins, json, sys
print(json.dumps([getattr(builtins, "site_was_here", None), getattr(builtins, "user_was_here", None),
    getattr(sys.modules.get("sitecustomize"), "__file__", None), "sitecustomize" in sys.modules]))
"""


@pytest.mark.parametrize("python", [PYTHON, OTHER])
def test_the_users_own_sitecustomize_and_usercustomize_are_executed(python: str, workplace: Workplace) -> None:
    for name, text in CUSTOM.items():
        workplace.write(f"lib/{name}.py", text)
    env = {"PYTHONPATH": str(workplace.path / "lib")}
    bare, recorded = seen(workplace, python, "-c", WHO, env=env)
    assert recorded == bare
    assert recorded[0] == str(workplace.path / "lib" / "sitecustomize.py")


@pytest.mark.parametrize(
    "text", ["raise ValueError('mine')\n", "import not_there_at_all\n", "import sys; sys.exit(3)\n"]
)
def test_what_goes_wrong_in_the_users_sitecustomize_is_told_as_without_us(text: str, workplace: Workplace) -> None:
    workplace.write("lib/sitecustomize.py", text)
    env = {"PYTHONPATH": str(workplace.path / "lib")}
    bare = workplace.run([OTHER, "-c", "print(1)"], env=env)
    recorded = workplace.run([OTHER, "-c", "print(1)"], env={**env, **with_us(workplace, env)})
    assert (recorded.code, recorded.out) == (bare.code, bare.out)
    if "sys.exit" not in text:  # That one is fatal, and Python prints the frames.
        assert recorded.err == bare.err


def with_us(workplace: Workplace, env: dict[str, str]) -> dict[str, str]:
    """An environment as `whence run` makes it, for a program started by hand."""
    folder = workplace.path.parent / "told"
    folder.mkdir(exist_ok=True)
    rest = env.get("PYTHONPATH")
    return {"PYTHONPATH": f"{FOLDER / 'site'}{':' + rest if rest else ''}", "WHENCE_BOOT": str(folder)}


def test_a_library_of_another_version_is_no_error(workplace: Workplace) -> None:
    names = ["click/core.py", "hydra/core/utils.py", "omegaconf/omegaconf.py", "absl/flags/_flagvalues.py",
             "fire/core.py", "jsonargparse/_core.py", "tyro/_cli.py", "simple_parsing/parsing.py", "torch.py",
             "pydantic_settings/main.py", "transformers/hf_argparser.py", "typer/_click/core.py"]  # fmt: skip
    for name in names:
        workplace.write(f"lib/{name}", "class FlagValues: pass\nclass OmegaConf: load = merge = None\nbackends = 3\n")
    modules = [name.removesuffix(".py").replace("/", ".") for name in names]
    workplace.script("program.py", "\n".join(f"import {name}" for name in modules) + "\nprint('done')\n")
    done = workplace.whence("run", "--", PYTHON, "program.py", env={"PYTHONPATH": str(workplace.path / "lib")}).ok()
    assert done.out == "done\n"
    assert "rror" not in done.err
    assert workplace.show()["losses"] == []


ODD = """\
import argparse
class Odd:
    def __init__(self, text): pass
    def __repr__(self): raise RuntimeError("no")
    def __eq__(self, other): raise RuntimeError("no")
    @property
    def __dict__(self): raise RuntimeError("no")
    __hash__ = None
parser = argparse.ArgumentParser()
parser.add_argument("--odd", type=Odd, default="x")
args = parser.parse_args()
args.cycle = args
args.deep = []
for _ in range(2000): args.deep = [args.deep]
args.wide = []
for _ in range(200): args.wide = [args.wide, args.wide]
args.many = list(range(300000))
print("done")
"""


def test_values_of_any_kind_disturb_nothing(workplace: Workplace) -> None:
    workplace.script("program.py", ODD)
    done = workplace.whence("run", "--", PYTHON, "program.py").ok()
    assert done.out == "done\n"
    assert "Error" not in done.err
    assert workplace.show()["config"]["values"]["odd"] == {"object": "__main__.Odd"}


LIVES = """\
import argparse, sys
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=argparse.FileType("w"), default="out.txt")
    args = parser.parse_args()
    args.out.write("all of it")
main()
print(open("out.txt").read())
"""


def test_no_object_lives_longer_because_of_us(workplace: Workplace) -> None:
    workplace.script("program.py", LIVES)
    assert workplace.whence("run", "--", PYTHON, "-W", "ignore", "program.py").ok().out == "all of it\n"


CLOSES = """\
import argparse, os, random
os.closerange(3, 256)
random.seed(1)
mine = os.open("mine.txt", os.O_WRONLY | os.O_CREAT)
parser = argparse.ArgumentParser()
parser.add_argument("--lr", default="1")
parser.parse_args()
os.write(mine, b"mine")
"""


def test_a_program_that_closes_every_descriptor_finds_none_of_ours_in_its_files(workplace: Workplace) -> None:
    workplace.script("program.py", CLOSES)
    record = workplace.record(PYTHON, "program.py")
    assert (record["status"], record["config"]["values"]) == ("succeeded", {"lr": "1"})
    assert (workplace.path / "mine.txt").read_bytes() == b"mine"


def test_functions_that_are_replaced_look_and_pickle_as_before(workplace: Workplace) -> None:
    body = (
        "import argparse, inspect, json, pickle, random\nimport numpy.random as r\n"
        "print(json.dumps([str(inspect.signature(argparse.ArgumentParser.parse_known_args)),"
        " argparse.ArgumentParser.parse_known_args.__qualname__, random.seed.__doc__,"
        " pickle.loads(pickle.dumps(r.default_rng)) is r.default_rng,"
        " pickle.loads(pickle.dumps(random.Random)) is random.Random, argparse.__spec__.loader.__class__.__name__,"
        " argparse.__loader__.__class__.__name__, r.default_rng.__name__]))\n"
    )
    workplace.script("program.py", body)
    bare, recorded = seen(workplace, PYTHON, "program.py")
    assert recorded == bare


LOOK = """\
import functools, importlib, inspect, json, pickle, re, sys, typing, warnings
warnings.simplefilter("ignore")
modules, names = json.loads(sys.argv[1]), json.loads(sys.argv[2])

def load(name):
    try: return importlib.import_module(name)
    except ImportError: return None

def holders(module):
    yield "", module
    yield from ((name, value) for name, value in list(vars(module).items()) if isinstance(value, type))

def is_ours(function):
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    return code is not None and code.co_filename.startswith(sys.argv[3])

def attempt(look, function):
    try: return look(function)
    except Exception as error: return type(error).__name__

def wrapped(function):
    @functools.wraps(function)
    def user(): pass
    return [user.__name__, user.__qualname__, user.__module__, user.__doc__, str(attempt(inspect.signature, user))]

def facts(function):
    return {
        **{name: repr(getattr(function, name, None)) for name in
           ("__name__", "__qualname__", "__module__", "__doc__", "__text_signature__", "__annotations__")},
        "self": type(getattr(function, "__self__", None)).__name__,
        "shown": [type(function).__name__, inspect.isfunction(function), inspect.ismethod(function)],
        "held": sorted(set(getattr(function, "__dict__", ())) - {"__wrapped__", "__self__", "__text_signature__"}),
        "signature": re.sub("0x[0-9a-f]+", "", str(attempt(inspect.signature, function))),
        "hints": attempt(lambda f: sorted(typing.get_type_hints(f)), function),
        "wrapped": re.sub("0x[0-9a-f]+", "", repr(wrapped(function))),
        "pickled": attempt(lambda f: pickle.loads(pickle.dumps(f)).__qualname__, function),
        "source": attempt(inspect.getsource, function),
        "module": attempt(lambda f: inspect.getmodule(f).__name__, function),
        "async": inspect.iscoroutinefunction(function),
    }

found = {}
for module in filter(None, map(load, modules)):
    for kind, holder in holders(module):
        for name in list(vars(holder)):
            key, function = f"{module.__name__}:{kind}:{name}", getattr(holder, name, None)
            if key in names or (not names and name != "__del__" and is_ours(function)):
                found[key] = {**facts(function), "kept": type(vars(holder)[name]).__name__}
print(json.dumps(found))
"""

COMPILED = {"numpy.random::seed", "numpy.random::default_rng"}
"""What is put in their place is no compiled function."""


def test_whatever_is_replaced_looks_as_before_from_all_sides(workplace: Workplace) -> None:
    workplace.script("look.py", LOOK)
    modules = json.dumps(sorted(ROWS))

    def look(*command: str, names: list[str]) -> dict[str, dict[str, Any]]:
        found = workplace.run([*command, PYTHON, "look.py", modules, json.dumps(names), str(FOLDER)]).ok()
        return json.loads(found.out)

    names = list(look(*WHENCE, "run", "--", names=[]))
    assert {"random::seed", "argparse:ArgumentParser:parse_known_args", *COMPILED} <= set(names)
    bare, recorded = look(names=names), look(*WHENCE, "run", "--", names=names)
    for name in COMPILED:
        for key in ("shown", "kept"):
            assert bare[name].pop(key) != recorded[name].pop(key)
    assert recorded == bare
    assert bare["random::seed"]["self"] == "Random"


def test_nothing_more_is_loaded_for_a_program_that_uses_none_of_the_libraries(workplace: Workplace) -> None:
    program = "import json, sys; print(json.dumps(sorted(m for m in sys.modules if m.startswith('_whence'))))"
    done = workplace.run([OTHER, "-S", "-c", "import sys; print([m for m in sys.modules if 'whence' in m])"]).ok()
    assert done.out == "[]\n"
    loaded = json.loads(workplace.run([PYTHON, "-c", program], env=with_us(workplace, {})).ok().out)
    assert loaded == ["_whence_boot", "_whence_boot.guard", "_whence_boot.hook", "_whence_boot.start"]


def test_a_folder_that_is_gone_is_no_error(workplace: Workplace) -> None:
    workplace.script("program.py", "import argparse\nargparse.ArgumentParser().parse_args()\nprint(1)\n")
    env = {**with_us(workplace, {}), "WHENCE_BOOT": str(workplace.path / "gone")}
    done = workplace.python("program.py", env=env)
    assert (done.code, done.out, done.err) == (0, "1\n", "")


def sources() -> list[Path]:
    return sorted(FOLDER.rglob("*.py"))


@pytest.mark.parametrize("source", sources(), ids=lambda path: path.name)
def test_it_parses_on_python_3_8_and_imports_the_standard_library_only(source: Path) -> None:
    tree = ast.parse(source.read_text("utf-8"), feature_version=(3, 8))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and node.level == 0
            else []
        )
    }
    assert imported - set(sys.stdlib_module_names) - {"sitecustomize", "omegaconf"} == set()


def test_the_table_and_the_watched_modules_are_the_same() -> None:
    assert set(ROWS) == WATCHED
    for row in ROWS.values():
        module, _, function = row.partition(":")
        assert f"def {function}(" in (FOLDER / f"{module}.py").read_text("utf-8")


def test_the_sources_are_found() -> None:
    assert ROOT.is_dir()
    assert FOLDER / "site" / "sitecustomize.py" in sources()
    assert os.listdir(FOLDER / "site") in (["sitecustomize.py"], ["sitecustomize.py", "__pycache__"],
                                           ["__pycache__", "sitecustomize.py"])  # fmt: skip
