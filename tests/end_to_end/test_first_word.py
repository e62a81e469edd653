"""A command whose first word holds a secret, a branch that does: neither is in the store, nor on the terminal."""

from __future__ import annotations

import shutil
import zlib

import pytest
from workplace import Workplace

TOKEN = "ghp_" + "Zz19Yy28Xx37Ww46Vv55" * 2


def stored_with(place: Workplace, secret: str) -> list[str]:
    """The files of the store that hold the text; objects of git are unpacked."""
    found: list[str] = []
    for path in place.store.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        if "objects" in path.parts and data.startswith(b"x"):
            data = zlib.decompress(data)
        if secret.encode() in data:
            found.append(str(path))
    return found


WORDS = {
    "an assignment without env": ("PwAAA11zzqq22", ("MY_TOKEN=PwAAA11zzqq22", "true")),
    "an assignment behind a dot": ("PwZZB11zzqq22", ("./DB_PASSWORD=PwZZB11zzqq22", "x")),
    "an assignment with a slash in it": ("PwZZD11", ("AWS_SECRET_ACCESS_KEY=abc/PwZZD11&more", "x")),
    "a URL": ("PwZZC11zzqq22", ("https://u:PwZZC11zzqq22@h/x",)),
    "a token in a name": (TOKEN, (f"nosuch-{TOKEN}",)),
    "one word with blanks in it": ("PwZZE11zzqq22", ("tool --password PwZZE11zzqq22",)),
}


@pytest.mark.scenario("S23", "G4")
@pytest.mark.parametrize("case", WORDS)
def test_a_secret_in_the_first_word_is_nowhere_in_the_store(case: str, workplace: Workplace) -> None:
    secret, words = WORDS[case]
    done = workplace.whence("run", "--", *words)
    assert done.code == 127
    assert secret not in done.err and "<secret keyed:" in done.err and "command not found" in done.err
    assert workplace.show()["exit_code"] == 127
    assert stored_with(workplace, secret) == []


def test_a_program_that_has_a_secret_in_its_name_runs(workplace: Workplace) -> None:
    program = workplace.path.parent / "API_TOKEN=PwZZF11zzqq22"
    shutil.copy("/bin/true", program)
    entry = workplace.record(program)["code"]["entry"]
    assert entry["name"].startswith("API_TOKEN=<secret keyed:") and entry["digest"]
    assert stored_with(workplace, "PwZZF11zzqq22") == []


def test_a_secret_in_the_name_of_a_branch_is_masked(repository: Workplace) -> None:
    repository.git("checkout", "-q", "-b", f"try-{TOKEN}")
    branch = repository.record("true")["code"]["branch"]
    assert branch.startswith("try-<secret keyed:")
    assert stored_with(repository, TOKEN) == []
