"""Values that look like secrets, and what stands in their place (docs/format.md, section 8).

A value is a secret by the *name* it is given under (`HF_TOKEN`, `--password`, `api_key:`) or by its *content* (the
fixed prefixes that issuers give their tokens, private keys, credentials in a URL). Names are read word by word, so
that `tokenizer`, `max_tokens` and `author` are none. What is masked stays comparable for the owner of the key.

Not found: a secret under an innocent name with no known form, one that is encoded again (base64), and the value of a
one-letter option (`-p hunter2`, `-phunter2`), because `-p` is a port as often as a password.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from ..digests import keyed_digest
from ..version import VERSION
from .secret_files import SETTINGS, file_is_secret, is_example
from .secret_forms import (
    AFTER_SCHEME,
    ASSIGNED_VALUE,
    ASSIGNMENT,
    AUTHORIZATION,
    BEARER,
    BLOCK,
    COOKIE,
    HINTS,
    LOGIN,
    MARKED,
    OPTION,
    SCHEMES,
    SIGNATURES,
    compiled,
    holds_token,
)
from .secret_literals import holds_literal, is_distinctive, unquoted
from .secret_names import is_secret_text, looks_random, weigh

Mask = Callable[[str, str], str]
"""(name, value) to the value as it may be recorded: `Secrets.mask_pair`."""

MASK = re.compile(r"<secret keyed:[0-9a-f]{32}>")

_TAKE_GROUPS = frozenset(
    ("docker", "podman", "nerdctl", "apptainer", "singularity", "chroot", "setpriv", "su-exec", "gosu")
)
"""Programs whose `-u ada:staff` is a user and a group."""

_CREDENTIALS = ("cred", "creds", "credential", "credentials")


class Secrets(msgspec.Struct, frozen=True):
    """Masks secrets under one user's key. Masking what is masked already changes nothing."""

    key: bytes
    patterns: tuple[str, ...] = ()
    """Further names, `*` for any characters, case and `-`/`_` not told apart."""
    known: tuple[str, ...] = ()
    """Values known to be secret, masked wherever they stand; the longest first."""

    def knowing(self, named: Mapping[str, str]) -> Secrets:
        """The same, with the secrets among these named values (an environment) masked in every other text too."""
        found = {value for name, value in named.items() if is_distinctive(value) and self.names(name, value)}
        return self.knowing_all(found)

    def knowing_all(self, values: Iterable[str]) -> Secrets:
        """The same, with these values masked wherever they stand."""
        return replace(self, known=tuple(sorted({*self.known, *values}, key=lambda text: (-len(text), text))))

    def keyed(self, value: bytes) -> str:
        """`keyed:` and 32 hexadecimal digits, by which only the owner of the key can compare two secrets."""
        return "keyed:" + keyed_digest(self.key, value).hex()[:32]

    def names(self, name: str, value: object) -> bool:
        """Whether a value is secret because of its name."""
        if value is None or isinstance(value, bool):
            return False
        weight = "strong" if self.patterns and self._listed(name) else weigh(name)
        if weight == "no" or (isinstance(value, str) and value.startswith(("/", "~/")) and _names_credentials(name)):
            return False
        return is_secret_text(value, weight) if isinstance(value, str) else weight == "strong"

    def _listed(self, name: str) -> bool:
        plain = name.lstrip("-").replace("-", "_").lower()
        return any(_matches(pattern, plain) for pattern in self.patterns)

    def mask(self, value: str) -> str:
        """What stands in the place of a whole value."""
        if MASK.fullmatch(value):
            return value
        return f"<secret {self.keyed(value.encode('utf-8', 'surrogatepass'))}>"

    def mask_pair(self, name: str, value: str) -> str:
        """A value as it may be recorded under its name."""
        return self.mask(value) if self.names(name, value) else self.mask_text(value)

    def mask_text(self, text: str) -> str:
        """Any text, with the secrets in it replaced. Linear in its length."""
        if len(text) < 4:
            return text
        for value in self.known:
            if value in text:
                text = text.replace(value, self.mask(value))
        if "://" in text and "@" in text:
            # Before the forms of tokens: a key id that was masked first would hide the secret that follows it.
            text = compiled(AFTER_SCHEME).sub(self._userinfo, text)
        for marker, pattern in MARKED:
            if marker in text:
                text = compiled(pattern).sub(self._whole, text)
        if "curl" in text:
            text = compiled(LOGIN).sub(self._second, text)
        return self._mask_named(text)

    mask_url = mask_text
    """A URL, with credentials before `@` and secret query parameters replaced."""

    def _mask_named(self, text: str) -> str:
        lowered = text.lower()
        if not self.patterns and not any(hint in lowered for hint in HINTS):
            return text
        if "authorization" in lowered:
            text = compiled(AUTHORIZATION).sub(self._second, text)
        if "bearer" in lowered:
            text = compiled(BEARER).sub(self._second, text)
        if "cookie:" in lowered:
            text = compiled(COOKIE).sub(self._second, text)
        if "=" in text or ":" in text:
            text = self._mask_assignments(text)
        return compiled(OPTION).sub(self._option, text) if "--" in text else text

    def _whole(self, match: re.Match[str]) -> str:
        return self.mask(match[0])

    def _second(self, match: re.Match[str]) -> str:
        return match[1] + self.mask(match[2])

    def _userinfo(self, match: re.Match[str]) -> str:
        userinfo = match[0][:-1]
        scheme = match.string[max(0, match.start() - 12) : match.start() - 3].lower()
        if not userinfo or (
            ":" not in userinfo and scheme.endswith(("ssh", "sftp", "git", "s3", "hdfs", "abfs", "abfss"))
        ):
            return match[0]
        return self.mask(userinfo) + "@"

    def _mask_assignments(self, text: str) -> str:
        """`name=value` and `"name": value`; what follows an innocent name is looked at again, it may hold one more."""
        parts: list[str] = []
        done = 0
        for match in compiled(ASSIGNMENT).finditer(text):
            if match.start() < done or not self._may_hide(match[1], text[match.end() : match.end() + 64]):
                continue
            value = compiled(ASSIGNED_VALUE).match(text, match.end())
            if value is not None and (masked := self._assigned(match[1], value[0])) is not None:
                parts += (text[done : match.end()], masked)
                done = value.end()
        return "".join((*parts, text[done:])) if parts else text

    def _may_hide(self, name: str, beginning: str) -> bool:
        """Whether a value that begins so may be secret: decided before the value is read, to stay linear."""
        if name.lower() in SIGNATURES or (self.patterns and self._listed(name)):
            return True
        weight = weigh(name)
        if weight == "random" and beginning[:1] not in ("\\", '"', "'"):
            return looks_random(compiled(r"[^\w+/=.~-]").split(beginning, 1)[0])
        return weight == "strong" or (weight == "weak" and not beginning.startswith("/")) or weight == "random"

    def _assigned(self, name: str, value: str) -> str | None:
        opening, inner, closing = unquoted(value)
        if name.lower().endswith("authorization") and (inner.lower() in SCHEMES or MASK.search(inner)):
            return None  # a header, masked by its own pattern
        signed = name.lower() in SIGNATURES and len(inner) >= 16
        if MASK.fullmatch(inner) or not (signed or self.names(name, inner)):
            return None
        return opening + self.mask(inner) + closing

    def _option(self, match: re.Match[str]) -> str:
        opening, inner, closing = unquoted(match[3])
        if inner.startswith("<secret") or not self.names(match[1], inner):
            return match[0]
        return match[1] + match[2] + opening + self.mask(inner) + closing

    def mask_argv(self, argv: Sequence[str]) -> list[str]:
        """The arguments of a command: `--token X`, `--token=X`, `TOKEN=X`, headers, URLs, code after `-c`."""
        masked: list[str] = []
        before = ""
        option = ""
        programs = {argument.rpartition("/")[2] for argument in argv}
        groups = not programs.isdisjoint(_TAKE_GROUPS)
        for argument in argv:
            if login := self._login(before, argument, "curl" in programs, groups):
                masked.append(login)
                before = argument
                continue
            option = _awaiting(option, before, argument)
            masked.append(self.mask_pair(option, argument) if option else self._mask_argument(argument))
            before = argument
        return masked

    def _login(self, before: str, argument: str, curl: bool, groups: bool) -> str | None:
        """An argument that is a login, masked: `-u` and it are two arguments, or one.

        Of curl the whole of it; of any other program what follows the colon, unless that is a user and a group, an
        address, or something of a URL or path.
        """
        match = compiled(LOGIN).fullmatch(argument)
        if match is None and before.startswith("-"):
            match = compiled(LOGIN).fullmatch(f"{before} {argument}")
        if match is None:
            return None
        opening = match[1] if argument.startswith("-") else ""
        if curl:
            return opening + self.mask(match[2])
        user, _, password = match[2].partition(":")
        if groups or MASK.search(password) or compiled(r"//.*|\d{1,5}(?:[/:].*)?").fullmatch(password):
            return None
        return f"{opening}{user}:{self.mask(password)}"

    def _mask_argument(self, argument: str) -> str:
        name, equals, value = argument.partition("=")
        if equals and value and len(name) <= 200 and not any(c in name for c in " \t\n:?&\"'"):
            return f"{self.mask_text(name)}={self.mask_pair(name, value)}"
        return self.mask_text(argument)

    def mask_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration of plain values (`rules.plain`), masked by key and by content at every depth."""
        return cast("dict[str, Any]", self._mask_value("", dict(values), hidden=False))

    def _mask_value(self, name: str, value: Any, *, hidden: bool) -> Any:
        match value:
            case str():
                return self.mask(value) if hidden and is_secret_text(value, "strong") else self.mask_pair(name, value)
            case dict():
                return self._mask_mapping(name, cast("dict[str, Any]", value), hidden=hidden)
            case list() | tuple():
                return [self._mask_value(name, item, hidden=hidden) for item in cast("list[Any]", value)]
            case int() | float() if hidden or (name and self.names(name, value)):
                return value if isinstance(value, bool) else self.mask(repr(value))
            case _:
                return value

    def _mask_mapping(self, name: str, mapping: dict[str, Any], *, hidden: bool) -> dict[str, Any]:
        # Everything below `secrets:` or `credentials:` is one; below `auth:` only what its own key says.
        hidden = hidden or (name != "" and weigh(name) == "strong")
        stated = mapping.get("name", mapping.get("key"))
        masked: dict[str, Any] = {}
        for key, item in mapping.items():
            # A list of {name: API_TOKEN, value: …} is how Kubernetes and others write an environment.
            called = stated if key == "value" and isinstance(stated, str) else key
            masked[self.mask_text(key)] = self._mask_value(called, item, hidden=hidden)
        return masked

    def judgement(self) -> bytes:
        """What `file_is_secret` goes by, as 16 bytes that tell nothing of it: another version, pattern or known value
        is another judgement."""
        words = "\0".join((VERSION, *self.patterns, "", *self.known))
        return keyed_digest(self.key, words.encode("utf-8", "surrogatepass"))[:16]

    def file_is_secret(self, name: str, head: bytes) -> str | None:
        """Why an untracked file is taken as a secret, by its path (with `/`) and its beginning, if it is.

        One rule for what a snapshot copies and for sources that are kept one by one. In a file of settings a secret
        may stand under any name that says so; in any other text only a token whose form its issuer made unmistakable,
        a literal of substance under a strong name (`secret_literals`), or a value that the environment holds as a
        secret: leaving out source code costs more than a variable called `token`.
        """
        if holds_token(name) or any(value in name for value in self.known):
            return "its name holds a secret"
        found = file_is_secret(name, head)
        base = name.rpartition("/")[2].lower()
        if found is not None or is_example(base) or b"\0" in head:
            return found
        text = head.decode("utf-8", "replace")
        if base.endswith(SETTINGS):
            block = any(weigh(match[1]) == "strong" for match in compiled(BLOCK).finditer(text))
            return "it holds a value that looks like a secret" if block or self.mask_text(text) != text else None
        if holds_token(text):
            return "it holds a token of a known form"
        if any(value in text for value in self.known):
            return "it holds a secret that the environment holds too"
        return "it holds a value that looks like a secret" if holds_literal(base, text, self._listed) else None


def _awaiting(option: str, before: str, argument: str) -> str:
    """The long option whose value an argument is, or nothing: the one in front of it, or one of several values
    (`--api-keys A B`). `option`: what the argument before was the value of."""
    if _is_option(argument):
        return ""
    if before.startswith("--") and "=" not in before:
        return before
    return option if option.endswith("s") else ""


def _is_option(argument: str) -> bool:
    return argument.startswith("--") or (len(argument) == 2 and argument[0] == "-" and argument[1].isalpha())


@functools.lru_cache(1024)
def _names_credentials(name: str) -> bool:
    """`GOOGLE_APPLICATION_CREDENTIALS` is the path of a file, as a rule."""
    return name.lower().endswith(_CREDENTIALS)


def _matches(pattern: str, plain: str) -> bool:
    expression = re.escape(pattern.lstrip("-").replace("-", "_").lower()).replace(r"\*", ".*")
    last = plain.rpartition(".")[2]
    return re.fullmatch(expression, plain) is not None or re.fullmatch(expression, last) is not None
