"""Keep bytes in the store as far as policy and room allow. What is stored is what was digested, or it is not kept."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from ..capture.hashing import Measured
from ..handlers import let_pass
from ..records.data import ManifestEntry
from ..records.encoding import decode
from ..rules.policy import Policy
from ..store.layout import Store
from ..store.objects import put_bytes, put_file


class Keeping(msgspec.Struct):
    """The room that is left for the inputs, the outputs or the sources of one run."""

    store: Store
    key: Literal["keep_inputs", "keep_outputs", ""]
    """The policy that says whether; of sources there is none."""
    copy: bool
    each: int
    left: int
    failed: dict[str, str] = {}
    """What a fault keeps out of the store, by path, with the reason: it is tried again at the end of the run."""

    @classmethod
    def of(cls, store: Store, policy: Policy, key: Literal["keep_inputs", "keep_outputs"]) -> Keeping:
        """What policy says about them."""
        copy = policy.values[key] == "copy"
        return cls(store=store, key=key, copy=copy, each=policy.keep_file_limit, left=policy.keep_limit)

    @classmethod
    def of_sources(cls, store: Store, policy: Policy) -> Keeping:
        """Of source files that ran: always copied, up to the same limits."""
        return cls(store=store, key="", copy=True, each=policy.keep_file_limit, left=policy.keep_limit)

    def keep_bytes(self, data: bytes) -> str | None:
        """Keep what was read whole; nothing when it is kept, else why not."""
        because = self.refusal(len(data))
        if because is not None:
            return because
        try:
            put_bytes(self.store, data)
        except OSError as error:
            let_pass(error)
            return f"it could not be kept: {error.strerror or error}"
        self.left -= len(data)
        return None

    def keep(self, path: str, measured: Measured) -> str | None:
        """Copy what was measured at the path; nothing when it is kept, else why not."""
        because = self.refusal(measured.size)
        if because is not None:
            return because
        try:
            stored = self._put(path, measured.digest, measured.manifest)
        except OSError as error:
            let_pass(error)
            self.failed[path] = f"it could not be kept: {error.strerror or error}"
            return self.failed[path]
        self.failed.pop(path, None)
        if not stored:
            return "it changed between being digested and being kept"
        self.left -= measured.size
        return None

    def refusal(self, size: int) -> str | None:
        """Why so many bytes more would not be kept, if they would not."""
        if not self.copy:
            return f"policy {self.key} = reference"
        if size > self.each:
            return f"{size} bytes, larger than policy keep_file_limit ({self.each})"
        if size > self.left:
            return "together with others of the run it is larger than policy keep_limit"
        return None

    def _put(self, path: str, digest: str, manifest: bytes | None) -> bool:
        """Copy a file, or a folder's files and its manifest; whether what was stored is what was digested."""
        if manifest is None:
            return put_file(self.store, path).digest == digest
        for entry in decode(manifest, list[ManifestEntry]):
            if entry.kind == "file" and put_file(self.store, Path(path) / entry.path).digest != entry.digest:
                return False
        return put_bytes(self.store, manifest) == digest
