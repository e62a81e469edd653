"""The few calls that Python has no other way to make; `ctypes` costs milliseconds, so only who needs it loads it."""

from __future__ import annotations

import os
import struct
from typing import Any

from .syscalls import Machine

SET_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS
SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
SET_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
SET_SECCOMP = 22  # PR_SET_SECCOMP
SECCOMP_FILTER = 2  # SECCOMP_MODE_FILTER
SET_TRACER = 0x59616D61  # PR_SET_PTRACER

SET_FILTER = 1  # SECCOMP_SET_MODE_FILTER

NO_OTHER_MOUNT = 0x01  # RESOLVE_NO_XDEV
NO_LINKS = 0x04  # RESOLVE_NO_SYMLINKS
IN_ROOT = 0x10  # RESOLVE_IN_ROOT


class Native:
    """The C library's own words for seccomp, prctl and openat2. The lock of the interpreter is kept: use no threads."""

    def __init__(self, machine: Machine) -> None:
        import ctypes

        self._ctypes: Any = ctypes
        self._machine = machine
        self._errno: Any = ctypes.get_errno
        library: Any = ctypes.PyDLL(None, use_errno=True)
        self._prctl = library.prctl
        self._fstatfs = library.fstatfs
        syscall = library.syscall
        syscall.restype = ctypes.c_long
        syscall.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong)
        self._syscall: Any = syscall
        self._path: Any = ctypes.c_char_p
        self._kept: list[Any] = []
        self._how = {resolve: self._open_how(resolve) for resolve in (1, 1 | 4, 1 | 16, 1 | 4 | 16, 16)}

    def prctl(self, option: int, value: int, other: int = 0) -> None:
        """Raises OSError."""
        if self._prctl(option, self._ctypes.c_ulong(value), self._ctypes.c_ulong(other), 0, 0):
            raise self._error()

    def set_filter(self, program: bytes, flags: int) -> int:
        """Put this thread, and all that comes of it, under the filter; the listener. Raises OSError."""
        filter = self._filter(program)
        return self._checked(self._syscall(self._machine.seccomp, SET_FILTER, flags, self._ctypes.addressof(filter), 0))

    def set_plain_filter(self, program: bytes) -> None:
        """The same for a filter without a listener, by the call that is older and seldom forbidden. Raises OSError."""
        filter = self._filter(program)
        self.prctl(SET_SECCOMP, SECCOMP_FILTER, self._ctypes.addressof(filter))

    def _filter(self, program: bytes) -> Any:
        """A `struct sock_fprog`; its program stays in memory as long as we."""
        code = self._ctypes.create_string_buffer(program, len(program))
        self._kept.append(code)
        return self._ctypes.create_string_buffer(
            struct.pack("HxxxxxxQ", len(program) // 8, self._ctypes.addressof(code))
        )

    def open_place(self, folder: int, path: bytes, resolve: int, follow: bool) -> int:
        """A descriptor that only names the place (O_PATH), by openat2(2) and its RESOLVE flags. Raises OSError."""
        how = self._how[resolve][follow]
        fd = self._syscall(self._machine.openat2, folder, path, how, 24)
        if fd < 0:
            raise self._error()
        return fd

    def kind_of(self, fd: int) -> int:
        """The magic number of the file system that it lies on (fstatfs(2)). Raises OSError."""
        found = self._ctypes.create_string_buffer(256)
        if self._fstatfs(fd, found):
            raise self._error()
        return int.from_bytes(found.raw[:4], "little")

    def _open_how(self, resolve: int) -> tuple[int, int]:
        flags = os.O_PATH | os.O_CLOEXEC
        pair = [struct.pack("QQQ", flags | extra, 0, resolve) for extra in (os.O_NOFOLLOW, 0)]
        kept = [self._ctypes.create_string_buffer(how, 24) for how in pair]
        self._kept += kept
        return self._ctypes.addressof(kept[0]), self._ctypes.addressof(kept[1])

    def _checked(self, result: int) -> int:
        if result < 0:
            raise self._error()
        return result

    def _error(self) -> OSError:
        number = self._errno()
        return OSError(number, os.strerror(number))
