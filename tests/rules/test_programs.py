"""Programs and hosts in the stream, and what could not be followed."""

from __future__ import annotations

from stat import S_IFDIR, S_IFREG

import pytest
from msgspec.structs import replace

from whence.rules.programs import MOST_HIDDEN, Programs, host_and_port, is_notable, is_shared_library, version_of
from whence.rules.seen import Identity, Op, Seen

PROGRAM = Identity(1, 1, S_IFREG | 0o755, 9, 1, 1)


def told(*calls: tuple[Op, str, Identity | None]) -> Programs:
    programs = Programs()
    for number, (op, path, identity) in enumerate(calls):
        programs.take(Seen(number, 0.0, 1, op, path.encode(), identity=identity))
    return programs


def test_a_program_counts_where_it_is_and_can_be_executed() -> None:
    programs = told(
        ("execute", "/usr/local/bin/make", None),
        ("execute", "/usr/bin", replace(PROGRAM, mode=S_IFDIR | 0o755)),
        ("execute", "/notes.txt", replace(PROGRAM, mode=S_IFREG | 0o644)),
        ("execute", "/usr/bin/make", PROGRAM),
        ("execute", "/usr/bin/make", PROGRAM),
    )
    assert {path: one.times for path, one in programs.executed.items()} == {b"/usr/bin/make": 2}
    assert not programs.gaps


LEAVING = (
    "ssh", "docker", "podman", "srun", "sbatch", "qsub", "bsub", "mpirun", "mpiexec", "systemd-run", "kubectl",
    "apptainer", "condor_submit", "crontab",
)  # fmt: skip


@pytest.mark.parametrize("name", LEAVING)
def test_work_that_leaves_the_tree_is_a_gap(name: str) -> None:
    assert [gap.split(" ran:")[0] for gap in told(("execute", f"/usr/bin/{name}", PROGRAM)).gaps] == [name]


def test_a_program_that_lost_its_privileges_to_the_watching_is_a_gap_with_a_way_out() -> None:
    setuid = replace(PROGRAM, mode=S_IFREG | 0o4755)
    assert not told(("execute", "/usr/bin/mount", setuid)).gaps
    programs = Programs(held_down=True)
    programs.take(Seen(0, 0.0, 1, "execute", b"/usr/bin/mount", identity=setuid))
    programs.take(Seen(1, 0.0, 1, "execute", b"/usr/bin/make", identity=PROGRAM))
    assert [gap.split(",")[0] for gap in programs.gaps] == [
        "mount (setuid) ran without the privileges that its file gives"
    ]
    assert all("--observe off" in gap for gap in programs.gaps)


def test_hosts_are_counted_and_local_sockets_are_not_hosts() -> None:
    programs = told(
        ("connect", "inet:192.0.2.1:443", None),
        ("connect", "inet:192.0.2.1:443", None),
        ("connect", "unix:/run/nscd/socket", None),
    )
    assert {host_and_port(address): one.times for address, one in programs.connected.items()} == {("192.0.2.1", 443): 2}
    assert not programs.gaps


def test_work_that_is_handed_to_a_server_is_a_gap() -> None:
    assert list(told(("connect", "unix:/run/docker.sock", None)).gaps) == [
        "work was handed to docker: what it read was not seen"
    ]


def test_other_ways_to_the_kernel_are_gaps() -> None:
    assert list(
        told(("io_uring", "", None), ("io_uring", "", None), ("foreign", "", None), ("handle", "", None)).gaps
    ) == [
        "a program used io_uring: what it opened through it was not seen",
        "a 32-bit program ran: what it opened was not seen",
        "a program opened files by their handles: which they are was not seen",
    ]


def test_who_was_the_first_to_leave_is_named() -> None:
    programs = Programs()
    for name in ("xfsdump", "criu"):
        programs.take(Seen(0, 0.0, 1, "handle", b"", because=name))
    assert programs.all_gaps() == ["xfsdump opened files by their handles: which they are was not seen"]


def test_calls_of_who_may_not_be_looked_at_are_counted_by_program() -> None:
    programs = Programs()
    calls: list[tuple[Op, str]] = [("read", "gpg"), ("execute", "gpg"), ("connect", "agent"), ("rename", "gpg")]
    for op, name in calls:
        programs.take(Seen(0, 0.0, 1, op, b"", because=f"{name}: Permission denied"))
    assert programs.all_gaps() == [
        "calls of a process that could not be looked at (gpg: Permission denied): 3",
        "calls of a process that could not be looked at (agent: Permission denied): 1",
    ]


def test_the_gaps_of_hidden_programs_are_no_more_than_a_person_reads() -> None:
    programs = Programs()
    for number in range(1000):
        programs.take(Seen(number, 0.0, 1, "read", b"", because=f"{number}: Permission denied"))
    assert len(programs.all_gaps()) == MOST_HIDDEN + 1


def test_an_address_is_read() -> None:
    assert host_and_port(b"inet6:[2001:db8::1]:8080") == ("2001:db8::1", 8080)


def test_libraries_are_known_by_their_names() -> None:
    assert [is_shared_library(name) for name in ("libc.so.6", "_x.cpython-312.so", "a.sofa", "b.dylib")] == [
        True, True, False, True
    ]  # fmt: skip
    assert is_notable("libcudart.so.12") and not is_notable("libz.so.1")
    assert [version_of(n) for n in ("libcudart.so.12.4.127", "libopenblas-0.3.so", "libz.so")] == [
        "12.4.127",
        "0.3",
        None,
    ]
