"""Hashing gives the same whichever way it is done, and loads OpenSSL only where that pays."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from workplace import Workplace

from whence.digests import keyed_digest

FRESH = """\
import sys
from whence import digests
contents = [bytes(size) for size in (0, 1, 55, 64, 1000, digests.BEFORE_OPENSSL // 2, digests.BEFORE_OPENSSL)]
found = []
for content in contents:
    found.append((digests.digest_of(content), digests.sha1(content).hexdigest(), "hashlib" in sys.modules))
import hashlib
for content, (digest, sha1, _) in zip(contents, found):
    assert digest == "sha256:" + hashlib.sha256(content).hexdigest()
    assert sha1 == hashlib.sha1(content).hexdigest()
print(*(loaded for _, _, loaded in found))
"""


def test_openssl_is_loaded_when_a_process_has_much_to_hash_and_no_digest_depends_on_it(workplace: Workplace) -> None:
    assert workplace.python("-I", "-c", FRESH).ok().out.split() == ["False"] * 5 + ["True"] * 2


NOT_LOADABLE = """\
import sys
sys.modules["hashlib"] = None
from whence import digests
del sys.modules["hashlib"]
sys.path.clear()
sys.meta_path.clear()
print(digests.sha256(bytes(digests.BEFORE_OPENSSL + 1)).hexdigest())
"""


def test_a_process_that_cannot_load_openssl_any_more_hashes_on_without_it(workplace: Workplace) -> None:
    size = (256 << 10) + 1
    assert workplace.python("-I", "-c", NOT_LOADABLE).ok().out.strip() == hashlib.sha256(bytes(size)).hexdigest()


@pytest.mark.parametrize("length", [0, 1, 32, 64, 65, 200])
def test_the_keyed_digest_is_hmac_with_sha256(length: int) -> None:
    key = bytes(range(length))
    for content in (b"", b"hunter2", bytes(300)):
        assert keyed_digest(key, content) == hmac.digest(key, content, "sha256")
