"""The history of a variant: edits one after another, any of which may be taken back."""

from collections.abc import Sequence
from dataclasses import replace

from devops_agent.synthesis.source import Edit


def sequenced(edits: Sequence[Edit]) -> Sequence[Edit]:
    """Order edits of one source, which do not overlap, so that each can be applied in turn.

    Each edit's offsets then hold in the text that the edits before it have made.
    """
    return sorted(edits, key=lambda edit: (edit.path, edit.start, edit.end), reverse=True)


def without(history: Sequence[Edit], index: int) -> Sequence[Edit] | None:
    """Return the history as it would be without one edit; None when a later edit touches it."""
    dropped = history[index]
    later: list[Edit] = []
    for edit in history[index + 1 :]:
        if edit.path != dropped.path:
            later.append(edit)
            continue
        stop = dropped.start + len(dropped.text.encode())
        if edit.start >= stop and edit.start > dropped.start:
            shift = -dropped.growth_bytes
            later.append(replace(edit, start=edit.start + shift, end=edit.end + shift))
        elif edit.end <= dropped.start:
            later.append(edit)
            shift = edit.growth_bytes
            dropped = replace(dropped, start=dropped.start + shift, end=dropped.end + shift)
        else:
            return None
    return [*history[:index], *later]


def replay(source: bytes, history: Sequence[Edit]) -> bytes:
    """Apply edits of one file one after another."""
    for edit in history:
        source = source[: edit.start] + edit.text.encode() + source[edit.end :]
    return source
