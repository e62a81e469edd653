"""Addresses of remotes: without credentials, and as the page that shows a file at a commit.

A page is only built for hosts whose form is known; for any other there is none, rather than a wrong one.
"""

from __future__ import annotations

import re

import msgspec

from .git_objects import path_bytes

_SCP = r"(?s)(?:(?P<user>[^@/:\s]+(?::[^@/\s]*)?)@)?(?P<host>\[[^\]/]+\]|[^:/@\s]+):(?P<path>(?!/?/).*)"
"""`user@host:path`, the short form of ssh (git-fetch(1), *GIT URLS*)."""

_URL = r"(?s)(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)"

_PAGES: dict[str, str] = {
    "github.com": "/blob/{commit}/{path}",
    "gitlab.com": "/-/blob/{commit}/{path}",
    "bitbucket.org": "/src/{commit}/{path}",
    "codeberg.org": "/src/commit/{commit}/{path}",
    "git.sr.ht": "/tree/{commit}/item/{path}",
}
_TREES: dict[str, str] = {
    "github.com": "/tree/{commit}",
    "gitlab.com": "/-/tree/{commit}",
    "bitbucket.org": "/src/{commit}",
    "codeberg.org": "/src/commit/{commit}",
    "git.sr.ht": "/tree/{commit}",
}
_ALIASES = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com", "altssh.bitbucket.org": "bitbucket.org"}
_WEB = frozenset({"http", "https", "ssh", "git", "git+ssh", "ssh+git", "git+https"})


class Remote(msgspec.Struct, frozen=True):
    """Where a remote lies."""

    scheme: str
    """`ssh` for the short form, `path` for a local one."""
    host: str
    path: str
    """Without slashes at its ends and without `.git`."""


def without_credentials(url: str) -> str:
    """The address without user information; the bare user of an ssh address (`git@`) is none and stays."""
    found = re.fullmatch(_URL, url)
    if found:
        user, at, host = found["authority"].rpartition("@")
        keep = f"{user}@" if at and user and ":" not in user and _is_ssh(found["scheme"]) else ""
        return f"{found['scheme']}://{keep}{host}{_without_query_secrets(found['rest'])}"
    short = re.fullmatch(_SCP, url)
    if short and short["user"] and ":" in short["user"]:
        return f"{short['host']}:{short['path']}"
    return url


def _is_ssh(scheme: str) -> bool:
    return "ssh" in scheme.lower()


def _without_query_secrets(rest: str) -> str:
    """A repository's address has no query; where one stands it is a token."""
    return re.split(r"[?#]", rest, maxsplit=1)[0]


def parse_remote(url: str) -> Remote | None:
    """The parts of an address in any form that git takes, or nothing for one without a place."""
    found = re.fullmatch(_URL, url)
    if found:
        host = found["authority"].rpartition("@")[2]
        return Remote(found["scheme"].lower(), _host(host), _repository(_without_query_secrets(found["rest"])))
    short = None if url.startswith((".", "/", "~")) else re.fullmatch(_SCP, url)
    if short:
        return Remote("ssh", _host(short["host"]), _repository(short["path"]))
    return Remote("path", "", url) if url else None


def _host(text: str) -> str:
    """The name without a port, in lower case: pages are served at the usual one."""
    name = text if text.startswith("[") else text.partition(":")[0]
    return _ALIASES.get(name.lower(), name.lower())


def _repository(path: str) -> str:
    return path.strip("/").removesuffix(".git").rstrip("/")


def page(url: str, commit: str, path: str | None) -> str | None:
    """The page that shows the file (or the whole tree) at the commit; nothing where the host's form is unknown."""
    remote = parse_remote(url)
    if remote is None or remote.scheme not in _WEB or not _plausible(remote):
        return None
    form = _TREES[remote.host] if path is None else _PAGES[remote.host]
    file = _quoted(path) if path is not None else ""
    return f"https://{remote.host}/{_quoted(remote.path)}" + form.format(commit=commit, path=file)


_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/")


def _quoted(path: str) -> str:
    """A path in an address: all but RFC 3986's unreserved characters and `/` as `%XX`; urllib costs a launch 3 ms."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in path_bytes(path))


def _plausible(remote: Remote) -> bool:
    """Whether the host is known and the path has the shape of its repositories: sub-groups only at GitLab."""
    parts = remote.path.split("/")
    if remote.host not in _PAGES or not all(parts) or any(part in (".", "..") for part in parts):
        return False
    if remote.host == "git.sr.ht" and not remote.path.startswith("~"):
        return False
    return len(parts) >= 2 if remote.host == "gitlab.com" else len(parts) == 2


def chosen(remotes: dict[str, str], upstream: str | None) -> str | None:
    """The name of the remote that speaks for the repository: the branch's own, else `origin`, else the only one."""
    if upstream in remotes:
        return upstream
    if "origin" in remotes:
        return "origin"
    return next(iter(remotes)) if len(remotes) == 1 else None
