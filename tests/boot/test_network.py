"""What a program reads over HTTP is an input of its run: the address without secrets, and the version it had."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from workplace import Workplace

from whence.rules.fetched import shown_address

PYTHON = sys.executable
BODY = b"a,b\n1,2\n"


class Handler(BaseHTTPRequestHandler):
    """Gives the same table for every path, and says of it what a storage service says; `/count` has new ETags."""

    count = 0

    def do_GET(self) -> None:
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", "/table.csv?X-Amz-Signature=5e1f")
            self.end_headers()
            return
        Handler.count += 1
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("ETag", f'"{Handler.count if self.path == "/count" else "abc"}"')
        self.send_header("x-amz-version-id", "null" if self.path == "/unversioned" else "v9")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(BODY)

    do_HEAD = do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def urls(record: dict[str, Any]) -> list[str]:
    return [one["path"] for one in record["inputs"] if one["kind"] == "url"]


CLIENTS = {
    "urllib": "import os, urllib.request\ndef get(url): return urllib.request.urlopen(url).read()\n",
    "requests": "import os, requests\ndef get(url): return requests.get(url).content\n",
    "urllib3": "import os, urllib3\ndef get(url): return urllib3.PoolManager().request('GET', url).data\n",
    "aiohttp": (
        "import aiohttp, asyncio\nasync def fetch(url):\n"
        "    async with aiohttp.ClientSession() as session, session.get(url) as answer: return await answer.read()\n"
        "def get(url): return asyncio.run(fetch(url))\n"
    ),
    "httpx": "import httpx\ndef get(url): return httpx.get(url).content\n",
    "httpx, asynchronous": (
        "import asyncio, httpx\nasync def fetch(url):\n"
        "    async with httpx.AsyncClient() as client: return (await client.get(url)).content\n"
        "def get(url): return asyncio.run(fetch(url))\n"
    ),
    "fsspec": "import fsspec\ndef get(url):\n    with fsspec.open(url) as file: return file.read()\n",
}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_client_gets_is_an_input_with_the_version_that_it_had(
    client: str, server: str, workplace: Workplace
) -> None:
    workplace.script(
        "program.py", CLIENTS[client] + f"for _ in range(2): print(get({server!r} + '/table.csv?page=2'))\n"
    )
    record = workplace.record(PYTHON, "program.py")
    assert (workplace.run_folders()[-1] / "output.log").read_text() == f"{BODY!r}\n" * 2
    (one,) = [one for one in record["inputs"] if one["kind"] == "url"]
    assert (one["path"], one["how"], one["size"], one["version"]) == (f"{server}/table.csv?page=2", "observed", 8, "v9")
    assert one["identifier"] == {"scheme": "etag", "value": "abc", "checked": False}
    assert (one["digest"], one["because"]) == (None, "it was read over the network; its bytes were not seen")


@pytest.mark.parametrize("client", ["urllib", "requests"])
def test_no_login_and_no_signature_of_an_address_is_in_the_store(
    client: str, server: str, workplace: Workplace
) -> None:
    login = "" if client == "urllib" else "ada:correct-horse-9@"
    address = server.replace("//", f"//{login}") + "/table.csv?X-Amz-Signature=feed5eed99&token=tok5eed99&page=2#part"
    workplace.script("program.py", CLIENTS[client] + "get(os.environ['ADDRESS'])\n")
    record = workplace.record(PYTHON, "program.py", env={"ADDRESS": address})
    assert urls(record) == [f"{server}/table.csv?page=2"]
    for file in workplace.store.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert not [word for word in (b"correct-horse", b"feed5eed99", b"tok5eed99") if word in content], file


@pytest.mark.parametrize("client", ["urllib", "requests"])
def test_the_address_is_the_one_that_the_program_asked_for(client: str, server: str, workplace: Workplace) -> None:
    workplace.script("program.py", CLIENTS[client] + f"get({server!r} + '/moved')\n")
    assert urls(workplace.record(PYTHON, "program.py")) == [f"{server}/moved"]


def test_what_brought_nothing_or_was_no_read_is_no_input(server: str, workplace: Workplace) -> None:
    workplace.script(
        "program.py",
        "import pathlib, requests, urllib.error, urllib.request as u\n"
        f"requests.post({server!r}, data='x')\nrequests.head({server!r})\nrequests.get({server!r} + '/missing')\n"
        f"u.urlopen({server!r}, data=b'x')\nu.urlopen(pathlib.Path('program.py').absolute().as_uri())\n"
        "u.urlopen('data:,x')\n"
        f"try: u.urlopen({server!r} + '/missing')\nexcept urllib.error.HTTPError as error: print(error.code)\n",
    )
    record = workplace.record(PYTHON, "program.py")
    assert (record["status"], urls(record)) == ("succeeded", [])
    assert (workplace.run_folders()[-1] / "output.log").read_text() == "404\n"


def test_an_address_whose_content_changed_between_two_reads_is_two_inputs(server: str, workplace: Workplace) -> None:
    workplace.script("program.py", CLIENTS["urllib"] + f"for _ in range(2): get({server!r} + '/count')\n")
    inputs = [one for one in workplace.record(PYTHON, "program.py")["inputs"] if one["kind"] == "url"]
    assert len({one["identifier"]["value"] for one in inputs}) == len({one["name"] for one in inputs}) == 2


def test_a_bucket_without_versions_tells_none(server: str, workplace: Workplace) -> None:
    workplace.script("program.py", CLIENTS["urllib"] + f"get({server!r} + '/unversioned')\nos.kill(os.getpid(), 9)\n")
    record = workplace.record(PYTHON, "program.py")
    (one,) = [one for one in record["inputs"] if one["kind"] == "url"]
    assert (record["status"], one["version"], one["identifier"]["value"]) == ("killed", None, "abc")


def test_what_a_tracker_asks_its_own_server_is_no_input(server: str, workplace: Workplace) -> None:
    workplace.write("lib/site-packages/mlflow/__init__.py", CLIENTS["requests"])
    workplace.script("program.py", f"import mlflow\nmlflow.get({server!r} + '/api')\n")
    env = {"PYTHONPATH": str(workplace.path / "lib/site-packages")}
    assert urls(workplace.record(PYTHON, "program.py", env=env)) == []


HUB = """\
import os
def hf_hub_download(repo_id, filename, *, repo_type=None, revision=None):
    folder = os.path.abspath("hub/models--lab--net")
    os.makedirs(folder + "/blobs"), os.makedirs(folder + "/snapshots/c0ffee")
    open(folder + "/blobs/e7a9", "w").close()
    os.symlink("../../blobs/e7a9", folder + "/snapshots/c0ffee/" + filename)
    return folder + "/snapshots/c0ffee/" + filename
"""
"""Of the same API as far as it is used: the true one asks a server that is not there."""


def test_a_file_of_a_hub_is_known_by_its_repository_and_commit(workplace: Workplace) -> None:
    workplace.write("lib/site-packages/huggingface_hub/__init__.py")
    workplace.write("lib/site-packages/huggingface_hub/file_download.py", HUB)
    workplace.script(
        "program.py",
        "from huggingface_hub.file_download import hf_hub_download\nhf_hub_download('lab/net', filename='w.bin')\n",
    )
    env = {"PYTHONPATH": str(workplace.path / "lib/site-packages")}
    (one,) = [one for one in workplace.record(PYTHON, "program.py", env=env)["inputs"] if one["kind"] == "url"]
    assert (one["path"], one["version"], one["identifier"]["value"]) == ("hf://models/lab/net/w.bin", "c0ffee", "e7a9")


SHOWN = {
    "nothing to hide": ("https://h.org/a/b.csv?page=2&sort=up", "https://h.org/a/b.csv?page=2&sort=up"),
    "login and fragment": ("https://me:pw@h.org:8/a#x", "https://h.org:8/a"),
    "S3": (
        "https://b.s3.org/k?X-Amz-Credential=a%2Fb&X-Amz-Signature=c&versionId=v1",
        "https://b.s3.org/k?versionId=v1",
    ),
    "Azure": ("https://x.org/c/k?sv=2024&se=2026&sr=b&sig=Zm9v%3D", "https://x.org/c/k"),
    "a token": ("https://h.org/a?access_token=1234567890ab&q=%C3%A9+e", "https://h.org/a?q=%C3%A9%20e"),
    "no address": ("https://[oops/a?token=x", "https://[oops/a"),
}


@pytest.mark.parametrize("case", SHOWN)
def test_an_address_is_shown_without(case: str) -> None:
    url, shown = SHOWN[case]

    def mask(name: str, value: str) -> str:
        return "***" if name.endswith("token") else value

    assert shown_address(url, mask, str) == shown
