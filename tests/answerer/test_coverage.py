"""Programs and paths out of the ordinary, each against what it truly did."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from compiling import compiled, needs_compiler

PYTHON = [sys.executable, "-I", "-c"]

needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="only root may do that")


@pytest.fixture
def file(observed: Any) -> Path:
    place = observed.work / "file"
    place.write_text("content")
    return place


def identity(path: Path | str, *, follow: bool = True) -> list[int]:
    found = os.stat(path, follow_symlinks=follow)
    return [found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


# Programs.


@needs_compiler
def test_a_static_program_is_seen(observed: Any, file: Path) -> None:
    source = '#include <fcntl.h>\nint main(void) { return open("file", O_RDONLY) < 0; }\n'
    observed.run(compiled(observed.work, source, "-static"))
    assert observed.ops(file) == ["read"]


BARE = """
static char stacks[8][4096] __attribute__((aligned(16)));
static int done;

static long call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

__attribute__((used)) void work(void) {
    long file = call(257, -100, (long)"file", 0);
    if (file < 0 || call(3, file, 0, 0)) call(231, 1, 0, 0);
    __atomic_add_fetch(&done, 1, __ATOMIC_SEQ_CST);
}

__attribute__((force_align_arg_pointer)) void _start(void) {
    for (int at = 0; at < 8; at++) {
        long number = 56, flags = 0x50f00;  /* clone: VM, FS, FILES, SIGHAND, THREAD, SYSVSEM */
        __asm__ volatile(
            "syscall; test %%rax, %%rax; jnz 1f; call work; mov $60, %%eax; xor %%edi, %%edi; syscall; 1:"
            : "+a"(number) : "D"(flags), "S"(stacks[at] + 4096), "d"(0) : "rcx", "r11", "memory");
    }
    while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < 8) call(24, 0, 0, 0);
    call(231, 3, 0, 0);
}
"""
"""As a program in Go is made: static, without the C library, with threads on stacks of its own and calls of its own."""


@needs_compiler
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="those numbers and registers")
def test_a_program_without_a_c_library_is_seen_in_all_its_threads(observed: Any, file: Path) -> None:
    program = compiled(observed.work, BARE, "-static", "-nostdlib", "-no-pie", "-fno-stack-protector")
    assert observed.run(program).returncode == 3
    assert (observed.ops(file), len({one.pid for one in observed.of(file)})) == (["read"] * 8, 1)
    assert observed.observation["gaps"] == []


@needs_compiler
def test_a_32_bit_call_is_named_foreign(observed: Any, file: Path) -> None:
    source = """
    static char path[] = "file";
    int main(void) {
        int result;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(5), "b"(path), "c"(0), "d"(0) : "memory");
        return result < 0;
    }
    """
    program = compiled(observed.work, source, "-static", "-no-pie")
    done = observed.run(program)
    foreign = [one for one in observed.seen if one.op == "foreign"]
    assert (done.returncode, [(one.flags, one.because) for one in foreign]) == (0, [(5, "a 32-bit program")])


THOUSAND = {
    "in turn": ["sh", "-c", "i=0; while [ $i -lt 1000 ]; do (read x < file); i=$((i+1)); done"],
    "by make, eight at once": ["make", "-s", "-j8"],
}


@pytest.mark.parametrize("command", THOUSAND.values(), ids=THOUSAND.keys())
def test_a_thousand_short_processes_are_seen_each(observed: Any, file: Path, command: list[str]) -> None:
    (observed.work / "Makefile").write_text("all: $(addprefix t,$(shell seq 1000))\nt%:\n\tread x < file || true\n")
    assert observed.run(*command).returncode == 0
    reads = observed.of(file)
    assert (len(reads), len({one.pid for one in reads})) == (1000, 1000)
    assert [one.seq for one in observed.seen] == list(range(len(observed.seen)))


def test_a_process_killed_right_after_reading_is_seen(observed: Any, file: Path) -> None:
    script = "import os, signal; os.open('file', os.O_RDONLY); os.kill(os.getpid(), signal.SIGKILL)"
    assert observed.run(*PYTHON, script).returncode == 137
    assert observed.ops(file) == ["read"]


def test_threads_are_told_as_their_process(observed: Any, file: Path) -> None:
    script = (
        "import os, threading; t = threading.Thread(target=open, args=('file',)); t.start(); t.join(); open('file')"
    )
    observed.run(*PYTHON, script)
    assert len({one.pid for one in observed.of(file)}) == 1


EXECUTED_BESIDE = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char name[20], first[1 << 16], second[1 << 16];

static int execute(void *nothing) {
    usleep(2000);
    execl("/bin/cat", "cat", name, (char *)0);
    _exit(1);
}

static int call(void *nothing) {
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    if (clone(execute, second + sizeof second, flags, 0) < 0) _exit(2);
    for (;;) close(syscall(SYS_openat, AT_FDCWD, "file", O_RDONLY));
}

int main(void) {
    for (int round = 0; round < 25; round++) {
        int status = 0;
        sprintf(name, "data.%d", round);
        int child = clone(call, first + sizeof first, SIGCHLD, 0);
        if (child < 0 || waitpid(child, &status, 0) < 0 || status) return 1;
    }
    return 0;
}
"""
"""The first thread of a process calls without pause, and another one executes a program."""


@needs_compiler
def test_what_a_program_opens_that_another_thread_executed_is_seen(observed: Any, file: Path) -> None:
    places = [observed.work / f"data.{number}" for number in range(25)]
    for place in places:
        place.write_text("x")
    done = observed.run(compiled(observed.work, EXECUTED_BESIDE))
    assert (done.returncode, done.stdout) == (0, b"x" * len(places))
    assert [observed.ops(place) for place in places] == [["read"]] * len(places)
    assert [one for one in observed.seen if not one.path] == []


def test_a_ring_of_the_kernel_is_told(observed: Any) -> None:
    observed.run(*PYTHON, "import ctypes; ctypes.CDLL(None).syscall(425, 8, bytes(120))")
    assert [one.op for one in observed.seen if one.op == "io_uring"] == ["io_uring"]


BY_HANDLE = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(void) {
    struct file_handle *handle = malloc(sizeof *handle + MAX_HANDLE_SZ);
    int mount, here = open(".", O_RDONLY | O_DIRECTORY);
    handle->handle_bytes = MAX_HANDLE_SZ;
    int given = !name_to_handle_at(AT_FDCWD, "file", handle, &mount, 0);
    int place = open_by_handle_at(here, handle, O_PATH), file = open_by_handle_at(here, handle, O_RDONLY);
    char letter;
    return given && (place < 0 || file < 0 || read(file, &letter, 1) != 1);
}
"""


@needs_compiler
@needs_root
def test_a_file_that_is_opened_by_its_handle_is_told_to_be_unknown(observed: Any, file: Path) -> None:
    done = observed.run(compiled(observed.work, BY_HANDLE))
    assert (done.returncode, done.stderr) == (0, b"")
    told = [(one.path, one.because) for one in observed.seen if one.op == "handle"]
    assert told == [(b"", "program")]


def test_connections_are_told_with_their_address(observed: Any) -> None:
    server, other = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
    other.bind(str(observed.work / "socket"))
    other.listen()
    script = """
import socket, sys
socket.create_connection(('127.0.0.1', int(sys.argv[1])))
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[2])
try: socket.socket(socket.AF_INET6).connect(('::1', 9))
except OSError: pass
"""
    with server, other:
        port = server.getsockname()[1]
        observed.run(*PYTHON, script, str(port), str(observed.work / "socket"))
    told = [one.path for one in observed.seen if one.op == "connect"]
    assert told == [b"inet:127.0.0.1:%d" % port, b"unix:%s/socket" % os.fsencode(observed.work), b"inet6:[::1]:9"]


# Paths.


def test_paths_of_any_bytes_and_of_full_length_are_told_whole(observed: Any) -> None:
    odd = os.fsencode(observed.work) + b"/new\nline \xff\xfe\x80"
    start = os.fsencode(observed.work)
    long = start + b"/." * ((4095 - len(start)) // 2 - 8)
    long += b"/" + b"x" * (4095 - len(long) - 1)
    assert len(long) == 4095
    script = "import os, sys\nfor p in sys.argv[1:]: open(os.fsencode(p), 'w').close()"
    done = observed.run(*PYTHON, script, os.fsdecode(odd), os.fsdecode(long))
    assert (done.returncode, done.stderr) == (0, b"")
    assert observed.ops(odd) == ["create"]
    assert observed.ops(start + b"/" + long.rpartition(b"/")[2]) == ["create"]


def test_a_path_that_is_too_long_is_nobodys_file(observed: Any) -> None:
    observed.run(*PYTHON, "try: open('x' * 4096)\nexcept OSError as e: print(e.errno)")
    assert not [one for one in observed.seen if b"xxx" in one.path]


def test_a_path_that_ends_at_the_end_of_memory_is_told(observed: Any, file: Path) -> None:
    script = """
import ctypes, mmap
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
place = libc.mmap(None, ctypes.c_size_t(8192), 3, 34, -1, ctypes.c_size_t(0))
libc.munmap(ctypes.c_void_p(place + 4096), 4096)
ctypes.memmove(place + 4096 - 5, b'file', 5)
assert libc.open(ctypes.c_void_p(place + 4096 - 5), 0) >= 0
ctypes.memmove(place + 4096 - 4, b'file', 4)
assert libc.open(ctypes.c_void_p(place + 4096 - 4), 0) < 0
"""
    done = observed.run(*PYTHON, script)
    assert (done.stderr, observed.ops(file)) == (b"", ["read"])


def test_a_path_across_two_pages_is_told(observed: Any, file: Path) -> None:
    script = """
import ctypes
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
place = libc.mmap(None, ctypes.c_size_t(8192), 3, 34, -1, ctypes.c_size_t(0))
ctypes.memmove(place + 4096 - 2, b'file', 5)
assert libc.open(ctypes.c_void_p(place + 4096 - 2), 0) >= 0
"""
    done = observed.run(*PYTHON, script)
    assert (done.stderr, observed.ops(file)) == (b"", ["read"])


@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", "/proc/thread-self/fd/0"])
def test_a_descriptor_by_its_name_is_told_as_its_file(observed: Any, file: Path, name: str) -> None:
    observed.run("sh", "-c", f"cat {name} < file")
    assert observed.ops(file) == ["read", "read"]


def test_dots_after_a_link_lead_where_the_kernel_goes(observed: Any, file: Path) -> None:
    (observed.work / "a" / "b").mkdir(parents=True)
    (observed.work / "a" / "inner").write_text("x")
    (observed.work / "link").symlink_to("a/b")
    observed.run("cat", "link/../inner", "a/../file")
    assert observed.ops(observed.work / "a" / "inner") == ["read"]
    assert observed.ops(file) == ["read"]


def test_what_the_shell_opened_for_the_command_is_told(observed: Any, file: Path) -> None:
    with file.open() as given, (observed.work / "out").open("w") as taken:
        done = subprocess.run(observed.argv("cat"), stdin=given, stdout=taken, env=observed.environ, check=False)
    assert done.returncode == 0
    (read,), (written,) = observed.of(file), observed.of(observed.work / "out")
    assert (read.op, read.pid, read.identity) == ("read", 0, identity(file))
    assert (written.op, written.identity[3]) == ("write", 0)


# What lies there.


def test_the_identity_is_that_of_the_file_right_before_the_open(observed: Any, file: Path) -> None:
    (observed.work / "link").symlink_to("file")
    before = identity(file)
    observed.run("sh", "-c", "cat link; echo more >> file; cat file; mv file moved; cat moved")
    first, second, third, moved = [
        one.identity
        for one in observed.seen
        if one.kind in ("open", "rename") and one.path.startswith(bytes(file.parent))
    ][:4]
    assert (first, second) == (before, before)
    assert third[:2] == before[:2] and third[3] == before[3] + 5
    assert moved[:4] == third[:4]


def test_removing_and_renaming_look_at_the_link_itself(observed: Any, file: Path) -> None:
    (observed.work / "link").symlink_to("file")
    expected = identity(observed.work / "link", follow=False)
    observed.run("sh", "-c", "mv link other; rm other")
    assert [one.identity[:4] for one in observed.of(observed.work / "other")] == [expected[:4]] * 2


DEEP = """
import os
for _ in range(50):
    os.mkdir('n' * 100); os.chdir('n' * 100)
open('deep.csv', 'w').write('x'); open('deep.csv').read()
os.remove('deep.csv')
for _ in range(50):
    os.chdir('..'); os.rmdir('n' * 100)
open('file').read()
"""
"""Works in a folder whose path is longer than any that the kernel takes, or tells."""


def test_a_call_whose_path_cannot_be_learned_is_told_as_such(observed: Any, file: Path) -> None:
    done = observed.run(*PYTHON, DEEP)
    assert (done.returncode, done.stderr) == (0, b"")
    hidden = [(one.op, one.identity, one.because) for one in observed.seen if not one.path]
    name = Path(sys.executable).name[:15]
    assert hidden == [(op, None, f"{name}: File name too long") for op in ("read", "read", "unlink")]
    assert observed.ops(file) == ["read"]


def test_a_caller_that_is_killed_in_its_call_tells_nothing(observed: Any, file: Path) -> None:
    script = """
import os, threading
def work():
    while True: os.close(os.open('file', os.O_RDONLY))
for _ in range(60):
    pid = os.fork()
    if pid == 0:
        for _ in range(3): threading.Thread(target=work).start()
        for _ in range(20): os.close(os.open('file', os.O_RDONLY))
        os._exit(0)
    os.waitpid(pid, 0)
"""
    assert observed.run(*PYTHON, script).returncode == 0
    assert [one for one in observed.seen if not one.path] == []


def test_a_rename_and_a_link_tell_what_lies_at_the_other_name(observed: Any, file: Path) -> None:
    (observed.work / "other").symlink_to(file)
    observed.run(*PYTHON, "import os\ntry: os.link('file', 'other')\nexcept FileExistsError: os.rename('file', 'new')")
    there = identity(observed.work / "other", follow=False)
    assert [(one.op, one.replaced) for one in observed.of(file)] == [("link", there), ("rename", None)]


def test_nothing_there_is_not_the_same_as_unknown(observed: Any) -> None:
    observed.run(*PYTHON, "try: open('absent')\nexcept OSError: open('absent', 'w')")
    told = [(one.op, one.identity, one.because) for one in observed.of(observed.work / "absent")]
    assert told == [("read", None, ""), ("create", None, "")]


def test_an_open_says_what_becomes_of_what_is_there(observed: Any, file: Path) -> None:
    script = """
import os
for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_CREAT | os.O_APPEND, os.O_RDWR | os.O_CREAT,
              os.O_WRONLY | os.O_TRUNC):
    os.close(os.open('file', flags))
"""
    observed.run(*PYTHON, script)
    assert observed.ops(file) == ["read", "write", "update", "write", "update", "create"]


def test_a_link_to_another_mount_is_followed(observed: Any) -> None:
    with Path("/dev/shm", f"whence-test-{os.getpid()}").open("w") as there:
        try:
            (observed.work / "link").symlink_to(there.name)
            observed.run("cat", "link")
            assert [one.identity for one in observed.of(observed.work / "link")] == [identity(there.name)]
        finally:
            os.unlink(there.name)


LINK_LOOPS = {
    "a link to a folder": "for i in 1 2 3 4; do ln -sfn d$i cur; cat cur/a; echo $i > cur/new; done",
    "a link that is removed": "for i in 1 2 3 4; do ln -s d$i cur; cat cur/a; echo $i > cur/new; rm cur; done",
    "a folder that becomes a link": "for i in 1 2 3 4; do mkdir cur; cat cur/a 2>/dev/null; rmdir cur; ln -s d$i cur;"
    " cat cur/a; echo $i > cur/new; rm cur; done",
    "a link to a link": "ln -s cur way; for i in 1 2 3 4; do ln -sfn d$i cur; cat way/a; echo $i > way/new; done",
    "a link to a file": "for i in 1 2 3 4; do ln -sf d$i/a in; cat in; ln -sf d$i/new out; echo $i > out; done",
    "links that are renamed": "for i in 1 2 3 4; do ln -s d$i tmp; mv -T tmp cur; cat cur/a; echo $i > cur/new; done",
}


@needs_strace
@pytest.mark.parametrize("what", LINK_LOOPS)
def test_a_file_is_told_where_the_links_led_at_that_moment(observed: Any, what: str) -> None:
    for number in range(1, 5):
        (observed.work / f"d{number}").mkdir()
        (observed.work / f"d{number}" / "a").write_text("x")
    calls = observed.against_strace("sh", "-c", LINK_LOOPS[what])
    start = bytes(observed.work)
    truth = [call.led for call in calls if call.kind == "open" and call.done and call.told and call.led]
    told = [one.real for one in observed.seen if one.kind == "open" and (one.identity or one.op == "create")]
    wanted = [os.fsencode(observed.work / f"d{number}" / name) for number in range(1, 5) for name in ("a", "new")]
    assert [path for path in truth if path.startswith(start)] == wanted
    assert [path for path in told if path.startswith(start)] == wanted


NAMELESS = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(void) {
    char name[64];
    int file = open(".", O_TMPFILE | O_WRONLY, 0644), other = open(".", O_TMPFILE | O_WRONLY, 0644);
    sprintf(name, "/proc/self/fd/%d", file);
    return write(file, "1", 1) != 1 || write(other, "2", 1) != 1
        || linkat(AT_FDCWD, name, AT_FDCWD, "first", AT_SYMLINK_FOLLOW)
        || linkat(other, "", AT_FDCWD, "second", AT_EMPTY_PATH);
}
"""


@needs_compiler
@needs_root
def test_a_file_without_a_name_that_is_given_one_is_told(observed: Any) -> None:
    assert observed.run(compiled(observed.work, NAMELESS)).returncode == 0
    links = [one for one in observed.seen if one.op == "link"]
    assert [one.other for one in links] == [os.fsencode(observed.work / name) for name in ("first", "second")]
    assert [one.path.startswith(b"/proc/") for one in links] == [True, True]


def test_what_the_kernel_tells_of_a_process_is_told_as_what_it_is(observed: Any, file: Path) -> None:
    (observed.work / "d").mkdir()
    (observed.work / "d" / "e").write_text("x")
    observed.run("sh", "-c", "cat /proc/self/cwd/file; exec 5<d; cat /proc/self/fd/5/e")
    assert observed.ops(file) == ["read"]
    assert observed.ops(observed.work / "d" / "e") == ["read"]


def test_an_open_that_must_not_follow_or_must_create_and_finds_something_says_nothing_of_it(
    observed: Any, file: Path
) -> None:
    (observed.work / "link").symlink_to("file")
    (observed.work / "dangling").symlink_to("nowhere")
    script = """
import os
for name, flags in (("link", os.O_NOFOLLOW), ("dangling", os.O_WRONLY | os.O_CREAT | os.O_EXCL)):
    try: os.open(name, flags)
    except OSError: pass
os.open("file", os.O_NOFOLLOW)
os.open("new", os.O_RDWR | os.O_CREAT | os.O_EXCL)
"""
    observed.run(*PYTHON, script)
    assert observed.of(observed.work / "link") == observed.of(observed.work / "dangling") == []
    assert (observed.ops(file), observed.ops(observed.work / "new")) == (["read"], ["create"])


IN_ROOT = """
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_in(int root, const char *name, int flags) {
    struct open_how how = {.flags = flags, .mode = flags & O_CREAT ? 0644 : 0, .resolve = RESOLVE_IN_ROOT};
    return syscall(SYS_openat2, root, name, &how, sizeof how);
}

int main(void) {
    int root = open("root", O_RDONLY | O_DIRECTORY);
    return open_in(root, "/file", O_RDONLY) < 0 || open_in(root, "/link/file", O_RDONLY) < 0
        || open_in(root, "../../link/new", O_WRONLY | O_CREAT) < 0;
}
"""


@needs_compiler
def test_a_path_below_a_folder_that_stands_for_the_root_is_told_as_it_is_found(observed: Any) -> None:
    (observed.work / "root" / "d").mkdir(parents=True)
    (observed.work / "root" / "file").write_text("x")
    (observed.work / "root" / "d" / "file").write_text("x")
    (observed.work / "root" / "link").symlink_to("/d")
    assert observed.run(compiled(observed.work, IN_ROOT)).returncode == 0
    for name, ops in (("file", ["read"]), ("d/file", ["read"]), ("d/new", ["create"])):
        assert observed.ops(observed.work / "root" / name) == ops, name


def test_a_program_that_lies_in_memory_is_told(observed: Any) -> None:
    script = """
import os
place = os.memfd_create('tool')
os.write(place, open('/bin/true', 'rb').read())
os.execve(place, ['t'], {})
"""
    assert observed.run(*PYTHON, script).returncode == 0
    (told,) = [one for one in observed.seen if one.op == "execute" and b"tool" in one.path]
    assert (told.path, told.identity[3]) == (b"/memfd:tool (deleted)", os.stat("/bin/true").st_size)


@needs_root
def test_who_mounts_where_we_are_is_told(observed: Any) -> None:
    (observed.work / "place").mkdir()
    place = os.fsencode(observed.work / "place")
    done = observed.run("sh", "-c", "mount -t tmpfs none place && echo x > place/file; umount place")
    assert (done.returncode, done.stderr) == (0, b"")
    told = [(one.op, one.because) for one in observed.seen if one.path == place]
    assert told == [("mount", "mount"), ("unmount", "umount")]


# Other roots.


@needs_root
@pytest.mark.parametrize("way", [[], ["unshare", "--mount"]], ids=["here", "another namespace"])
def test_another_root_is_part_of_the_path(observed: Any, way: list[str]) -> None:
    root = observed.work / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "file").write_text("inside")
    (root / "link").symlink_to("/etc/file")
    script = f"import os; os.chroot({str(root)!r}); os.chdir('/etc'); open('/etc/file'); open('file'); open('/link')"
    done = observed.run(*way, *PYTHON, script)
    assert done.stderr == b""
    assert [one.identity for one in observed.of(root / "etc" / "file")] == [identity(root / "etc" / "file")] * 2
    assert [one.identity for one in observed.of(root / "link")] == [identity(root / "etc" / "file")]
    assert [one.real for one in observed.of(root / "link")] == [os.fsencode(root / "etc" / "file")]


@needs_root
def test_who_has_mounts_of_its_own_is_told_once(observed: Any, file: Path) -> None:
    script = "cat file; cat file; (cat file; cat file)"
    assert observed.run("sh", "-c", f"cat file; unshare --mount sh -c '{script}'; cat file").returncode == 0
    told = [one for one in observed.seen if one.op == "namespace"]
    inside = {one.pid for one in told}
    assert (len(told), told[0].because, told[0].path) == (len(inside), "unshare", b"")
    assert [one.pid in inside for one in observed.of(file)] == [False, True, True, True, True, False]


@needs_root
def test_a_mount_made_meanwhile_is_known_and_can_be_taken_away(observed: Any) -> None:
    (observed.work / "place").mkdir()
    script = """
set -e
mount -t tmpfs none place
echo x > place/file
cat place/file
stat -c '%d %i' place/file
umount place
test ! -e place/file
"""
    done = observed.run("unshare", "--mount", "sh", "-c", script)
    assert (done.returncode, done.stderr) == (0, b"")
    device, inode = done.stdout.split()[1:]
    read = observed.of(observed.work / "place" / "file")[-1]
    assert (read.op, read.identity[:2]) == ("read", [int(device), int(inode)])


@needs_root
@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no FUSE")
def test_a_file_system_that_does_not_answer_holds_up_nobody_else(observed: Any, file: Path) -> None:
    script = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
place = os.path.abspath('mounted'); os.mkdir(place)
fuse = os.open('/dev/fuse', os.O_RDWR)
options = b'fd=%d,rootmode=40000,user_id=0,group_id=0' % fuse
assert libc.mount(b'none', place.encode(), b'fuse.test', 0, options) == 0
asked = os.read(fuse, 1 << 20)
unique = struct.unpack_from('IIQ', asked)[2]
os.write(fuse, struct.pack('IiQ', 16 + 24, 0, unique) + struct.pack('IIIIHHI', 7, 12, 0, 0, 0, 0, 4096))
reader = os.fork()
if reader == 0:
    os.close(fuse)
    try: open(place + '/data')
    except OSError as error: os._exit(error.errno)
os.read(fuse, 1 << 20)                  # The reader waits for us now, and is never answered.
for _ in range(1000): open('file').close()
os.close(fuse)
print(os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1]))
"""
    done = observed.run("unshare", "--mount", *PYTHON, script)
    assert (done.stderr, done.stdout) == (b"", b"103\n")  # ECONNABORTED: what the kernel says of it without us.
    (held,) = observed.of(observed.work / "mounted" / "data")
    assert (held.identity, held.late, held.because) == (None, True, "on fuse.test")
    assert len(observed.of(file)) == 1000
