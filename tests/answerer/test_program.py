"""The filter's program, run as the kernel runs it: what waits for the answerer, and what does not."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import pytest

from whence.answerer.program import ALLOW, FOLDER, NOTIFY, program
from whence.answerer.syscalls import I386, MACHINES, MOVES, X32, X32_BIT

READ_ONLY, CREATE = 0, 0o100
PATH_ONLY = 0o10000000


def verdict(code: bytes, number: int, audit: int, arguments: tuple[int, ...] = ()) -> int:
    """Classic BPF, as far as it is used."""
    data = struct.pack("IIQ6Q", number, audit, 0, *arguments, *[0] * (6 - len(arguments)))
    steps, at, value = list(struct.iter_unpack("HBBI", code)), 0, 0
    while True:
        op, then, other, k = steps[at]
        at += 1
        match op:
            case 0x20:
                (value,) = struct.unpack_from("I", data, k)
            case 0x54:
                value &= k
            case 0x06:
                return k
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}[op]
                at += then if holds else other
            case _:
                raise AssertionError(f"{op:#x}")


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest) -> str:
    return request.param


def test_every_watched_call_notifies_and_no_other_does(machine: str) -> None:
    known = MACHINES[machine]
    code = program(known, FOLDER[machine])
    notified = {number for number in range(512) if verdict(code, number, known.audit) == NOTIFY}
    assert notified == set(known.calls.values())


def test_opens_of_folders_and_of_places_alone_pass(machine: str) -> None:
    known, folder = MACHINES[machine], FOLDER[machine]
    code = program(known, folder)
    nameless = 0o20000000 | folder
    cases = {READ_ONLY: NOTIFY, CREATE: NOTIFY, folder: ALLOW, PATH_ONLY: ALLOW, PATH_ONLY | folder: ALLOW,
             nameless: NOTIFY, nameless | 2: NOTIFY, folder | 0o2000000: ALLOW}  # fmt: skip
    for flags, expected in cases.items():
        assert verdict(code, known.calls["openat"], known.audit, (0, 0, flags)) == expected, oct(flags)
        if "open" in known.calls:
            assert verdict(code, known.calls["open"], known.audit, (0, flags)) == expected, oct(flags)


def test_only_a_filter_that_notifies_is_told(machine: str) -> None:
    known = MACHINES[machine]
    code = program(known, FOLDER[machine])
    cases = {(1, 8): NOTIFY, (1, 8 | 4): NOTIFY, (1, 0): ALLOW, (1, 4): ALLOW, (2, 8): ALLOW, (0, 0): ALLOW}
    for arguments, expected in cases.items():
        assert verdict(code, known.seccomp, known.audit, arguments) == expected, arguments


def test_32_bit_opens_and_programs_notify(machine: str) -> None:
    known = MACHINES[machine]
    code = program(known, FOLDER[machine])
    for audit, calls in known.foreign.items():
        assert {n for n in range(512) if verdict(code, n, audit) == NOTIFY} == set(calls.values())
    x32 = {n for n in range(600) if verdict(code, X32_BIT | n, known.audit) == NOTIFY}
    assert x32 == set(known.x32.values())


def test_an_unknown_interface_passes(machine: str) -> None:
    assert verdict(program(MACHINES[machine], FOLDER[machine]), 2, 0x12345678) == ALLOW


HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
    "i386": Path("/usr/include/x86_64-linux-gnu/asm/unistd_32.h"),
    "x32": Path("/usr/include/x86_64-linux-gnu/asm/unistd_x32.h"),
}

needs_headers = pytest.mark.skipif(not all(map(Path.exists, HEADERS.values())), reason="no headers of the kernel")


def numbers(interface: str) -> dict[str, int]:
    text = HEADERS[interface].read_text().replace("__NR3264_truncate", "45").replace("(__X32_SYSCALL_BIT + ", "")
    return {name: int(n) for name, n in re.findall(r"#define __NR_(\w+)\s+(\d+)", text)}


@needs_headers
def test_numbers_are_the_kernels(machine: str) -> None:
    known, kernels = MACHINES[machine], numbers(machine)
    ours = {**known.calls, **MOVES[machine], "seccomp": known.seccomp, "openat2": known.openat2}
    assert {name: kernels[name] for name in ours} == ours


@needs_headers
@pytest.mark.parametrize(("interface", "ours"), [("i386", I386), ("x32", X32)])
def test_numbers_of_32_bit_interfaces_are_the_kernels(interface: str, ours: dict[str, int]) -> None:
    kernels = numbers(interface)
    assert {name: kernels[name] for name in ours} == ours


@needs_headers
def test_every_machine_watches_all_of_the_same_calls_that_its_kernel_has() -> None:
    watched = set().union(*(machine.calls for machine in MACHINES.values()))
    assert {name: set(machine.calls) for name, machine in MACHINES.items()} == {
        name: watched & set(numbers(name)) for name in MACHINES
    }


def test_this_machines_flag_is_pythons() -> None:
    assert FOLDER[os.uname().machine] == os.O_DIRECTORY
