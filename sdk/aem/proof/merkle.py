"""Merkle trees over append-only logs (RFC 6962, section 2.1, with SHA-256).

Proof verification follows RFC 9162, sections 2.1.3.2 and 2.1.4.2, which state the same trees'
checks as algorithms.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aem.proof.errors import MalformedError, NotConsistentError, NotIncludedError
from aem.proof.payload import require_count, require_object, require_text

HASH_SIZE_BYTES = 32

_sha256 = hashlib.sha256

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""

# Different first bytes keep an inner node from being passed off as a leaf.
_LEAF_PREFIX = b"\x00"
_NODE_PREFIX = b"\x01"


def leaf_hash(data: bytes) -> bytes:
    """Hash a leaf's bytes."""
    return hashlib.sha256(_LEAF_PREFIX + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into their parent."""
    return hashlib.sha256(_NODE_PREFIX + left + right).digest()


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """The right edge of a tree: all that appending needs, at most 64 hashes.

    Attributes:
        size: number of leaves.
        peaks: roots of the perfect subtrees that `size`'s binary digits name, the largest first.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Refuse peaks that cannot belong to a tree of this size."""
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise MalformedError(
                f"a frontier of {self.size} leaves has {self.size.bit_count()} peaks,"
                f" not {len(self.peaks)}"
            )
        if any(len(peak) != HASH_SIZE_BYTES for peak in self.peaks):
            raise MalformedError("a frontier's peaks are hashes of 32 bytes")

    def append(self, leaf: bytes) -> "Frontier":
        """Return the frontier with one more leaf, given by its `leaf_hash`."""
        tree = GrowingTree(self)
        tree.append(leaf)
        return tree.frontier()

    def root(self) -> bytes:
        """Return the Merkle root of all leaves so far."""
        return _root_of_peaks(self.peaks)

    def to_json(self) -> dict[str, Any]:
        """Write the frontier as JSON, hashes in hex."""
        return {"size": self.size, "peaks": [peak.hex() for peak in self.peaks]}

    @classmethod
    def from_json(cls, value: Any) -> "Frontier":
        """Read what `to_json` wrote.

        Raises:
            MalformedError: it is anything else.
        """
        fields = require_object(value, ("size", "peaks"), "a frontier")
        if not isinstance(fields["peaks"], list):
            raise MalformedError("a frontier's peaks must be a list")
        try:
            peaks = tuple(bytes.fromhex(require_text(peak, "a peak")) for peak in fields["peaks"])
        except ValueError as error:
            raise MalformedError(f"a frontier's peak is no hex text: {error}") from error
        return cls(size=require_count(fields["size"], "size"), peaks=peaks)


class GrowingTree:
    """A tree of which only the right edge is kept, appended to in place.

    A leaf costs one more hash on average, so that long logs are hashed in one pass.
    """

    def __init__(self, frontier: Frontier | None = None) -> None:
        """Go on from a frontier; without one, from the empty tree."""
        self.size = frontier.size if frontier else 0
        self._peaks = list(frontier.peaks) if frontier else []

    def append(self, leaf: bytes) -> None:
        """Add a leaf, given by its `leaf_hash`."""
        peaks, rest = self._peaks, self.size
        while rest & 1:
            leaf = _sha256(_NODE_PREFIX + peaks.pop() + leaf).digest()
            rest >>= 1
        peaks.append(leaf)
        self.size += 1

    def frontier(self) -> Frontier:
        """Return the right edge as a value."""
        return Frontier(size=self.size, peaks=tuple(self._peaks))

    def root(self) -> bytes:
        """Return the Merkle root of all leaves so far."""
        return _root_of_peaks(self._peaks)


def _root_of_peaks(peaks: Sequence[bytes]) -> bytes:
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the Merkle root over these leaf hashes."""
    if not leaf_hashes:
        return EMPTY_ROOT
    level = list(leaf_hashes)
    while len(level) > 1:
        lone = level[-1:] if len(level) & 1 else []
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [node_hash(left, right) for left, right in pairs] + lone
    return level[0]


PerfectRoot = Callable[[int, int], bytes]
"""Returns the root of the 2^level leaves from `position` times 2^level on: `(level, position)`."""


def inclusion_proof(root_at: PerfectRoot, index: int, size: int) -> list[bytes]:
    """Return the audit path of leaf `index` in the tree of the first `size` leaves (2.1.1).

    Raises:
        NotIncludedError: there is no such leaf in a tree of that size.
    """
    if not 0 <= index < size:
        raise NotIncludedError(f"leaf {index} is not in a tree of {size} leaves")
    return _path(root_at, 0, size, index)


def consistency_proof(root_at: PerfectRoot, old_size: int, new_size: int) -> list[bytes]:
    """Return the proof that the first `new_size` leaves begin with the first `old_size` (2.1.2).

    Raises:
        NotConsistentError: the sizes are not in order.
    """
    if not 0 <= old_size <= new_size:
        raise NotConsistentError(f"no tree of {new_size} leaves grew out of one of {old_size}")
    if old_size in (0, new_size):
        return []
    return _subproof(root_at, 0, new_size, old_size, complete=True)


def frontier_at(root_at: PerfectRoot, size: int) -> Frontier:
    """Return the right edge of the tree of the first `size` leaves."""
    levels = [level for level in reversed(range(size.bit_length())) if size >> level & 1]
    peaks = tuple(root_at(level, (size >> level) - 1) for level in levels)
    return Frontier(size=size, peaks=peaks)


def verify_inclusion(
    *, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that the leaf with this `leaf_hash` is number `index` of `size` under `root`.

    Raises:
        NotIncludedError: the proof does not show it.
    """
    if not 0 <= index < size:
        raise NotIncludedError(f"leaf {index} is not in a tree of {size} leaves")
    position, last = index, size - 1
    computed = leaf
    for sibling in proof:
        if last == 0:
            raise NotIncludedError(f"the proof for leaf {index} is too long")
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            position, last = _skip_left_edge(position, last)
        else:
            computed = node_hash(computed, sibling)
        position, last = position >> 1, last >> 1
    if last != 0 or computed != root:
        raise NotIncludedError(f"leaf {index} does not lead to the root of {size} leaves")


def verify_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Check that the tree of `new_size` leaves only appended to the one of `old_size`.

    Raises:
        NotConsistentError: the proof does not show it.
    """
    if not 0 <= old_size <= new_size:
        raise NotConsistentError(f"no tree of {new_size} leaves grew out of one of {old_size}")
    if old_size in (0, new_size):
        expected = EMPTY_ROOT if old_size == 0 else new_root
        if proof or old_root != expected:
            raise NotConsistentError(f"the root of {old_size} leaves is another one")
        return
    _walk_consistency(
        old_size=old_size, old_root=old_root, new_size=new_size, new_root=new_root, proof=proof
    )


def _walk_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Rebuild both roots from one proof (RFC 9162, 2.1.4.2); 0 < old_size < new_size."""
    failure = f"the tree of {new_size} leaves did not grow out of the one of {old_size}"
    is_perfect = old_size & (old_size - 1) == 0
    path = [old_root, *proof] if is_perfect else list(proof)
    if not path:
        raise NotConsistentError(failure)
    position, last = old_size - 1, new_size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise NotConsistentError(failure)
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            position, last = _skip_left_edge(position, last)
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    if last != 0 or old != old_root or new != new_root:
        raise NotConsistentError(failure)


def _skip_left_edge(position: int, last: int) -> tuple[int, int]:
    """Climb the levels on which the node is a lone last one and so has no sibling."""
    while position and not position & 1:
        position, last = position >> 1, last >> 1
    return position, last


def _split(size: int) -> int:
    """Return the largest power of two below `size`: where RFC 6962 divides a tree."""
    return 1 << (size - 1).bit_length() - 1


def _root(root_at: PerfectRoot, start: int, end: int) -> bytes:
    """Return the root of leaves `start` up to `end`, a subtree of RFC 6962's division."""
    size = end - start
    if size & (size - 1) == 0:
        return root_at(size.bit_length() - 1, start // size)
    middle = start + _split(size)
    return node_hash(_root(root_at, start, middle), _root(root_at, middle, end))


def _path(root_at: PerfectRoot, start: int, end: int, index: int) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_path(root_at, start, middle, index), _root(root_at, middle, end)]
    return [*_path(root_at, middle, end, index), _root(root_at, start, middle)]


def _subproof(
    root_at: PerfectRoot, start: int, end: int, old_end: int, *, complete: bool
) -> list[bytes]:
    """SUBPROOF of RFC 6962, 2.1.2; `complete` while the verifier knows the old subtree's root."""
    if old_end == end:
        return [] if complete else [_root(root_at, start, end)]
    middle = start + _split(end - start)
    if old_end <= middle:
        below = _subproof(root_at, start, middle, old_end, complete=complete)
        return [*below, _root(root_at, middle, end)]
    below = _subproof(root_at, middle, end, old_end, complete=False)
    return [*below, _root(root_at, start, middle)]
