"""The system-call filter of every sandbox: one list, given to bubblewrap and to Docker alike.

A call that is denied fails with EPERM; the program goes on. A call of another architecture than
the machine's (32-bit code on a 64-bit kernel) kills the process, because its numbers would mean
other calls.
"""

import errno
import socket
from dataclasses import dataclass
from typing import Any

from aem.isolation import syscalls
from aem.isolation.bpf import (
    ARCHITECTURE_OFFSET_BYTES,
    NUMBER_OFFSET_BYTES,
    Instruction,
    assemble,
    give,
    high_word_offset,
    if_below,
    if_equal,
    load_word,
    low_word_offset,
    unless_any_bit,
    unless_equal,
)
from aem.isolation.errors import NotAvailableError

ALLOW = 0x7FFF0000  # SECCOMP_RET_ALLOW
KILL_PROCESS = 0x80000000  # SECCOMP_RET_KILL_PROCESS
_FAIL = 0x00050000  # SECCOMP_RET_ERRNO; the errno is in the low 16 bits

DENY = _FAIL | errno.EPERM
NOT_IMPLEMENTED = _FAIL | errno.ENOSYS

NEW_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""

X32_BIT = 0x40000000
"""Numbers with this bit are the x32 ABI's on x86_64: a second door to every call."""


class UnknownArchitectureError(NotAvailableError):
    """There is no table of system-call numbers for this machine."""

    reason = "architecture_unknown"


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What a filter needs to know of a machine.

    Attributes:
        name: as ``uname -m`` prints it.
        audit: the kernel's constant (linux/audit.h) that ``seccomp_data`` carries.
        docker: libseccomp's name.
    """

    name: str
    audit: int
    docker: str

    def number(self, numbers: syscalls.Numbers) -> int | None:
        """Return a call's number here; none where the call does not exist."""
        return numbers.x86_64 if self.name == "x86_64" else numbers.aarch64


X86_64 = Architecture(name="x86_64", audit=0xC000003E, docker="SCMP_ARCH_X86_64")
AARCH64 = Architecture(name="aarch64", audit=0xC00000B7, docker="SCMP_ARCH_AARCH64")


def architecture(machine: str) -> Architecture:
    """Find an architecture by the name that ``platform.machine()`` gives.

    Raises:
        UnknownArchitectureError: it is neither x86_64 nor aarch64.
    """
    names = {"x86_64": X86_64, "amd64": X86_64, "aarch64": AARCH64, "arm64": AARCH64}
    try:
        return names[machine.lower()]
    except KeyError:
        raise UnknownArchitectureError(
            f"no system-call filter is known for {machine}: use x86_64 or aarch64"
        ) from None


def bpf_program(target: Architecture) -> bytes:
    """Assemble the filter that ``bwrap --seccomp`` and ``prctl(PR_SET_SECCOMP)`` take."""
    program = [
        load_word(ARCHITECTURE_OFFSET_BYTES),
        if_equal(target.audit, skip=1),
        give(KILL_PROCESS),
        load_word(NUMBER_OFFSET_BYTES),
    ]
    if target is X86_64:
        program += [if_below(X32_BIT, skip=1), give(KILL_PROCESS)]
    program += [if_below(syscalls.FIRST_UNKNOWN, skip=1), give(NOT_IMPLEMENTED)]
    for numbers in syscalls.DENIED.values():
        program += _deny(target.number(numbers), DENY)
    program += _deny(target.number(syscalls.CLONE3), NOT_IMPLEMENTED)
    program += _argument_rules(target)
    program.append(give(ALLOW))
    return assemble(program)


def _deny(number: int | None, action: int) -> list[Instruction]:
    return [] if number is None else [unless_equal(number, skip=1), give(action)]


def _argument_rules(target: Architecture) -> list[Instruction]:
    """Deny calls by what they ask for; each rule ends the program, so no word is loaded twice."""
    rules = []
    for numbers in (syscalls.SOCKET, syscalls.SOCKETPAIR):
        verdict = [if_equal(socket.AF_UNIX, skip=1), give(DENY), give(ALLOW)]
        rules += _when(target.number(numbers), [load_word(low_word_offset(0)), *verdict])
    verdict = [unless_any_bit(NEW_NAMESPACES, skip=1), give(DENY), give(ALLOW)]
    rules += _when(target.number(syscalls.CLONE), [load_word(low_word_offset(0)), *verdict])
    verdict = [if_equal(0, skip=1), give(DENY)]
    own_limits_only = [
        load_word(low_word_offset(0)),
        *verdict,
        load_word(high_word_offset(0)),
        *verdict,
        give(ALLOW),
    ]
    return rules + _when(target.number(syscalls.PRLIMIT64), own_limits_only)


def _when(number: int | None, body: list[Instruction]) -> list[Instruction]:
    return [] if number is None else [unless_equal(number, skip=len(body)), *body]


def docker_profile(target: Architecture) -> dict[str, Any]:
    """Write the same filter as an engine's seccomp JSON.

    libseccomp kills calls of other architectures (x32 included) by itself, and has no words for
    "every number from here on": new calls are closed in bubblewrap's filter only.
    """
    denied = [
        name for name, numbers in syscalls.DENIED.items() if target.number(numbers) is not None
    ]
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": [target.docker],
        "syscalls": [
            _docker_rule(denied, errno.EPERM),
            _docker_rule(["clone3"], errno.ENOSYS),
            _docker_rule(
                ["socket", "socketpair"], errno.EPERM, value=socket.AF_UNIX, op="SCMP_CMP_NE"
            ),
            *(
                _docker_rule(
                    ["clone"], errno.EPERM, value=bit, value_two=bit, op="SCMP_CMP_MASKED_EQ"
                )
                for bit in _bits(NEW_NAMESPACES)
            ),
            _docker_rule(["prlimit64"], errno.EPERM, value=0, op="SCMP_CMP_NE"),
        ],
    }


def _docker_rule(
    names: list[str], number: int, *, value: int = 0, value_two: int = 0, op: str | None = None
) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": number}
    if op is not None:
        rule["args"] = [{"index": 0, "value": value, "valueTwo": value_two, "op": op}]
    return rule


def _bits(mask: int) -> list[int]:
    return [1 << place for place in range(mask.bit_length()) if mask >> place & 1]
