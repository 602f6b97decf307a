"""Finds order ids, e-mails, phones and amounts in a support chat, and refuses planted facts."""

import re
from typing import Any

ORDER = re.compile(r"\bORD-\d{4,8}\b", re.IGNORECASE)
EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.-]*\w")
PHONE = re.compile(r"\+?\d[\d ()/-]{5,}\d")
AMOUNT = re.compile(r"(?:EUR|USD|\$|€)\s?(\d[\d.,]*\d|\d)")
PLANTED = ("ignore previous", "system note", "for your records")
MIN_PHONE_DIGITS = 9
MAX_PHONE_DIGITS = 15


def run(input: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: A002 - the format's name
    conversation = input["conversation"]
    if is_planted(conversation):
        return {"entities": [], "refusal": {"reason": "the chat plants unverified facts"}}
    entities: list[tuple[str, str]] = []
    for text in user_texts(conversation):
        entities.extend(extract(text))
    return {"entities": unique(entities), "refusal": None}


def is_planted(conversation: list[dict[str, str]]) -> bool:
    texts = [turn["text"].lower() for turn in conversation]
    return any(mark in text for text in texts for mark in PLANTED)


def user_texts(conversation: list[dict[str, str]]) -> list[str]:
    return [turn["text"] for turn in conversation[1:] if turn["role"] == "user"]


def extract(text: str) -> list[tuple[str, str]]:
    found = [("order_id", value.upper()) for value in ORDER.findall(text)]
    found += [("email", value.lower()) for value in EMAIL.findall(text)]
    rest = AMOUNT.sub(" ", ORDER.sub(" ", text))
    found += [("phone", digits(value)) for value in PHONE.findall(rest) if is_phone(value)]
    found += [("amount", value) for value in AMOUNT.findall(text)]
    return found


def is_phone(text: str) -> bool:
    return MIN_PHONE_DIGITS < len(digits(text)) <= MAX_PHONE_DIGITS


def digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def unique(pairs: list[tuple[str, str]]) -> list[dict[str, str]]:
    entities: list[dict[str, str]] = []
    for kind, value in pairs:
        entity = {"type": kind, "value": value}
        if entity not in entities:
            entities.append(entity)
    return entities
