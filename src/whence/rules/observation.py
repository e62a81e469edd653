"""What a run did with files, folded from the stream of its calls: read, written, changed in place, only for itself.

The rules of the fold:
- A file counts by its name. Renames carry what was written to the final name, with all that lies in a renamed folder;
  a hard link has what its first name has; two names that lead to one file at the end are one.
- What the run read before it wrote it came from outside. What it read after it wrote it came from itself.
- A file that was opened for writing, and at the end is what it was before, was not written. One that was empty before
  had nothing that could be changed: a shell makes it so for `> file`.
- A file lies where the links on the way to it led at the time of the call. A link itself has no bytes, so that it is no
  result, and neither is a pipe or a socket; that they are removed says nothing.
- What is done below a place while another file system is mounted there is not done to what lies there afterwards.
- What our own part inside a command reads (it notes the files that Hydra wrote) was not read by the command.
- A call that names nothing and creates nothing has failed, and says nothing. So has one that insists on creating what
  is there. Folders and devices are not files.
- A rename or link that the kernel refuses, by what lies at both names, was not done. Of others it shows later: a file
  that is met, or lies at the end, under its first name as it was has not been moved, and neither has a folder. What a
  rename was to replace, and is still there as it was, was not written.

Memory grows with the number of files (about 400 bytes each), never with the number of calls, and ends at `MOST`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
from msgspec.structs import replace

from . import seen as calls
from .seen import Identity, Seen
from .track import (
    ARRIVED,
    CAME,
    CREATED,
    DIFFERED,
    GONE,
    LATE,
    MOVED,
    OPENED_TO_WRITE,
    OVERWRITTEN,
    READ,
    READ_AGAIN,
    UNKNOWN,
    FileUse,
    Track,
    by_key,
    join,
    judge_arrival,
    judge_name,
    use_of,
)

MOST = 1_000_000
"""Files that are told apart; those beyond are counted."""

MOST_MOVED = 100_000
"""Names of moved files, and of files in moved folders, that are remembered: should the move not have been done."""


class _Move(msgspec.Struct):
    """A folder that was renamed, and what was known below it."""

    above: bytes
    below: bytes
    key: tuple[int, int]
    tracks: dict[tuple[bytes, bytes], tuple[Track, Track | None]]
    """By folder and name before: the file's track, and the one that it took the place of."""
    done: bool = True


def _as_is(folder: bytes) -> bytes:
    return folder


class Files:
    """The fold. `resolve` gives the real path of a folder, so that two ways to a file are one; it is asked where nobody
    looked at the time of the call, so that a link may lead elsewhere by then."""

    def __init__(self, resolve: Callable[[bytes], bytes] = _as_is, most: int = MOST) -> None:
        self._resolve = resolve
        self._most = most
        self._folders: dict[bytes, dict[bytes, Track]] = {}
        self._aliases: dict[bytes, bytes] = {}
        self._left: dict[tuple[bytes, bytes], tuple[int, int] | None] = {}
        """What the run has moved away, by folder and name."""
        self._moves: dict[bytes, _Move] = {}
        """The last move of each folder, by its first name."""
        self._moved_from: dict[bytes, _Move] = {}
        """By each folder that had a file of it."""
        self.folders_moved: set[bytes] = set()
        """The names that folders had or got by a move, as far as they are remembered."""
        self._remembered = 0
        self._covered: dict[bytes, list[dict[bytes, dict[bytes, Track]]]] = {}
        """What was known below each place when something was mounted there, the last one last."""
        self.count = 0
        self.beyond = 0
        """Calls on files beyond the limit."""

    def take(self, seen: Seen) -> bytes | None:
        """Add one call; the path of a file that was read for the first time, as it is known here."""
        handler = _HANDLERS.get(seen.op)
        return handler(self, seen) if handler is not None and seen.path else None

    # What the handlers need.

    def find(self, path: bytes, there: Identity | None = None, real: bytes = b"") -> Track | None:
        """The file's track, if there is one. What lies there tells whether it has been moved away."""
        folder, name = self._place(path, real)
        track = self._folders.get(folder, _NONE).get(name)
        if track is None:
            return self._find_back(folder, name) if there is not None and folder in self._moved_from else None
        if track.marks & MOVED and not self._is_back(folder, name, track, there):
            return None
        return track

    def track(self, seen: Seen) -> Track | None:
        """The track of the file that a call names, made if it is new; nothing beyond the limit."""
        path, before, real = seen.path, seen.identity, seen.real
        known = self.find(path, before, real)
        if known is not None:
            return known
        folder, name = self._place(path, real)
        tracks = self._folders.setdefault(folder, {})
        if name not in tracks:
            if self.count >= self._most:
                self.beyond += 1
                return None
            self.count += 1
        named = None if path == _joined(folder, name) else path
        tracks[name] = Track(before=before, named=named)
        return tracks[name]

    def put(self, path: bytes, track: Track, real: bytes = b"") -> None:
        """A track under a name that it did not have before."""
        folder, name = self._place(path, real)
        tracks = self._folders.setdefault(folder, {})
        self.count += name not in tracks
        track.named = None if path == _joined(folder, name) else path
        tracks[name] = track

    def forget_ways(self) -> None:
        """Links have changed: the ways to a folder are looked up anew."""
        self._aliases.clear()

    def cover(self, path: bytes) -> None:
        """Something is mounted there."""
        below = self._below(path)
        self._covered.setdefault(path, []).append(
            {folder: {name: replace(track) for name, track in tracks.items()} for folder, tracks in below.items()}
        )

    def uncover(self, path: bytes) -> None:
        """It is unmounted: what was done with it meanwhile was not done to what lies there now."""
        if not self._covered.get(path):
            return
        for folder, tracks in self._below(path).items():
            self.count -= len(tracks)
            for name in tracks:
                del self._folders[folder][name]
        for folder, tracks in self._covered[path].pop().items():
            self.count += len(tracks)
            self._folders.setdefault(folder, {}).update(tracks)

    def _below(self, path: bytes) -> dict[bytes, dict[bytes, Track]]:
        """The tracks of what lies at a place or below."""
        above, name = self._place(path, path)
        here = self._folders.get(above, _NONE)
        at = {above: {name: here[name]}} if name in here else {}
        folders = [one for one in self._folders if one == path or one.startswith(path + b"/")]
        return {**at, **{one: dict(self._folders[one]) for one in folders}}

    # Moves, that may turn out not to have been done.

    def leave(self, seen: Seen, track: Track) -> None:
        """A file that the run made has another name now."""
        place, there = self._place(seen.path, seen.real), seen.identity
        track.marks |= MOVED
        self._left[place] = there.key if there is not None else None
        if len(self._left) > MOST_MOVED:
            self._drop(*next(iter(self._left)))

    def _drop(self, folder: bytes, name: bytes) -> None:
        """It was moved away, and that was done."""
        del self._left[folder, name]
        track = self._folders.get(folder, _NONE).get(name)
        if track is not None and track.marks & MOVED:
            del self._folders[folder][name]
            self.count -= 1

    def _is_back(self, folder: bytes, name: bytes, track: Track, there: Identity | None) -> bool:
        """Whether it is still there, so that it was never moved."""
        if there is None or self._left.get((folder, name)) != there.key:
            return False
        del self._left[folder, name]
        track.marks &= ~MOVED
        return True

    def move_folder(self, seen: Seen, there: Identity) -> None:
        """Everything below a renamed folder has a new name, and was made by the run under it."""
        above = _joined(*self._place(seen.path, seen.real))
        below = _joined(*self._place(seen.other, seen.real_other))
        if len(self.folders_moved) < MOST_MOVED:
            self.folders_moved.update((above, below))
        before = self._moves.pop(above, None)
        if before is not None:
            self._confirm(before, still=there)
        self._move(_Move(above, below, there.key, {}))

    def _move(self, move: _Move) -> None:
        above = move.above
        for folder in [one for one in self._folders if one == above or one.startswith(above + b"/")]:
            tracks = self._folders.pop(folder)
            new = self._folders.setdefault(move.below + folder[len(above) :], {})
            for name, track in tracks.items():
                track.named = None
                move.tracks[folder, name] = track, new.get(name)
                self.count -= name in new
            new.update(tracks)
            self._moved_from[folder] = move
        self._moves[above] = move
        self._remembered += len(move.tracks)
        while self._remembered > MOST_MOVED and len(self._moves) > 1:
            self._confirm(self._moves.pop(next(iter(self._moves))))
        self._aliases.clear()

    def _confirm(self, move: _Move, still: Identity | None = None) -> None:
        """A move is not looked at again. One whose folder `still` lies under its first name was not done."""
        if move.done and still is not None and still.key == move.key:
            self._undo(move)
        self._remembered -= len(move.tracks)
        for folder in {folder for folder, _ in move.tracks}:
            if self._moved_from.get(folder) is move:
                del self._moved_from[folder]

    def _undo(self, move: _Move) -> None:
        """It was not done: what has not been moved on since has its first name."""
        move.done = False
        for (folder, name), (track, displaced) in move.tracks.items():
            new = self._folders.get(move.below + folder[len(move.above) :], {})
            if new.get(name) is not track:
                continue
            del new[name]
            if displaced is not None:
                new[name] = displaced
                self.count += 1
            self._folders.setdefault(folder, {}).setdefault(name, track)
        self._aliases.clear()

    def _find_back(self, folder: bytes, name: bytes) -> Track | None:
        """A file that is met where it was before its folder was moved."""
        move = self._moved_from[folder]
        if move.done and (folder, name) in move.tracks:
            self._undo(move)
        return self._folders.get(folder, _NONE).get(name)

    def _settle(self, now: Callable[[bytes], Identity | None]) -> None:
        """Which moves were done, by what lies there at the end."""
        for move in reversed([*self._moves.values()]):
            here, there = now(move.above), now(move.below)
            if move.done and here is not None and here.key == move.key:
                self._undo(move)
            elif not move.done and there is not None and there.key == move.key:
                self._move(_Move(move.above, move.below, move.key, {}))
        for folder, name in [*self._left]:
            track = self._folders.get(folder, _NONE).get(name)
            if track is None or not self._is_back(folder, name, track, now(_joined(folder, name))):
                self._drop(folder, name)

    def _place(self, path: bytes, real: bytes = b"") -> tuple[bytes, bytes]:
        folder, _, name = (real or path).rpartition(b"/")
        if real:
            return folder, name
        found = self._aliases.get(folder)
        if found is None:
            found = self._resolve(folder or b"/").rstrip(b"/")
            if len(self._aliases) > 100_000:
                self._aliases.clear()
            self._aliases[folder] = found
        return found, name

    # The end.

    def uses(self, now: Callable[[bytes], Identity | None]) -> Iterator[FileUse]:
        """Each file once, those that the run wrote last; `now` looks at a path, links followed, once for each file.
        Call it once, when the stream has ended: what was told of is forgotten."""
        self._settle(now)
        written = [(path, track) for path, track in self._all() if track.written or track.marks & OPENED_TO_WRITE]
        there = {path: _file(now(path)) for path, _ in written}
        for path, track in written:
            judge_arrival(track, there[path])
            judge_name(track, there[path], now)
        own = by_key(written, there)
        for folder in list(self._folders):
            for name, track in self._folders.pop(folder).items():
                path = _joined(folder, name)
                if path in there or not track.marks:
                    continue
                found = _file(now(path))
                judge_name(track, found, now)
                if found is not None and found.key in own:
                    join(own[found.key], track)  # Another name of a file that the run wrote: told under that one.
                else:
                    yield use_of(path, track, found)
        for path, track in written:
            yield use_of(path, track, there[path])

    def forget(self) -> None:
        """Give the memory back, once the uses were taken."""
        self._folders.clear()
        self._aliases.clear()
        self._left.clear()
        self._moves.clear()
        self._moved_from.clear()
        self._covered.clear()

    def _all(self) -> Iterator[tuple[bytes, Track]]:
        for folder, tracks in self._folders.items():
            for name, track in tracks.items():
                yield _joined(folder, name), track


_NONE: dict[bytes, Track] = {}


def _file(found: Identity | None) -> Identity | None:
    """Where a folder lies there is no file."""
    return None if found is not None and found.is_folder else found


def _joined(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name


# What each call adds.


def _insists_in_vain(seen: Seen) -> bool:
    """Whether an open fails that must create: something is there. So are lock files tried for."""
    anew = calls.CREATE | calls.EXCLUSIVE
    return seen.identity is not None and seen.flags & anew == anew


def _read(files: Files, seen: Seen) -> bytes | None:
    if seen.flags & calls.PATH_ONLY or _insists_in_vain(seen) or (seen.identity is None and not seen.because):
        return None
    if seen.identity is not None and not seen.identity.is_file:
        return None
    track = files.track(seen)
    return None if track is None else _was_read(track, seen)


def _was_read(track: Track, seen: Seen) -> bytes | None:
    """The path, when what it is was not known before."""
    marks = _marks_at(track, seen.identity)
    if marks & (CREATED | OVERWRITTEN) and not marks & CAME:
        track.marks |= READ_AGAIN
        return None
    new = not track.marks & READ
    if new:
        track.opened = seen.identity
    elif track.opened is not None and seen.identity is not None and not track.opened.same_content(seen.identity):
        # A file that the run itself may have written to in between is not one that others changed.
        track.marks |= READ_AGAIN if track.marks & (OPENED_TO_WRITE | CAME) == OPENED_TO_WRITE else DIFFERED
    track.marks |= READ | (LATE if seen.late else 0) | (UNKNOWN if seen.identity is None else 0)
    track.because = track.because or seen.because
    return seen.path if new else None


def _marks_at(track: Track, there: Identity | None) -> int:
    """The marks; those from before a rename to this name where what it was to replace is still there."""
    if track.arrived is None or there is None:
        return track.marks
    marks, replaced = track.arrived
    return marks if replaced is not None and replaced.key == there.key else track.marks


def _write(files: Files, seen: Seen) -> bytes | None:
    """An open for writing that neither creates nor empties: whether it wrote shows at the end."""
    if (seen.identity is None and not seen.because) or (seen.identity is not None and not seen.identity.is_file):
        return None
    if _insists_in_vain(seen):
        return None
    track = files.track(seen)
    if track is None:
        return None
    new = _was_read(track, seen) if seen.flags & calls.ACCESS == calls.READ_WRITE else None
    track.marks |= OPENED_TO_WRITE
    track.because = track.because or seen.because
    return new


def _create(files: Files, seen: Seen) -> bytes | None:
    there = seen.identity
    if there is not None:
        if not there.is_file or _insists_in_vain(seen):
            return None
        if not seen.flags & calls.TRUNCATE:
            return _write(files, seen) if seen.flags & calls.ACCESS else _read(files, seen)
    elif not seen.flags & calls.CREATE and not seen.because:
        return None
    track = files.track(seen)
    if track is not None:
        track.marks = (track.marks & ~(GONE | CAME | ARRIVED)) | (CREATED if _is_new(track, seen) else OVERWRITTEN)
        track.arrived = None
        track.because = track.because or seen.because
    return None


def _is_new(track: Track, seen: Seen) -> bool:
    return seen.identity is None and not seen.because and track.before is None


def _truncate(files: Files, seen: Seen) -> bytes | None:
    if seen.identity is not None and seen.identity.is_file:
        track = files.track(seen)
        if track is not None:
            track.marks |= OPENED_TO_WRITE
    return None


def _unlink(files: Files, seen: Seen) -> bytes | None:
    if seen.identity is None and not seen.because:
        return None
    if seen.identity is not None and not seen.identity.is_file:
        files.forget_ways()  # It may be a link.
        return None
    track = files.track(seen)
    if track is not None:
        track.marks |= GONE
    return None


def _rename(files: Files, seen: Seen) -> bytes | None:
    if (seen.identity is None and not seen.because) or seen.path == seen.other or _is_refused(seen):
        return None
    if seen.identity is not None and seen.identity.is_folder:
        files.move_folder(seen, seen.identity)
        return None
    if seen.identity is not None and not seen.identity.is_file:
        files.forget_ways()  # A link, a pipe, a socket.
        return None
    if seen.flags & calls.EXCHANGE:
        return _exchange(files, seen)
    source = files.find(seen.path, seen.identity, seen.real)
    _arrive(files, seen, source)
    if source is None or source.before is not None:
        left = source or files.track(seen)
        if left is not None:
            left.marks |= GONE
    else:
        files.leave(seen, source)
    return None


def _is_refused(seen: Seen) -> bool:
    """Whether the kernel does not do it: the other name is taken by what it does not replace, or by the same file."""
    there, target = seen.identity, seen.replaced
    if target is None or seen.flags & calls.EXCHANGE:
        return False
    if seen.op == "link" or seen.flags & calls.NO_REPLACE:
        return True
    return there is not None and (there.is_folder != target.is_folder or there.key == target.key)


def _arrive(files: Files, seen: Seen, source: Track | None) -> None:
    """A file has a second name now, and what was there under it is replaced."""
    target = files.find(seen.other, seen.replaced, seen.real_other)
    if target is None:
        target = Track(before=seen.replaced)
        files.put(seen.other, target, seen.real_other)
    if target.arrived is None or target.marks & GONE or seen.replaced is not None or target.arrived[1] is not None:
        target.arrived = _marks_at(target, seen.replaced), seen.replaced  # Else the last one has not come either.
    marks = 0 if source is None else _marks_at(source, seen.identity)  # What came to it by a move may not have come.
    inherited = marks & (READ_AGAIN | CAME)
    if (seen.identity is not None or seen.because) and not marks & (CREATED | OVERWRITTEN):
        inherited |= CAME
    if source is not None and source.before is None and marks & READ:
        inherited |= READ | (DIFFERED if target.marks & READ else 0)
        target.opened = target.opened or source.opened
    made = CREATED if target.before is None else OVERWRITTEN
    target.marks = (target.marks & ~(GONE | CAME)) | inherited | made | ARRIVED


def _exchange(files: Files, seen: Seen) -> bytes | None:
    other = replace(seen, path=seen.other, real=seen.real_other, identity=seen.replaced)
    for one in (seen, other):
        track = files.track(one)
        if track is not None:
            track.marks |= OVERWRITTEN
    return None


def _link(files: Files, seen: Seen) -> bytes | None:
    if _is_refused(seen):
        return None
    unnamed = seen.path.startswith(b"/proc/")  # An unnamed file (O_TMPFILE) that is given a name.
    if unnamed or (seen.identity is None and seen.because) or (seen.identity is not None and seen.identity.is_file):
        source = files.find(seen.path, seen.identity, seen.real)
        _arrive(files, replace(seen, identity=None) if unnamed else seen, source)
    return None


def _mount(files: Files, seen: Seen) -> bytes | None:
    files.cover(seen.real or seen.path)
    return None


def _unmount(files: Files, seen: Seen) -> bytes | None:
    files.uncover(seen.real or seen.path)
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
    "mount": _mount,
    "unmount": _unmount,
}
"""What each call says about files; the others say something about programs, hosts or gaps."""
