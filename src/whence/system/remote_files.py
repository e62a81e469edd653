"""Files elsewhere, by address: whatever `fsspec` opens (S3, Google Cloud, Azure, SSH, HTTP, memory …).

Which library reads an address, and with whose credentials, is that library's own matter: nothing of it is kept here.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from ..errors import WhenceError
from .libraries import LibraryError, library

CHUNK = 1 << 20

_FAULTS = {
    "aiohttp": "ClientError",
    "botocore.exceptions": "BotoCoreError",
    "paramiko": "SSHException",
    "gcsfs.retry": "HttpError",
    "azure.core.exceptions": "AzureError",
}
"""What else than OSError the libraries raise, by module."""


class RemoteError(WhenceError):
    """An address cannot be read."""


class RemoteFile(NamedTuple):
    """A file below an address."""

    path: str
    """Relative to the address; empty for that itself."""
    place: str
    """As the file system calls it."""
    size: int | None
    etag: str | None
    version: str | None


def is_url(text: str) -> bool:
    """Whether a word is an address and not a path."""
    scheme, colon, _ = text.partition("://")
    return bool(colon) and scheme.replace("+", "").replace("-", "").isalnum()


class Remote:
    """A file or folder by its address. Everything raises RemoteError or LibraryError, and says `shown` of it."""

    def __init__(self, url: str, shown: str) -> None:
        fsspec = library("fsspec.core", extra="fsspec", what=shown)
        self._shown = shown
        with self._reading():
            self._files, self._root = fsspec.url_to_fs(url)

    def files(self) -> list[RemoteFile]:
        """Every file, by path; of a folder that holds none, none. The other side is asked each time."""
        with self._reading():
            self._files.invalidate_cache()
            info = self._files.info(self._root)
            if info["type"] == "file":
                return [_seen("", self._root, info)]
            found = cast("dict[str, dict[str, Any]]", self._files.find(self._root, detail=True))
        root = self._root.rstrip("/") + "/"
        return [_seen(place.removeprefix(root), place, one) for place, one in sorted(found.items())]

    def chunks(self, place: str | None = None) -> Iterator[bytes]:
        """The bytes of a file, the address itself without a place."""
        with self._reading(), self._files.open(place or self._root, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    @contextmanager
    def _reading(self) -> Generator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise RemoteError(f"{self._shown}: found nothing") from error
        except ImportError as error:
            raise LibraryError(f"{self._shown}: {error}", hint="fsspec reads it with that library") from error
        except (OSError, ValueError, NotImplementedError, *_loaded_faults()) as error:
            raise RemoteError(f"{self._shown}: cannot be read: {error or type(error).__name__}") from error


def _seen(path: str, place: str, info: dict[str, Any]) -> RemoteFile:
    etag, version = _first(info, "ETag", "etag"), _first(info, "VersionId", "version_id", "generation")
    return RemoteFile(path, place, info.get("size"), etag, version)


def _first(info: dict[str, Any], *names: str) -> str | None:
    found = next((info[name] for name in names if info.get(name) not in (None, "null")), None)
    text = None if found is None else str(found)
    return text if text is None or text.startswith("W/") else text.strip('"')


def _loaded_faults() -> list[type[Exception]]:
    modules = ((sys.modules.get(module), name) for module, name in _FAULTS.items())
    return [getattr(module, name) for module, name in modules if module is not None]
