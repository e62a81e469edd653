"""Keep source files that ran, one by one: as bytes that were searched for secrets before they were stored."""

from __future__ import annotations

import os
import stat as modes
import time
from collections.abc import Callable

import msgspec

from ..capture.hashing import Work, measure_file
from ..digests import digest_of
from ..rules.policy import Policy
from ..rules.secrets import Secrets
from ..store.digest_cache import DigestCache
from ..store.layout import Store
from ..store.objects import has, sync_objects
from ..system.files import open_regular
from .keeping import Keeping

WHOLE = 4 << 20
"""Bytes of a file that is read at once, and all of it searched for secrets."""

HEAD = 1 << 20
"""Bytes of a bigger file that are searched."""


class KeptSource(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was found."""

    digest: str | None = None
    size: int | None = None
    changed: int | None = None
    """When it was last changed, in Unix nanoseconds by its file system."""
    kept: bool = False
    because: str | None = None


class SourceKeeping(msgspec.Struct, kw_only=True):
    """The room, the time and the rules for the sources of one run."""

    keeping: Keeping
    secrets: Secrets
    digests: DigestCache
    part: str
    """Where the cache has their digests."""
    enough: Callable[[], bool]
    added: list[str] = []
    """Digests of new objects."""

    @classmethod
    def of(cls, store: Store, policy: Policy, secrets: Secrets, part: str, enough: Callable[[], bool]) -> SourceKeeping:
        """What policy says."""
        return cls(
            keeping=Keeping.of_sources(store, policy),
            secrets=secrets,
            digests=DigestCache(store.cache),
            part=part,
            enough=enough,
        )

    def keep(self, path: str, name: str) -> KeptSource:
        """The file at the path, kept if it may be; `name` is what rules for secrets go by. Costs a stat where it is
        known and kept already, else a read. What is wrong with it is a reason, never an exception."""
        try:
            stat = os.stat(path)
            if not modes.S_ISREG(stat.st_mode):
                return KeptSource(because="it is no regular file now")
            facts = KeptSource(size=stat.st_size, changed=max(stat.st_mtime_ns, stat.st_ctime_ns))
            known = self.digests.find(self.part, stat)
            if known is not None and has(self.keeping.store, known):
                return msgspec.structs.replace(facts, digest=known, kept=True)
            if self.enough():
                return msgspec.structs.replace(facts, because="there was no time to read it before the seal")
            if stat.st_size <= WHOLE:
                return self._keep_small(path, name, facts)
            return self._keep_big(path, name, facts)
        except FileNotFoundError:
            return KeptSource(because="it is not there any more")
        except OSError as error:
            return KeptSource(because=f"it could not be read: {error.strerror or error}")

    def _keep_small(self, path: str, name: str, facts: KeptSource) -> KeptSource:
        """What is searched is what is stored: the file is read once."""
        began = time.time_ns()
        fd = open_regular(path)
        try:
            data = os.pread(fd, WHOLE + 1, 0)
            stat = os.fstat(fd)
        finally:
            os.close(fd)
        changed = max(stat.st_mtime_ns, stat.st_ctime_ns)
        facts = KeptSource(size=len(data), changed=changed)
        secret = self.secrets.file_is_secret(name, data)
        if secret is not None:
            return msgspec.structs.replace(facts, digest=self.secrets.keyed(data), because=secret)
        digest, because = digest_of(data), self.keeping.keep_bytes(data)
        if len(data) == stat.st_size:
            self.digests.add(self.part, stat, digest, began)
        if because is None:
            self.added.append(digest)
        return msgspec.structs.replace(facts, digest=digest, kept=because is None, because=because)

    def _keep_big(self, path: str, name: str, facts: KeptSource) -> KeptSource:
        secret = self.secrets.file_is_secret(name, _head(path))
        if secret is not None:
            return msgspec.structs.replace(facts, because=secret)
        work = Work(measure_file(path, self.digests, self.part))
        if not work.advance(self.enough):
            return msgspec.structs.replace(facts, because="there was no time to read it before the seal")
        because = self.keeping.keep(path, work.result)
        if because is None:
            self.added.append(work.result.digest)
        return msgspec.structs.replace(
            facts, digest=work.result.digest, size=work.result.size, kept=because is None, because=because
        )

    def finish(self) -> None:
        """Flush what was added, and remember digests. Raises OSError."""
        self.digests.save()
        if self.added:
            sync_objects(self.keeping.store, self.added)


def _head(path: str) -> bytes:
    fd = open_regular(path)
    try:
        return os.pread(fd, HEAD, 0)
    finally:
        os.close(fd)
