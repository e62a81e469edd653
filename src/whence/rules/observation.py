"""What a run did with files, folded from the stream of its calls: read, written, changed in place, only for itself.

The rules of the fold:
- A file counts by its name. Renames carry what was written to the final name, with all that lies in a renamed folder;
  a hard link has what its first name has; two names that lead to one file at the end are one.
- What the run read before it wrote it came from outside. What it read after it wrote it came from itself.
- A file that was opened for writing, and at the end is what it was before, was not written. One that was empty before
  had nothing that could be changed: a shell makes it so for `> file`.
- What our own part inside a command reads (it notes the files that Hydra wrote) was not read by the command.
- A call that names nothing and creates nothing has failed, and says nothing. So has one that insists on creating what
  is there. Folders and devices are not files.

Memory grows with the number of files (about 400 bytes each), never with the number of calls, and ends at `MOST`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec
from msgspec.structs import replace

from . import seen as calls
from .seen import Identity, Seen

Fate = Literal["read", "written", "again", "changed", "temporary", "removed", "untouched"]
"""What became of a file: `again` was written and then read by the run itself, `changed` was there before and is another
now, `temporary` was made by the run and is gone, `removed` was there before and is gone."""

MOST = 1_000_000
"""Files that are told apart; those beyond are counted."""

READ, CREATED, OVERWRITTEN, OPENED_TO_WRITE, READ_AGAIN, GONE, DIFFERED, LATE, UNKNOWN, CAME = (
    1 << n for n in range(10)
)
# CAME: what lies there is a file from outside, moved or linked to this name by the run.


class Track(msgspec.Struct, gc=False):
    """What is known of one file."""

    marks: int = 0
    before: Identity | None = None
    """When the run first touched it; nothing when it was not there, or could not be looked at."""
    opened: Identity | None = None
    """When the run first read what it had not written itself."""
    named: bytes | None = None
    """As the program named it, where links were on the way."""
    because: str = ""

    @property
    def written(self) -> bool:
        return bool(self.marks & (CREATED | OVERWRITTEN))


class FileUse(msgspec.Struct, frozen=True, gc=False):
    """One file at the end."""

    path: bytes
    """As the program named it first."""
    fate: Fate
    before: Identity | None
    opened: Identity | None
    """What was there right before it was opened to be read."""
    now: Identity | None
    read: bool
    """It was read before the run wrote to it: it came from outside."""
    differed: bool = False
    """It was another file, or had been edited, when it was opened once more."""
    late: bool = False
    because: str = ""


def _as_is(folder: bytes) -> bytes:
    return folder


class Files:
    """The fold. `resolve` gives the real path of a folder, so that two ways to a file are one."""

    def __init__(self, resolve: Callable[[bytes], bytes] = _as_is, most: int = MOST) -> None:
        self._resolve = resolve
        self._most = most
        self._folders: dict[bytes, dict[bytes, Track]] = {}
        self._aliases: dict[bytes, bytes] = {}
        self.count = 0
        self.beyond = 0
        """Calls on files beyond the limit."""

    def take(self, seen: Seen) -> bytes | None:
        """Add one call; the path of a file that was read for the first time, as it is known here."""
        handler = _HANDLERS.get(seen.op)
        return handler(self, seen) if handler is not None and seen.path else None

    # What the handlers need.

    def find(self, path: bytes) -> Track | None:
        folder, name = self._place(path)
        return self._folders.get(folder, {}).get(name)

    def track(self, path: bytes, before: Identity | None) -> Track | None:
        """The file's track, made if it is new; nothing beyond the limit."""
        folder, name = self._place(path)
        tracks = self._folders.setdefault(folder, {})
        if name not in tracks:
            if self.count >= self._most:
                self.beyond += 1
                return None
            self.count += 1
            named = None if path == _joined(folder, name) else path
            tracks[name] = Track(before=before, named=named)
        return tracks[name]

    def put(self, path: bytes, track: Track) -> None:
        """A track under a name that it did not have before."""
        folder, name = self._place(path)
        tracks = self._folders.setdefault(folder, {})
        self.count += name not in tracks
        track.named = None if path == _joined(folder, name) else path
        tracks[name] = track

    def drop(self, path: bytes) -> None:
        folder, name = self._place(path)
        if self._folders.get(folder, {}).pop(name, None) is not None:
            self.count -= 1

    def move_folder(self, path: bytes, other: bytes) -> None:
        """Everything below a renamed folder has a new name, and was made by the run under it."""
        above, below = _joined(*self._place(path)), _joined(*self._place(other))
        moved = [folder for folder in self._folders if folder == above or folder.startswith(above + b"/")]
        for folder in moved:
            tracks = self._folders.pop(folder)
            for track in tracks.values():
                track.named = None
            self._folders.setdefault(below + folder[len(above) :], {}).update(tracks)
        self._aliases.clear()

    def _place(self, path: bytes) -> tuple[bytes, bytes]:
        folder, _, name = path.rpartition(b"/")
        real = self._aliases.get(folder)
        if real is None:
            real = self._resolve(folder or b"/").rstrip(b"/")
            if len(self._aliases) > 100_000:
                self._aliases.clear()
            self._aliases[folder] = real
        return real, name

    # The end.

    def uses(self, now: Callable[[bytes], Identity | None]) -> Iterator[FileUse]:
        """Each file once, those that the run wrote last; `now` looks at a path, links followed, once for each file.
        Call it once, when the stream has ended: what was told of is forgotten."""
        written = [(path, track) for path, track in self._all() if track.written or track.marks & OPENED_TO_WRITE]
        there = {path: now(path) for path, _ in written}
        own = _by_key(written, there)
        for folder in list(self._folders):
            for name, track in self._folders.pop(folder).items():
                path = _joined(folder, name)
                if path in there or not track.marks:
                    continue
                found = now(path)
                if found is not None and found.key in own:
                    _join(own[found.key], track)  # Another name of a file that the run wrote: told under that one.
                else:
                    yield _use(path, track, found)
        for path, track in written:
            yield _use(path, track, there[path])

    def forget(self) -> None:
        """Give the memory back, once the uses were taken."""
        self._folders.clear()
        self._aliases.clear()

    def _all(self) -> Iterator[tuple[bytes, Track]]:
        for folder, tracks in self._folders.items():
            for name, track in tracks.items():
                yield _joined(folder, name), track


def _by_key(written: list[tuple[bytes, Track]], there: dict[bytes, Identity | None]) -> dict[tuple[int, int], Track]:
    """The files that the run wrote, by what they are at the end; without those that came from outside."""
    own: dict[tuple[int, int], Track] = {}
    for path, track in written:
        now = there[path]
        if now is not None and not track.marks & CAME and _changed(track, now):
            own.setdefault(now.key, track)
    return own


def _join(track: Track, other: Track) -> None:
    """What was read under another name of a written file: what was there before, or the run's own bytes."""
    if not other.marks & READ:
        return
    if track.before is None or other.opened is None or track.before.key != other.opened.key:
        track.marks |= READ_AGAIN
    elif not track.marks & READ:
        track.marks |= READ
        track.opened = other.opened


def _joined(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name


def _changed(track: Track, now: Identity) -> bool:
    """Whether it is another file, or has another content, than before the run first touched it."""
    return track.before is None or not track.before.same_content(now)


def _use(path: bytes, track: Track, now: Identity | None) -> FileUse:
    return FileUse(
        path=track.named or path,
        fate=_fate(track, now),
        before=track.before,
        opened=track.opened,
        now=track.opened if now == track.opened else now,  # Kept once: there may be very many.
        read=bool(track.marks & READ),
        differed=bool(track.marks & DIFFERED),
        late=bool(track.marks & LATE),
        because=track.because,
    )


def _fate(track: Track, now: Identity | None) -> Fate:
    """What became of it, from what the run did and what is there at the end."""
    marks = track.marks
    if now is None and marks & CREATED:
        return "temporary"
    if now is None and marks & GONE:
        return "removed"
    if now is not None and (track.written or marks & OPENED_TO_WRITE) and _changed(track, now):
        if track.before is not None and (marks & READ or not marks & OVERWRITTEN) and track.before.size:
            return "changed"
        return "again" if marks & READ_AGAIN else "written"
    if marks & (READ | UNKNOWN):
        return "read"
    return "untouched"


# What each call adds.


def _read(files: Files, seen: Seen) -> bytes | None:
    if (
        seen.flags & calls.PATH_ONLY
        or seen.flags & calls.OURS == calls.OURS
        or (seen.identity is None and not seen.because)
    ):
        return None
    if seen.identity is not None and not seen.identity.is_file:
        return None
    track = files.track(seen.path, seen.identity)
    return None if track is None else _was_read(track, seen)


def _was_read(track: Track, seen: Seen) -> bytes | None:
    """The path, when what it is was not known before."""
    if track.written and not track.marks & CAME:
        track.marks |= READ_AGAIN
        return None
    new = not track.marks & READ
    if new:
        track.opened = seen.identity
    elif track.opened is not None and seen.identity is not None and not track.opened.same_content(seen.identity):
        # A file that the run itself may have written to in between is not one that others changed.
        track.marks |= 0 if track.marks & (OPENED_TO_WRITE | CAME) == OPENED_TO_WRITE else DIFFERED
    track.marks |= READ | (LATE if seen.late else 0) | (UNKNOWN if seen.identity is None else 0)
    track.because = track.because or seen.because
    return seen.path if new else None


def _write(files: Files, seen: Seen) -> bytes | None:
    """An open for writing that neither creates nor empties: whether it wrote shows at the end."""
    if (seen.identity is None and not seen.because) or (seen.identity is not None and not seen.identity.is_file):
        return None
    track = files.track(seen.path, seen.identity)
    if track is None:
        return None
    new = _was_read(track, seen) if seen.flags & calls.ACCESS == calls.READ_WRITE else None
    track.marks |= OPENED_TO_WRITE
    track.because = track.because or seen.because
    return new


def _create(files: Files, seen: Seen) -> bytes | None:
    there = seen.identity
    if there is not None:
        if not there.is_file or seen.flags & calls.EXCLUSIVE:
            return None  # A folder, a device, or it insists on what is not so.
        if not seen.flags & calls.TRUNCATE:
            return _write(files, seen) if seen.flags & calls.ACCESS else _read(files, seen)
    elif not seen.flags & calls.CREATE and not seen.because:
        return None
    track = files.track(seen.path, there)
    if track is not None:
        track.marks = (track.marks & ~(GONE | CAME)) | (CREATED if _is_new(track, seen) else OVERWRITTEN)
        track.because = track.because or seen.because
    return None


def _is_new(track: Track, seen: Seen) -> bool:
    return seen.identity is None and not seen.because and track.before is None


def _truncate(files: Files, seen: Seen) -> bytes | None:
    if seen.identity is not None and seen.identity.is_file:
        track = files.track(seen.path, seen.identity)
        if track is not None:
            track.marks |= OPENED_TO_WRITE
    return None


def _unlink(files: Files, seen: Seen) -> bytes | None:
    if (seen.identity is None and not seen.because) or (seen.identity is not None and seen.identity.is_folder):
        return None
    track = files.find(seen.path) or files.track(seen.path, seen.identity)
    if track is not None:
        track.marks |= GONE
    return None


def _rename(files: Files, seen: Seen) -> bytes | None:
    if (seen.identity is None and not seen.because) or seen.path == seen.other:
        return None
    if seen.identity is not None and seen.identity.is_folder:
        files.move_folder(seen.path, seen.other)
        return None
    if seen.flags & calls.EXCHANGE:
        return _exchange(files, seen)
    source = files.find(seen.path)
    _arrive(files, seen, source)
    if source is None or source.before is not None:
        left = source or files.track(seen.path, seen.identity)
        if left is not None:
            left.marks |= GONE
    else:
        files.drop(seen.path)
    return None


def _arrive(files: Files, seen: Seen, source: Track | None) -> None:
    """A file has a second name now, and what was there under it is replaced."""
    target = files.find(seen.other)
    if target is None:
        target = Track()
        files.put(seen.other, target)
    inherited = 0 if source is None else source.marks & (READ_AGAIN | CAME)
    if seen.identity is not None and (source is None or not source.written):
        inherited |= CAME
    if source is not None and source.before is None and source.marks & READ:
        inherited |= READ | (DIFFERED if target.marks & READ else 0)
        target.opened = target.opened or source.opened
    made = CREATED if target.before is None else OVERWRITTEN
    target.marks = (target.marks & ~(GONE | CAME)) | inherited | made


def _exchange(files: Files, seen: Seen) -> bytes | None:
    for path in (seen.path, seen.other):
        track = files.track(path, seen.identity if path == seen.path else None)
        if track is not None:
            track.marks |= OVERWRITTEN
    return None


def _link(files: Files, seen: Seen) -> bytes | None:
    unnamed = seen.path.startswith(b"/proc/")  # An unnamed file (O_TMPFILE) that is given a name.
    if unnamed or (seen.identity is not None and seen.identity.is_file):
        _arrive(files, replace(seen, identity=None) if unnamed else seen, files.find(seen.path))
    return None


_HANDLERS: dict[str, Callable[[Files, Seen], bytes | None]] = {
    "read": _read,
    "write": _write,
    "update": _write,
    "create": _create,
    "truncate": _truncate,
    "rename": _rename,
    "link": _link,
    "unlink": _unlink,
}
"""What each call says about files; the others say something about programs, hosts or gaps."""
