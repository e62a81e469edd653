"""Tools that look into a program, and programs that set filters of their own, do under us what they do without us."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest

READS = """
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int shared, written, over;
static void *other(void *nothing) {
  shared = 1;
  __atomic_store_n(&written, 1, __ATOMIC_RELAXED);
  while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) ;
  return nothing;
}
static char *first_line(const char *name) {
  static char line[20];
  FILE *file = fopen(name, "r");
  if (!file || !fgets(line, sizeof line, file)) exit(9);
  fclose(file);
  return line;
}
int main(int count, char **words) {
  const char *fault = count > 1 ? words[1] : "none", *line = first_line("data.csv");
  volatile char *small = malloc(8);
  if (!strcmp(fault, "beyond")) small[8] = 1;
  if (!strcmp(fault, "race")) {
    pthread_t thread;
    pthread_create(&thread, 0, other, 0);
    while (!__atomic_load_n(&written, __ATOMIC_RELAXED)) ;
    shared = 2;
    __atomic_store_n(&over, 1, __ATOMIC_RELAXED);
    pthread_join(thread, 0);
  }
  printf("%s", line);
  if (strcmp(fault, "leak")) free((void *)small);
  small = 0;
  return 3;
}
"""
"""Reads a file, ends with 3, and has the fault that its argument names."""

WAITS = """
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
volatile int go;
int main(void) {
  char line[20];
  prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
  puts("here");
  fflush(stdout);
  for (int turn = 0; !go && turn < 60000; turn++) usleep(1000);
  FILE *file = fopen("data.csv", "r");
  printf("%s", file && fgets(line, sizeof line, file) ? line : "nothing");
  return 3;
}
"""
"""Goes on when a debugger lets it, or after a minute."""

FILTERS = """
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
int main(int count, char **words) {
  char line[20];
  struct sock_filter code[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {4, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  long set = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, count > 1 ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0, &program);
  printf("%s, ", set < 0 ? strerror(errno) : "set");
  printf("%s, ", syscall(SYS_getppid) < 0 ? strerror(errno) : "there");
  FILE *file = fopen("data.csv", "r");
  printf("%s", file && fgets(line, sizeof line, file) ? line : "nothing");
  return 4;
}
"""


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"no {program}")


needs_perf = pytest.mark.skipif(
    not shutil.which("perf")
    or subprocess.run(["perf", "stat", "true"], capture_output=True, check=False).returncode != 0,
    reason="no perf, or a kernel that does not let it count",
)


def compiled(observed: Any, source: str, *flags: str) -> str:
    (observed.work / "data.csv").write_text("data\n")
    program = observed.work / "program"
    subprocess.run(["gcc", "-g", "-pthread", *flags, "-x", "c", "-", "-o", program], input=source.encode(), check=True)
    return str(program)


def without_us(observed: Any, *command: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, cwd=observed.work, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def plain(output: bytes) -> str:
    """Without numbers of processes, and addresses, which differ each time."""
    return re.sub(r"0x[0-9a-f]+|==\d+==|(?:[pt]id|process)[ =]\d+", "", output.decode())


def seen(observed: Any) -> bool:
    assert (observed.observation["mechanism"], observed.observation["gaps"]) == ("seccomp", [])
    return "read" in observed.ops(observed.work / "data.csv")


SANITIZERS: dict[str, tuple[str, str, int, bytes]] = {
    "address, and all is well": ("address", "none", 3, b""),
    "address": ("address", "beyond", 1, b"heap-buffer-overflow"),
    "leak, within address": ("address", "leak", 1, b"detected memory leaks"),
    "leak": ("leak", "leak", 23, b"detected memory leaks"),
    "thread, and all is well": ("thread", "none", 3, b""),
    "thread": ("thread", "race", 66, b"data race"),
}
"""What a program is built with, its fault, its code, and what is said of it. That of leaks traces the program."""


@pytest.mark.parametrize(("sanitizer", "fault", "code", "finding"), SANITIZERS.values(), ids=SANITIZERS.keys())
def test_a_sanitizer_finds_what_it_finds_without_us(
    observed: Any, sanitizer: str, fault: str, code: int, finding: bytes
) -> None:
    # Where addresses are drawn from more bits than it was made for, that of threads refuses to start.
    command = ["setarch", "--addr-no-randomize", compiled(observed, READS, f"-fsanitize={sanitizer}"), fault]
    alone = without_us(observed, *command)
    assert (alone.returncode, finding in alone.stderr) == (code, True)
    done = observed.run(*command)
    assert (done.returncode, done.stdout, plain(done.stderr)) == (code, alone.stdout, plain(alone.stderr))
    assert seen(observed)


STEPS = (
    "break first_line", "run", "print name", "finish", "catch syscall openat", "info breakpoints", "tbreak exit",
    "continue", "print shared = 7", "continue", "quit $_exitcode",
)  # fmt: skip


@needs("gdb")
def test_a_debugger_stops_where_it_is_told_and_the_code_is_the_programs(observed: Any) -> None:
    program = compiled(observed, READS)
    command = ["gdb", "-q", "-nx", "-batch", *(f"--eval-command={step}" for step in STEPS), "--args", program, "none"]
    alone = without_us(observed, *command)
    done = observed.run(*command)
    assert (done.returncode, plain(done.stdout)) == (3, plain(alone.stdout))
    assert plain(done.stderr) == plain(alone.stderr)
    assert b'"data.csv"' in done.stdout and b"$3 = 7" in done.stdout
    assert seen(observed)


@needs("gdb")
def test_a_debugger_stops_at_a_call_that_is_watched(observed: Any) -> None:
    program = compiled(observed, READS)
    steps = ("break main", "run", "catch syscall openat", "continue", "continue", "delete", "continue")
    command = ["gdb", "-q", "-nx", "-batch", *(f"--eval-command={step}" for step in steps), program]
    alone = without_us(observed, *command)
    done = observed.run(*command)
    assert (done.returncode, plain(done.stdout)) == (alone.returncode, plain(alone.stdout))
    assert b"(call to syscall openat)" in done.stdout and b"(returned from syscall openat)" in done.stdout
    assert seen(observed)


@needs("gdb")
def test_a_debugger_takes_hold_of_a_program_that_runs(observed: Any) -> None:
    program = compiled(observed, WAITS)
    steps = " ".join(f"--eval-command='{step}'" for step in ("print go", "set var go = 1", "detach"))
    ready = "until grep -q here out; do sleep 0.01; done"
    script = f"{program} > out & p=$!; {ready}; gdb -q -nx -batch -p $p {steps} >&2; wait $p"
    alone, told = without_us(observed, "sh", "-c", script), (observed.work / "out").read_bytes()
    done = observed.run("sh", "-c", script)
    assert (alone.returncode, told) == (3, b"here\ndata\n")
    assert (done.returncode, (observed.work / "out").read_bytes()) == (3, told)
    assert b"$1 = 0" in done.stderr
    assert seen(observed)


@needs("valgrind")
@pytest.mark.parametrize(("fault", "code"), [("none", 3), ("beyond", 9), ("leak", 9)])
def test_valgrind_finds_what_it_finds_without_us(observed: Any, fault: str, code: int) -> None:
    program = compiled(observed, READS)
    command = ["valgrind", "-q", "--leak-check=full", "--error-exitcode=9", program, fault]
    alone = without_us(observed, *command)
    done = observed.run(*command)
    assert (done.returncode, done.stdout, plain(done.stderr)) == (code, alone.stdout, plain(alone.stderr))
    assert bool(done.stderr) == (fault != "none")
    assert seen(observed)


@needs_perf
def test_perf_counts_and_samples_as_without_us(observed: Any) -> None:
    program = compiled(observed, READS)
    done = observed.run("perf", "stat", "-x,", "-e", "task-clock,page-faults", program)
    assert (done.returncode, done.stdout) == (3, b"data\n")
    rows = [line.split(",") for line in done.stderr.decode().splitlines()]
    assert [(float(row[0]) > 0, row[2].split(":")[0]) for row in rows] == [(True, "task-clock"), (True, "page-faults")]
    assert seen(observed)

    busy = f"i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; {program}"
    done = observed.run("perf", "record", "-q", "-o", "samples", "-e", "cpu-clock", "sh", "-c", busy)
    assert (done.returncode, done.stdout) == (3, b"data\n")
    assert seen(observed)
    assert "create" in observed.ops(observed.work / "samples")
    told = without_us(observed, "perf", "script", "-i", "samples", "-F", "comm")
    assert b"sh" in told.stdout.split()


@needs("strace")
def test_strace_tells_what_it_tells_without_us(observed: Any) -> None:
    program = compiled(observed, READS)
    command = ["strace", "-f", "-e", "trace=openat,write", "-o", str(observed.work / "log"), program]
    alone, told = without_us(observed, *command), plain((observed.work / "log").read_bytes())
    done = observed.run(*command)
    assert (done.returncode, done.stdout, done.stderr) == (alone.returncode, alone.stdout, alone.stderr)
    lines = plain((observed.work / "log").read_bytes()).splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines] == [line.split(maxsplit=1)[1] for line in told.splitlines()]
    assert seen(observed)


def test_a_filter_of_the_programs_own_holds_beside_ours(observed: Any) -> None:
    program = compiled(observed, FILTERS)
    done = observed.run(program)
    assert (done.returncode, done.stdout) == (4, b"set, Operation not permitted, data\n")
    assert seen(observed)


def test_a_program_that_wants_to_listen_itself_is_told_that_somebody_does(observed: Any) -> None:
    program = compiled(observed, FILTERS)
    assert without_us(observed, program, "listen").stdout == b"set, Operation not permitted, data\n"
    done = observed.run(program, "listen")
    assert (done.returncode, done.stdout) == (4, b"Device or resource busy, there, data\n")
    assert seen(observed)
