"""The filter is run on an interpreter of classic BPF, written here from its definition."""

import errno
import socket
import struct
from typing import Any

import pytest

from aem.isolation import seccomp, syscalls
from aem.isolation.bpf import (
    MAX_INSTRUCTIONS,
    assemble,
    give,
    if_equal,
    load_word,
    low_word_offset,
)
from aem.isolation.seccomp import AARCH64, ALLOW, KILL_PROCESS, X86_64, Architecture

DENIED = 0x00050000 | errno.EPERM
NOT_IMPLEMENTED = 0x00050000 | errno.ENOSYS

# Some calls that an interpreter cannot do without.
NEEDED = {
    X86_64: {"read": 0, "write": 1, "mmap": 9, "futex": 202, "execve": 59, "getrandom": 318},
    AARCH64: {"read": 63, "write": 64, "mmap": 222, "futex": 98, "execve": 221, "getrandom": 278},
}
ARCHITECTURES = [pytest.param(each, id=each.name) for each in (X86_64, AARCH64)]


def decide(program: bytes, *, audit: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """Run a filter over seccomp_data: number, architecture, instruction pointer, arguments."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number, audit, 0, *padded)
    accumulator, place = 0, 0
    while True:
        code, if_true, if_false, operand = struct.unpack_from("<HBBI", program, place * 8)
        place += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif code == 0x06:
            return operand
        else:
            holds = {
                0x15: accumulator == operand,
                0x35: accumulator >= operand,
                0x45: bool(accumulator & operand),
            }[code]
            place += if_true if holds else if_false


def verdict(target: Architecture, numbers: Any, *arguments: int) -> int:
    number = numbers if isinstance(numbers, int) else target.number(numbers)
    program = seccomp.bpf_program(target)
    return decide(program, audit=target.audit, number=number, arguments=arguments)


@pytest.mark.parametrize("target", ARCHITECTURES)
def test_calls_that_a_program_needs_are_allowed(target: Architecture) -> None:
    assert {name: verdict(target, number) for name, number in NEEDED[target].items()} == (
        dict.fromkeys(NEEDED[target], ALLOW)
    )


@pytest.mark.parametrize("target", ARCHITECTURES)
@pytest.mark.parametrize("name", sorted(syscalls.DENIED))
def test_every_listed_call_is_denied_where_it_exists(target: Architecture, name: str) -> None:
    if target.number(syscalls.DENIED[name]) is None:
        assert target is AARCH64  # it never had what x86_64 had outgrown
        return
    assert verdict(target, syscalls.DENIED[name]) == DENIED


@pytest.mark.parametrize("target", ARCHITECTURES)
def test_another_architectures_calls_kill(target: Architecture) -> None:
    program = seccomp.bpf_program(target)
    assert decide(program, audit=0x40000003, number=1) == KILL_PROCESS  # 32-bit x86


def test_the_x32_door_to_every_call_kills() -> None:
    assert verdict(X86_64, 0x40000000 | 101) == KILL_PROCESS
    assert verdict(X86_64, 0x40000000) == KILL_PROCESS


@pytest.mark.parametrize("target", ARCHITECTURES)
def test_calls_that_are_newer_than_the_list_do_not_exist(target: Architecture) -> None:
    assert verdict(target, syscalls.FIRST_UNKNOWN - 1) == ALLOW
    assert verdict(target, syscalls.FIRST_UNKNOWN) == NOT_IMPLEMENTED
    assert verdict(target, 0x3FFFFFFF) == NOT_IMPLEMENTED


@pytest.mark.parametrize("target", ARCHITECTURES)
@pytest.mark.parametrize("call", [syscalls.SOCKET, syscalls.SOCKETPAIR])
def test_sockets_are_local_ones_only(target: Architecture, call: Any) -> None:
    assert verdict(target, call, socket.AF_UNIX) == ALLOW
    for family in (0, socket.AF_INET, socket.AF_INET6, 16, 17, 40):
        assert verdict(target, call, family) == DENIED


@pytest.mark.parametrize("target", ARCHITECTURES)
def test_processes_and_threads_are_made_and_namespaces_are_not(target: Architecture) -> None:
    thread = 0x3D0F00  # what pthread_create asks for
    assert verdict(target, syscalls.CLONE, thread) == ALLOW
    assert verdict(target, syscalls.CLONE, 17) == ALLOW  # fork: SIGCHLD
    for bit in range(64):
        is_namespace = bool(seccomp.NEW_NAMESPACES >> bit & 1)
        expected = DENIED if is_namespace else ALLOW
        assert verdict(target, syscalls.CLONE, 1 << bit) == expected
    assert verdict(target, syscalls.CLONE3) == NOT_IMPLEMENTED  # glibc then uses clone


@pytest.mark.parametrize("target", ARCHITECTURES)
def test_a_process_sets_its_own_limits_only(target: Architecture) -> None:
    assert verdict(target, syscalls.PRLIMIT64, 0) == ALLOW
    assert verdict(target, syscalls.PRLIMIT64, 1) == DENIED
    assert verdict(target, syscalls.PRLIMIT64, 1 << 32) == DENIED


@pytest.mark.parametrize("target", ARCHITECTURES)
def test_docker_is_given_the_same_list(target: Architecture) -> None:
    profile = seccomp.docker_profile(target)
    named = {name for rule in profile["syscalls"] if "args" not in rule for name in rule["names"]}
    existing = {name for name, numbers in syscalls.DENIED.items() if target.number(numbers)}
    assert named == existing | {"clone3"}
    assert profile["architectures"] == [target.docker]
    bits = [rule["args"][0]["value"] for rule in profile["syscalls"] if rule["names"] == ["clone"]]
    assert sum(bits) == seccomp.NEW_NAMESPACES
    assert all(bit & (bit - 1) == 0 for bit in bits)


def test_only_known_machines_have_a_filter() -> None:
    assert seccomp.architecture("AMD64") is X86_64
    assert seccomp.architecture("arm64") is AARCH64
    with pytest.raises(seccomp.UnknownArchitectureError, match="riscv64"):
        seccomp.architecture("riscv64")


def test_the_assembler_encodes_as_the_kernel_reads() -> None:
    program = assemble([load_word(low_word_offset(1)), if_equal(0xDEADBEEF, skip=7), give(ALLOW)])
    assert program == bytes.fromhex("2000000018000000 15000700efbeadde 060000000000ff7f")


def test_the_assembler_refuses_what_the_kernel_would() -> None:
    with pytest.raises(ValueError, match="skips 0 to 255"):
        if_equal(1, skip=256)
    with pytest.raises(ValueError, match="instructions"):
        assemble([])
    with pytest.raises(ValueError, match="instructions"):
        assemble([give(ALLOW)] * (MAX_INSTRUCTIONS + 1))
