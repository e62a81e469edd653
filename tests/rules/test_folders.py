"""Many files as few entries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whence.rules.folders import Gathered, Listing, gather


def gathered(paths: set[str], there: set[str], *, many: int = 2, spread: tuple[str, ...] = ()) -> Gathered:
    """`there` are all files of a made-up disk."""

    def listing(folder: str) -> Listing | None:
        below = [path[len(folder) + 1 :] for path in there if path.startswith(folder + "/")]
        return Listing(
            [name for name in below if "/" not in name], sorted({name.split("/")[0] for name in below if "/" in name})
        )

    return gather(paths, listing=listing, spread=lambda folder: folder in spread, many=many)


def names(found: Gathered) -> tuple[list[tuple[str, bool, int]], list[str]]:
    return [(entry.folder, entry.whole, len(entry.files)) for entry in found.entries], found.files


def test_few_files_stand_for_themselves() -> None:
    assert names(gathered({"/d/a", "/d/b"}, {"/d/a", "/d/b"})) == ([], ["/d/a", "/d/b"])


def test_a_folder_that_was_taken_whole_is_one_entry_with_those_below_it() -> None:
    paths = {"/d/x/1", "/d/x/2", "/d/y/1", "/d/y/2"}
    assert names(gathered(paths, paths, spread=("",))) == ([("/d", True, 4)], [])


def test_a_folder_of_which_some_were_taken_is_one_entry_of_those() -> None:
    paths = {"/d/1", "/d/2", "/d/3"}
    assert names(gathered(paths, paths | {"/d/4"})) == ([("/d", False, 3)], [])


def test_the_highest_whole_folder_counts_and_others_stay_apart() -> None:
    paths = {"/d/x/1", "/d/x/2", "/d/x/3", "/d/one"}
    assert names(gathered(paths, paths | {"/d/other"})) == ([("/d/x", True, 3)], ["/d/one"])


def test_the_project_is_never_one_entry() -> None:
    paths = {"/p/1", "/p/2", "/p/3"}
    assert names(gathered(paths, paths, spread=("/p",))) == ([("/p", False, 3)], [])


def test_a_folder_that_cannot_be_listed_is_not_called_whole() -> None:
    paths = {"/d/1", "/d/2", "/d/3"}
    found = gather(paths, listing=lambda folder: None, spread=lambda folder: False, many=2)
    assert names(found) == ([("/d", False, 3)], [])


PATHS = st.sets(
    st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(lambda parts: "/" + "/".join((*parts, "f"))),
    max_size=12,
)


@given(PATHS, PATHS, st.integers(0, 4))
def test_every_file_is_told_exactly_once(paths: set[str], others: set[str], many: int) -> None:
    found = gathered(paths, paths | others, many=many)
    told = [*found.files, *(path for entry in found.entries for path in entry.files)]
    assert sorted(told) == sorted(paths)
    for entry in found.entries:
        below = {path for path in paths | others if path.startswith(entry.folder + "/")}
        assert not entry.whole or set(entry.files) == below
        assert len(entry.files) > many
