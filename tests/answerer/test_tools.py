"""Tools that look into a program, and programs that set filters of their own, do under us what they do without us."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

READS = """
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **words) {
  char line[20];
  FILE *file = fopen("data.csv", "r");
  if (!file || !fgets(line, sizeof line, file)) return 9;
  char *small = malloc(8);
  if (count > 1) small[atoi(words[1])] = 1;
  printf("%s", line);
  free(small);
  return 3;
}
"""

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


def compiled(observed: Any, source: str, *flags: str) -> str:
    (observed.work / "data.csv").write_text("data\n")
    program = observed.work / "program"
    subprocess.run(["gcc", "-g", *flags, "-x", "c", "-", "-o", program], input=source.encode(), check=True)
    return str(program)


def without_us(observed: Any, *command: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, cwd=observed.work, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def plain(output: bytes) -> str:
    """Without numbers of processes, and addresses, which differ each time."""
    return re.sub(r"0x[0-9a-f]+|==\d+==|pid \d+", "", output.decode())


def seen(observed: Any) -> bool:
    assert (observed.observation["mechanism"], observed.observation["gaps"]) == ("seccomp", [])
    return "read" in observed.ops(observed.work / "data.csv")


@pytest.mark.parametrize("words", [[], ["8"]], ids=["well", "beyond its memory"])
def test_the_address_sanitizer_finds_what_it_finds_without_us(observed: Any, words: list[str]) -> None:
    program = compiled(observed, READS, "-fsanitize=address")
    alone = without_us(observed, program, *words)
    assert (b"heap-buffer-overflow" in alone.stderr) == bool(words)
    done = observed.run(program, *words)
    assert (done.returncode, done.stdout) == (alone.returncode, alone.stdout)
    assert plain(done.stderr) == plain(alone.stderr)
    assert seen(observed)


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
