"""Files by HTTP, from a dict, each with an ETag."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from whence.digests import digest_of


class Site(BaseHTTPRequestHandler):
    """Files of a dict, each with an ETag."""

    files: ClassVar[dict[str, bytes]] = {}
    read: ClassVar[list[str]] = []
    """What was asked for, and not only about."""
    weak: ClassVar[str] = ""
    """What stands before each ETag."""

    def do_GET(self) -> None:
        body = self.files.get(self.path.partition("?")[0])
        if self.command == "GET":
            self.read.append(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        if body is not None:
            self.send_header("ETag", f'{self.weak}"{digest_of(body)[7:15]}"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body or b"")

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving() -> Generator[str]:
    """A server on this machine that has no files yet; its address."""
    Site.files.clear()
    Site.read.clear()
    Site.weak = ""
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
