"""Ask git, without changing anything: no lock, no hook, no filter, no prompt, no network, no pager.

`Git` is bound to a folder of the user's and means what git itself would mean there (`GIT_DIR`, global configuration).
`StoreGit` is bound to a bare repository of ours and sees none of that.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .apart import IN_PROGRAM
from .processes import Done, ProgramError, find_program, run

_QUIET = (
    "--no-pager", "--literal-pathspecs",
    "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "core.splitIndex=false",
    "-c", "core.untrackedCache=keep", "-c", "core.trustctime=true", "-c", "core.checkStat=default",
    "-c", "core.commitGraph=true", "-c", "protocol.allow=never", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
    "-c", "log.showSignature=false", "-c", "core.alternateRefsCommand=", "-c", "credential.helper=",
)  # fmt: skip
"""What could run a program, write, or trust less than ctime, switched off for this call."""

_DROPPED = ("GIT_PAGER", "GIT_EXTERNAL_DIFF", "GIT_ASKPASS", "SSH_ASKPASS", "GIT_EDITOR", "GIT_REDIRECT_STDERR")
_DROPPED_PREFIX = ("GIT_TRACE", "GIT_REDIRECT_")

SECONDS = 20.0
"""The time limit of one question; whoever asks says what is missing then."""


class GitError(Exception):
    """Git did not answer; the message is git's own, for a person."""


class Git:
    """Read-only questions to the repository of a folder, as the user's environment defines it."""

    def __init__(
        self,
        folder: Path | str,
        environ: Mapping[str, str],
        *,
        filters: Sequence[str] = (),
        extra: Mapping[str, str] | None = None,
        at_most: float = float("inf"),
    ) -> None:
        """`at_most` bounds the seconds of every question, whatever it asks for itself."""
        self.folder = os.fspath(folder)
        self._environ = _question_environ(environ) | dict(extra or {})
        self._given = environ
        self._extra = dict(extra or {})
        self._at_most = at_most
        if filters:
            self._environ |= _without_filters(self._environ, filters)

    def without_filters(self, filters: Sequence[str]) -> Git:
        """The same questions, with these clean and smudge filters switched off."""
        return Git(self.folder, self._given, filters=filters, extra=self._extra, at_most=self._at_most)

    def with_environ(self, extra: Mapping[str, str]) -> Git:
        """The same questions with more in the environment: a scratch index, for instance."""
        other = Git(self.folder, self._given, extra=self._extra | dict(extra), at_most=self._at_most)
        other._environ = self._environ | dict(extra)
        return other

    def ask(self, *words: str, stdin: bytes | None = None, seconds: float = SECONDS) -> Done:
        """Run git to its end, whatever its exit code. Raises GitError when it could not be run at all."""
        try:
            return run(
                ["git", *_QUIET, "-C", self.folder, *words],
                seconds=min(seconds, self._at_most),
                environ=self._environ,
                stdin=stdin,
                output_limit=1 << 30,
            )
        except ProgramError as error:
            raise GitError(str(error)) from error

    def answer(self, *words: str, stdin: bytes | None = None, seconds: float = SECONDS) -> bytes:
        """What git prints. Raises GitError with what it said instead, when its exit code is not 0."""
        return _answer(self.ask(*words, stdin=stdin, seconds=seconds), words)

    def answer_and_warnings(self, *words: str, seconds: float = SECONDS) -> tuple[bytes, bytes]:
        """What git prints, and what it warns of. Raises GitError as `answer` does."""
        done = self.ask(*words, seconds=seconds)
        return _answer(done, words), done.err


class StoreGit:
    """Questions and orders to a bare repository of ours, shut off from the user's environment and configuration."""

    def __init__(self, git_dir: Path, environ: Mapping[str, str]) -> None:
        self.git_dir = git_dir
        self._environ = {k: v for k, v in environ.items() if not k.startswith("GIT_")} | {
            "GIT_DIR": os.fspath(git_dir),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }

    def borrowing(self, objects: Sequence[str]) -> StoreGit:
        """The same repository, able to read objects of others as well (GIT_ALTERNATE_OBJECT_DIRECTORIES)."""
        other = StoreGit(self.git_dir, self._environ)
        other._environ = self._environ | {"GIT_ALTERNATE_OBJECT_DIRECTORIES": os.pathsep.join(map(_quoted, objects))}
        return other

    def ask(self, *words: str, stdin: bytes | None = None, seconds: float = 600.0) -> Done:
        """Run git to its end, whatever its exit code. Raises GitError when it could not be run at all."""
        argv = ["git", "--no-pager", *words]
        try:
            return run(argv, seconds=seconds, environ=self._environ, stdin=stdin, output_limit=1 << 30)
        except ProgramError as error:
            raise GitError(str(error)) from error

    def answer(self, *words: str, stdin: bytes | None = None, seconds: float = 600.0) -> bytes:
        """What git prints. Raises GitError with what it said instead, when its exit code is not 0."""
        return _answer(self.ask(*words, stdin=stdin, seconds=seconds), words)

    def blobs(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Blobs and their bytes, read in groups that fit into memory. All of them must be there; raises GitError."""
        return self.contents("blob", names)

    def contents(self, kind: str, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Objects of one kind, as `blobs` gives them. Raises GitError for one that is missing or of another kind."""
        for start in range(0, len(names), _GROUP):
            group = names[start : start + _GROUP]
            out = self.answer("cat-file", "--batch", stdin=_a_line_each(group))
            for name, content in zip(group, _answered(kind, len(group), out), strict=True):
                if content is None:
                    raise GitError(f"found no {kind} {name}")
                yield name, content

    def readable(self, kind: str, names: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        """Objects of one kind, nothing for one that is missing, damaged or of another kind."""
        at = 0
        while at < len(names):
            group = names[at : at + _GROUP]
            answers = list(_answered(kind, len(group), self.ask("cat-file", "--batch", stdin=_a_line_each(group)).out))
            # Git ends at the first that it cannot read, and is asked again for those behind it.
            answers += [None] if len(answers) < len(group) else []
            yield from zip(group, answers, strict=False)
            at += len(answers)

    def absent(self, names: Sequence[str]) -> Iterator[str]:
        """Those that are not there, or whose head cannot be read."""
        at = 0
        while at < len(names):
            answers = self.ask("cat-file", "--batch-check", stdin=_a_line_each(names[at:])).out.splitlines()
            for name, answer in zip(names[at:], answers, strict=False):
                if answer.endswith(b" missing"):
                    yield name
            at += len(answers)
            if at < len(names):
                yield names[at]
                at += 1

    def pour(self, words: Sequence[str], into: int) -> None:
        """Let git print straight into an open file, for content of any size. Raises GitError."""
        program = find_program("git", self._environ)
        if program is None:
            raise GitError("git: no such program")
        actions = [IN_PROGRAM, (os.POSIX_SPAWN_DUP2, into, 1)]
        pid = os.posix_spawn(program, ["git", "--no-pager", *words], self._environ, file_actions=actions)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code != 0:
            raise GitError(f"git {' '.join(words)} ended with code {code}")


_GROUP = 200
"""Objects that are asked for at once."""


def _a_line_each(names: Sequence[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


def _answered(kind: str, count: int, out: bytes) -> Iterator[bytes | None]:
    """What `git cat-file --batch` printed of so many objects: the bytes of each, nothing for one that is missing or of
    another kind. Ends early where git did."""
    position = 0
    for _ in range(count):
        end = out.find(b"\n", position)
        if end < 0:
            return
        head = out[position:end].split(b" ")
        position = end + 1
        if len(head) != 3:
            yield None
            continue
        size = int(head[2])
        if position + size + 1 > len(out):
            return
        yield out[position : position + size] if head[1] == kind.encode() else None
        position += size + 1


def _answer(done: Done, words: Sequence[str]) -> bytes:
    if done.ok:
        return done.out
    said = done.err.decode("utf-8", "replace").strip()
    raise GitError(said or f"git {' '.join(words)} ended with code {done.code}")


def _question_environ(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in environ.items() if k not in _DROPPED and not k.startswith(_DROPPED_PREFIX)}
    return kept | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
        "LANGUAGE": "C",
    }


def _without_filters(environ: Mapping[str, str], filters: Sequence[str]) -> dict[str, str]:
    """Settings that switch filters off, through GIT_CONFIG_COUNT: a filter's name may hold any character."""
    given = environ.get("GIT_CONFIG_COUNT", "")
    count = int(given) if given.isdigit() else 0
    settings: dict[str, str] = {}
    for name in filters:
        for key, value in (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false")):
            settings[f"GIT_CONFIG_KEY_{count}"] = f"filter.{name}.{key}"
            settings[f"GIT_CONFIG_VALUE_{count}"] = value
            count += 1
    return settings | {"GIT_CONFIG_COUNT": str(count)}


def _quoted(path: str) -> str:
    """A path in a colon-separated list: git reads it as a C string when it begins with a quote (git(1))."""
    if ":" not in path and not path.startswith('"'):
        return path
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
