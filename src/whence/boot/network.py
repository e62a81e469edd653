"""What the program read over HTTP by clients that are known: the address, and by what its version can be told.

A read is a GET that brought content. The outermost call counts, with the address that the program gave: what a client
asks of another, and where a server sent it on to, is how it got there. Bodies and what was sent are never looked at.
"""

from __future__ import annotations

import os
from _thread import get_ident

from .caller import calling_frame
from .guard import Guard
from .table import Notes, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType, ModuleType
    from typing import Any

    Address = Callable[..., "str | None"]
    """The address of a call, from its arguments and what came of it; nothing where it is no read."""

MOST = 10_000
"""Reads that are noted in one process."""

TRACKERS = frozenset(("mlflow", "wandb", "trackio", "aim", "comet_ml", "neptune", "clearml", "sentry_sdk"))
"""Packages whose own requests are no data of the program's."""

DEEPEST = 30
"""Frames that are looked at for one."""

VERSIONS = ("x-repo-commit", "x-amz-version-id", "x-goog-generation", "x-ms-version-id")
"""Headers that name the version of an object: Hugging Face, S3, Google Cloud Storage, Azure."""

ETAGS = ("x-linked-etag", "etag")

_within: dict[int, int] = {}
"""Calls within each other, by thread."""

_known: set[tuple[str, str | None, str | None]] = set()


def adapt(module: ModuleType, notes: Notes) -> None:
    """Of any module of the table."""
    for of, name, address in CLIENTS[module.__name__]:
        kind: Any = getattr(module, of, None)
        if kind is not None and name in vars(kind):
            wrapping = _awaiting if _is_async(vars(kind)[name]) else _calling
            _replace(kind, name, wrapping, address, notes)


def adapt_hub(module: ModuleType, notes: Notes) -> None:
    """Of `huggingface_hub.file_download`: a file of a repository, also where the cache has it."""
    replace(module, "hf_hub_download", lambda original: _downloading(original, notes))


def _replace(kind: Any, name: str, wrapping: Any, address: Address, notes: Notes) -> None:
    replace(kind, name, lambda original: wrapping(original, address, notes))


def _is_async(function: Any) -> bool:
    return bool(getattr(getattr(function, "__code__", None), "co_flags", 0) & 0x80)  # CO_COROUTINE of `inspect`


def _calling(original: Any, address: Address, notes: Notes) -> Any:
    def call(*args: Any, **named: Any) -> Any:
        thread = get_ident()
        depth = _within.get(thread, 0)
        _within[thread] = depth + 1
        try:
            result = original(*args, **named)
        finally:
            if depth:
                _within[thread] = depth
            else:
                _within.pop(thread, None)
        if not depth:
            with Guard("network"):
                if not _is_of_tracker(calling_frame(1)):
                    _note(notes, address(result, *args, **named), _headers(result))
        return result

    return call


def _is_of_tracker(frame: FrameType | None) -> bool:
    """Whether a tracker or an exporter of errors asks, for itself."""
    for _ in range(DEEPEST):
        if frame is None:
            return False
        if str(frame.f_globals.get("__name__")).partition(".")[0] in TRACKERS:
            return True
        frame = frame.f_back
    return False


def _awaiting(original: Any, address: Address, notes: Notes) -> Any:
    async def call(*args: Any, **named: Any) -> Any:
        result = await original(*args, **named)
        with Guard("network"):
            _note(notes, address(result, *args, **named), _headers(result))
        return result

    return call


def _downloading(original: Any, notes: Notes) -> Any:
    def hf_hub_download(*args: Any, **named: Any) -> Any:
        result = _calling(original, _nothing, notes)(*args, **named)
        with Guard("network"):
            names = ("repo_id", "filename")
            repository, file = (named.get(name, args[at] if at < len(args) else None) for at, name in enumerate(names))
            kind = named.get("repo_type") or "model"
            commit, etag = _in_the_cache(str(result))
            _note(notes, f"hf://{kind}s/{repository}/{file}", {"x-repo-commit": commit, "etag": etag})
        return result

    return hf_hub_download


def _nothing(result: Any, *args: Any, **named: Any) -> str | None:
    return None


def _in_the_cache(path: str) -> tuple[str | None, str | None]:
    """The commit, and the ETag, that a path `…/snapshots/COMMIT/…`, a link to `…/blobs/ETAG`, tells."""
    commit = path.partition("/snapshots/")[2].partition("/")[0] or None
    blob = os.path.realpath(path)
    return commit, os.path.basename(blob) if "/blobs/" in blob else None


def _headers(result: Any) -> Any:
    headers: Any = getattr(result, "headers", None)
    return {} if headers is None else headers


def _note(notes: Notes, address: str | None, headers: Mapping[str, Any]) -> None:
    if address is None or len(_known) >= MOST:
        return
    etag, version = _first(headers, ETAGS), _first(headers, VERSIONS)
    key = address, etag, version
    if key not in _known:
        _known.add(key)
        notes.report.note("fetched", url=address, etag=etag, version=version, size=_size(headers))


def _size(headers: Mapping[str, Any]) -> int | None:
    """Of the whole, as it is kept there."""
    length = str(headers.get("content-length"))
    in_part = headers.get("content-encoding") or headers.get("content-range")
    return int(length) if length.isdigit() and not in_part else None


def _first(headers: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = headers.get(name)
        if value and value != "null":  # What S3 says of a bucket without versions.
            return str(value)
    return None


def _read(result: Any, method: Any, address: Any) -> str | None:
    """The address, if it is a GET over HTTP that brought content."""
    status = getattr(result, "status_code", None) or getattr(result, "status", None)
    shown = str(address)
    is_http = shown.startswith(("http://", "https://"))
    return shown if is_http and str(method).upper() == "GET" and status in (200, 206) else None


# What a call asks for. The parameters are those of the client's own method, after what came of it.


def _urllib(result: Any, opener: Any, fullurl: Any, data: Any = None, *more: Any, **named: Any) -> str | None:
    method = fullurl.get_method() if hasattr(fullurl, "get_method") else "GET" if data is None else "POST"
    return _read(result, method, getattr(fullurl, "full_url", fullurl))


def _sent(result: Any, client: Any, request: Any, *more: Any, **named: Any) -> str | None:
    return _read(result, request.method, request.url)


def _urllib3(result: Any, pool: Any, method: Any, url: Any, *more: Any, **named: Any) -> str | None:
    port = f":{pool.port}" if pool.port else ""
    return _read(result, method, url if "://" in url else f"{pool.scheme}://{pool.host}{port}{url}")


def _aiohttp(result: Any, session: Any, method: Any, str_or_url: Any, *more: Any, **named: Any) -> str | None:
    history: Any = getattr(result, "history", None)
    return _read(result, method, history[0].url if history else result.url)


_HTTPX: tuple[tuple[str, str, Address], ...] = (("Client", "send", _sent), ("AsyncClient", "send", _sent))

CLIENTS: dict[str, tuple[tuple[str, str, Address], ...]] = {
    "urllib.request": (("OpenerDirector", "open", _urllib),),
    "requests.sessions": (("Session", "send", _sent),),
    "urllib3.connectionpool": (("HTTPConnectionPool", "urlopen", _urllib3),),
    "aiohttp.client": (("ClientSession", "_request", _aiohttp),),
    "httpx._client": _HTTPX,
    "httpx2._client": _HTTPX,
}
"""boto3 asks by urllib3, fsspec, s3fs and gcsfs by aiohttp, and most others by one of these."""
