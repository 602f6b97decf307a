"""A small assembler for classic BPF, as far as seccomp filters need it (linux/filter.h).

A program is read from top to bottom for every system call, over the kernel's ``seccomp_data``:
the call's number, the architecture and six 64-bit arguments. It ends at the first ``ret``.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

_LOAD_WORD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_JUMP_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_IF_NOT_BELOW = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_JUMP_IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

NUMBER_OFFSET_BYTES = 0
ARCHITECTURE_OFFSET_BYTES = 4
_ARGUMENTS_OFFSET_BYTES = 16
_ARGUMENT_BYTES = 8
_WORD_BYTES = 4

MAX_INSTRUCTIONS = 4096
"""The kernel's own limit (BPF_MAXINSNS)."""

_MAX_SKIP = 255  # a conditional jump has one byte for its distance


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One ``sock_filter``: where to go on, relative to the next instruction, if true or false."""

    code: int
    operand: int
    skip_if_true: int = 0
    skip_if_false: int = 0

    def to_bytes(self) -> bytes:
        """Encode as the kernel reads it on a little-endian machine."""
        return struct.pack("<HBBI", self.code, self.skip_if_true, self.skip_if_false, self.operand)


def load_word(offset_bytes: int) -> Instruction:
    """Load 32 bits of ``seccomp_data``."""
    return Instruction(code=_LOAD_WORD, operand=offset_bytes)


def low_word_offset(argument: int) -> int:
    """Return where the low 32 bits of a call's argument stand (the first is 0), in bytes."""
    return _ARGUMENTS_OFFSET_BYTES + argument * _ARGUMENT_BYTES


def high_word_offset(argument: int) -> int:
    """Return where the high 32 bits of a call's argument stand, in bytes."""
    return low_word_offset(argument) + _WORD_BYTES


def unless_equal(value: int, *, skip: int) -> Instruction:
    """Skip instructions unless the loaded word equals the value."""
    return Instruction(code=_JUMP_IF_EQUAL, operand=value, skip_if_false=_distance(skip))


def if_equal(value: int, *, skip: int) -> Instruction:
    """Skip instructions if the loaded word equals the value."""
    return Instruction(code=_JUMP_IF_EQUAL, operand=value, skip_if_true=_distance(skip))


def if_below(value: int, *, skip: int) -> Instruction:
    """Skip instructions if the loaded word is below the value (unsigned)."""
    return Instruction(code=_JUMP_IF_NOT_BELOW, operand=value, skip_if_false=_distance(skip))


def unless_any_bit(mask: int, *, skip: int) -> Instruction:
    """Skip instructions unless the loaded word has a bit of the mask."""
    return Instruction(code=_JUMP_IF_ANY_BIT, operand=mask, skip_if_false=_distance(skip))


def give(action: int) -> Instruction:
    """End the program with an action."""
    return Instruction(code=_RETURN, operand=action)


def assemble(instructions: Iterable[Instruction]) -> bytes:
    """Encode a program.

    Raises:
        ValueError: the program is empty, or longer than the kernel takes.
    """
    program = b"".join(instruction.to_bytes() for instruction in instructions)
    if not 0 < len(program) <= MAX_INSTRUCTIONS * 8:
        raise ValueError(f"a filter has 1 to {MAX_INSTRUCTIONS} instructions of 8 bytes")
    return program


def _distance(skip: int) -> int:
    if not 0 <= skip <= _MAX_SKIP:
        raise ValueError(f"a conditional jump skips 0 to {_MAX_SKIP} instructions, not {skip}")
    return skip
