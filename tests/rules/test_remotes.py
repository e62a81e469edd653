"""Addresses of remotes, in every form that git takes: no credentials, and a page only where its form is known."""

from __future__ import annotations

import pytest

from whence.rules.remotes import chosen, page, without_credentials

COMMIT = "0123456789abcdef0123456789abcdef01234567"

PAGES = {
    "https://github.com/o/r.git": "https://github.com/o/r/blob/{c}/a/b.py",
    "https://github.com/o/r": "https://github.com/o/r/blob/{c}/a/b.py",
    "https://github.com/o/r.git/": "https://github.com/o/r/blob/{c}/a/b.py",
    "https://user:TOKEN@github.com/o/r.git": "https://github.com/o/r/blob/{c}/a/b.py",
    "git@github.com:o/r.git": "https://github.com/o/r/blob/{c}/a/b.py",
    "github.com:o/r": "https://github.com/o/r/blob/{c}/a/b.py",
    "ssh://git@github.com/o/r.git": "https://github.com/o/r/blob/{c}/a/b.py",
    "ssh://git@ssh.github.com:443/o/r.git": "https://github.com/o/r/blob/{c}/a/b.py",
    "git://github.com/o/r.git": "https://github.com/o/r/blob/{c}/a/b.py",
    "https://gitlab.com/group/sub/deep/r.git": "https://gitlab.com/group/sub/deep/r/-/blob/{c}/a/b.py",
    "git@gitlab.com:group/r.git": "https://gitlab.com/group/r/-/blob/{c}/a/b.py",
    "git@bitbucket.org:o/r.git": "https://bitbucket.org/o/r/src/{c}/a/b.py",
    "https://codeberg.org/o/r": "https://codeberg.org/o/r/src/commit/{c}/a/b.py",
    "git@git.sr.ht:~user/r": "https://git.sr.ht/~user/r/tree/{c}/item/a/b.py",
    "https://git.sr.ht/user/r": None,
    "https://github.com/o": None,
    "https://github.com/o/r/extra": None,
    "https://gitlab.university.example/o/r.git": None,
    "git@host:o/r.git": None,
    "file:///srv/git/github.com/o/r.git": None,
    "/srv/git/r.git": None,
    "../r.git": None,
    "C:/work/r": None,
    "": None,
}


@pytest.mark.scenario("A7")
@pytest.mark.parametrize("url", PAGES)
def test_a_page_is_right_or_there_is_none(url: str) -> None:
    expected = PAGES[url]
    assert page(url, COMMIT, "a/b.py") == (None if expected is None else expected.format(c=COMMIT))


@pytest.mark.scenario("S13")
def test_a_path_with_spaces_and_other_alphabets_is_quoted() -> None:
    assert page("git@github.com:o/r", COMMIT, "a b/é#?.py") == (
        f"https://github.com/o/r/blob/{COMMIT}/a%20b/%C3%A9%23%3F.py"
    )


def test_without_a_file_the_page_is_that_of_the_tree() -> None:
    assert page("git@github.com:o/r", COMMIT, None) == f"https://github.com/o/r/tree/{COMMIT}"


STRIPPED = {
    "https://user:TOKEN@host/o/r.git": "https://host/o/r.git",
    "https://TOKEN@host/o/r.git": "https://host/o/r.git",
    "https://host:8443/o/r?private_token=TOKEN": "https://host:8443/o/r",
    "https://a@b:TOKEN@host/o/r": "https://host/o/r",
    "ssh://git@host:2222/o/r": "ssh://git@host:2222/o/r",
    "ssh://git:TOKEN@host/o/r": "ssh://host/o/r",
    "git@host:o/r.git": "git@host:o/r.git",
    "git:TOKEN@host:o/r.git": "host:o/r.git",
    "/srv/a@b:c": "/srv/a@b:c",
    "file:///srv/r.git": "file:///srv/r.git",
}


@pytest.mark.scenario("A8")
@pytest.mark.parametrize("url", STRIPPED)
def test_credentials_are_taken_off(url: str) -> None:
    assert without_credentials(url) == STRIPPED[url]


def test_the_branchs_remote_speaks_first_then_origin_then_the_only_one() -> None:
    both = {"origin": "a", "fork": "b"}
    assert chosen(both, "fork") == "fork"
    assert chosen(both, None) == "origin"
    assert chosen({"fork": "b"}, None) == "fork"
    assert chosen({"fork": "b", "other": "c"}, None) is None
