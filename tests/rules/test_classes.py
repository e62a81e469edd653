"""What a file is to a run: the table, the patterns above it, and the words for what was done."""

from __future__ import annotations

from stat import S_IFREG

import pytest

from whence.rules.classes import TABLE, Classes, Place, word
from whence.rules.seen import Identity
from whence.rules.track import Fate, FileUse

PLACE = Place(
    root="/home/ada/study", home="/home/ada", libraries=("/home/ada/envs/x",), own=("/home/ada/study/.whence",)
)
CLASSES = Classes(PLACE)

READ = {
    "a data file of the project": ("/home/ada/study/data/a.csv", "data"),
    "a data file elsewhere": ("/data/images/1.png", "data"),
    "a text file that git may track": ("/home/ada/study/words.txt", "data"),
    "a file without a suffix": ("/home/ada/study/events", "data"),
    "a disk that was plugged in": ("/run/media/ada/disk/a.csv", "data"),
    "a file in shared memory": ("/dev/shm/a.csv", "data"),
    "a semaphore": ("/dev/shm/sem.x", "device"),
    "a device": ("/dev/nvidia0", "device"),
    "the kernel's own": ("/proc/meminfo", "device"),
    "a model of a hub": ("/home/ada/.cache/huggingface/hub/models--a/snapshots/1/model.safetensors", "data"),
    "weights in a hidden folder": ("/home/ada/.u2net/u2net.onnx", "data"),
    "what a tool caches": ("/home/ada/.cache/matplotlib/fontlist.json", "cache"),
    "compiled code": ("/home/ada/study/__pycache__/a.cpython-312.pyc", "cache"),
    "git's own": ("/home/ada/study/.git/index", "cache"),
    "the loader's table": ("/etc/ld.so.cache", "cache"),
    "a language": ("/usr/lib/locale/C.utf8/LC_CTYPE", "cache"),
    "a time zone": ("/usr/share/zoneinfo/UTC", "cache"),
    "data of an installed package": ("/home/ada/envs/x/lib/python3.12/site-packages/sklearn/data/iris.csv", "library"),
    "the standard library": ("/home/ada/envs/x/lib/python3.12/csv.py", "library"),
    "the system's library": ("/usr/lib/x86_64-linux-gnu/libc.so.6", "library"),
    "a tool of the account": ("/home/ada/.pyenv/libexec/pyenv", "library"),
    "a virtual environment": ("/home/ada/study/.venv/bin/activate", "library"),
    "a shared library that was built here": ("/home/ada/study/libfast.so.2", "library"),
    "the machine's settings": ("/etc/nsswitch.conf", "system"),
    "the account's settings": ("/home/ada/.gitconfig", "system"),
    "settings of an account's tool": ("/home/ada/.config/matplotlib/matplotlibrc", "system"),
    "source code": ("/home/ada/study/train.py", "code"),
    "source code elsewhere": ("/home/ada/lib/model.jl", "code"),
    "a makefile": ("/home/ada/study/Makefile", "code"),
    "settings of the project": ("/home/ada/study/conf/a.yaml", "config"),
    "settings in JSON": ("/home/ada/study/train_config.json", "config"),
    "other JSON": ("/home/ada/study/points.json", "data"),
    "the store": ("/home/ada/study/.whence/store.json", "ignored"),
}


@pytest.mark.parametrize("what", READ)
def test_the_table_knows(what: str) -> None:
    path, expected = READ[what]
    assert CLASSES.of(path) == expected


def test_what_a_compiler_makes_is_a_result() -> None:
    assert CLASSES.of("/home/ada/study/libfast.so", written=True) == "data"
    assert CLASSES.of("/usr/lib/libfast.so", written=True) == "library"


def test_a_project_below_a_folder_of_software_is_still_a_project() -> None:
    classes = Classes(Place(root="/usr/src/app", home="/root", libraries=("/usr/local",)))
    assert [classes.of(f"/usr/src/app/{name}") for name in ("a.csv", "a.py", ".venv/x")] == ["data", "code", "library"]
    assert classes.of("/usr/local/share/x.csv") == "library"
    hidden = Classes(Place(root="/home/ada/.work/study", home="/home/ada"))
    assert hidden.of("/home/ada/.work/study/notes.txt") == "data"


def test_policy_stands_above_the_table_and_naming_wins_over_ignoring() -> None:
    place = Place(
        root="/p", home="/h", inputs=("fixtures/", "/usr/share/dict/words"), outputs=("*.log",),
        ignore=("scratch/", "fixtures/", "~/.tool/", "*.tmp"),
    )  # fmt: skip
    classes = Classes(place)
    paths = {
        "/p/fixtures/a.py": "data",
        "/usr/share/dict/words": "data",
        "/usr/share/dict/other": "library",
        "/p/scratch/a/b.csv": "ignored",
        "/p/x/y.tmp": "ignored",
        "/elsewhere/y.tmp": "data",
        "/h/.tool/x.csv": "ignored",
        "/p/run.log": "data",
    }
    assert {path: classes.of(path) for path in paths} == paths
    assert classes.is_output("/p/run.log")
    assert not classes.is_output("/p/a.csv")


def test_every_row_of_the_table_is_named_once() -> None:
    names = [row.what for row in TABLE]
    assert len(names) == len(set(names))


def _use(fate: Fate, *, there: bool = True, read: bool = False) -> FileUse:
    now = Identity(1, 1, S_IFREG, 1, 1, 1) if there else None
    return FileUse(path=b"", fate=fate, before=None, opened=None, now=now, read=read)


WORDS = {
    "data that was read": ("a.csv", _use("read"), "input"),
    "code that was read": ("a.py", _use("read"), "code"),
    "settings that were read": ("a.toml", _use("read"), "config"),
    "what was written": ("a.csv", _use("written"), "output"),
    "code that was generated": ("a.py", _use("written"), "output"),
    "what was read again": ("a.csv", _use("again"), "intermediate"),
    "what is gone": ("a.csv", _use("temporary", there=False), "intermediate"),
    "what was changed in place": ("a.csv", _use("changed"), "changed"),
    "what was deleted": ("a.csv", _use("removed", there=False), "removed"),
    "what was left alone": ("a.csv", _use("untouched"), None),
    "an output by policy that is read again": ("a.log", _use("again"), "output"),
    "bytecode": ("__pycache__/a.pyc", _use("written"), "cache"),
}


@pytest.mark.parametrize("what", WORDS)
def test_the_word_for(what: str) -> None:
    name, use, expected = WORDS[what]
    assert word(use, Classes(Place(root="/p", outputs=("*.log",))), f"/p/{name}") == expected
