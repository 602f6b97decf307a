"""Extracts entities from customer-support chats, and refuses chats that try to steer it."""

from typing import Any

from detectors import DETECTORS, Found
from guard import refusal_for

WINDOW_TURNS = 30


def run(chat: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the entities of a chat in order of appearance, or a refusal and no entities."""
    conversation = chat["conversation"]
    refusal = refusal_for([turn["text"] for turn in conversation])
    if refusal is not None:
        return {"entities": [], "refusal": refusal}
    found = []
    # What matters is said towards the end of a chat.
    for turn in conversation[-WINDOW_TURNS:]:
        found.extend(detect(turn["text"]))
    return {
        "entities": [{"type": each.type, "value": each.value} for each in unique(found)],
        "refusal": None,
    }


def detect(text: str) -> list[Found]:
    """Return what the detectors find in one turn; an earlier detector keeps its characters."""
    kept: list[Found] = []
    for detector in DETECTORS:
        for each in detector(text):
            if not any(overlaps(each, other) for other in kept):
                kept.append(each)
    return sorted(kept, key=lambda each: each.start)


def overlaps(one: Found, other: Found) -> bool:
    """Tell whether two finds share a character."""
    return one.start < other.end and other.start < one.end


def unique(found: list[Found]) -> list[Found]:
    """Drop what has been found before."""
    seen = set()
    kept = []
    for each in found:
        key = (each.type, each.value)
        if key not in seen:
            seen.add(key)
            kept.append(each)
    return kept
