"""in-toto attestations: a statement about the bytes with one digest (in-toto Statement v1)."""

from dataclasses import dataclass
from typing import Any

from aem.proof.canonical import require_digest
from aem.proof.errors import MalformedError
from aem.proof.payload import parse_json, require_object, require_text

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"

GOLD_REPORT_PREDICATE_TYPE = "urn:aem:gold-report:v1"
"""The predicate is a gold report; its ``accepted`` tells the verdict."""

_ALGORITHM = "sha256"


def statement(
    *, subject_name: str, subject_digest: str, predicate_type: str, predicate: dict[str, Any]
) -> dict[str, Any]:
    """Build an in-toto v1 statement about one subject; its canonical JSON is what is signed.

    Args:
        subject_name: for people: the artifact's name.
        subject_digest: ``sha256:`` and 64 hex digits.
        predicate_type: URI that says how to read the predicate.
        predicate: what is stated.

    Raises:
        MalformedError: the digest is none.
    """
    digest_hex = require_digest(subject_digest).removeprefix(f"{_ALGORITHM}:")
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": subject_name, "digest": {_ALGORITHM: digest_hex}}],
        "predicateType": predicate_type,
        "predicate": predicate,
    }


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A statement about one subject, read back."""

    subject_name: str
    subject_digest: str
    predicate_type: str
    predicate: dict[str, Any]

    @classmethod
    def from_payload(cls, payload: bytes) -> "Statement":
        """Read the payload of a verified envelope.

        Raises:
            MalformedError: it is no in-toto v1 statement about exactly one SHA-256 subject.
        """
        keys = ("_type", "subject", "predicateType", "predicate")
        fields = require_object(parse_json(payload), keys, "a statement")
        if fields["_type"] != STATEMENT_TYPE:
            raise MalformedError(f"{fields['_type']!r} is no {STATEMENT_TYPE}")
        subjects = fields["subject"]
        if not isinstance(subjects, list) or len(subjects) != 1:
            raise MalformedError("a statement names exactly one subject")
        subject = require_object(subjects[0], ("name", "digest"), "a subject")
        digests = require_object(subject["digest"], (_ALGORITHM,), "a subject's digest")
        if not isinstance(fields["predicate"], dict):
            raise MalformedError("a predicate must be a JSON object")
        return cls(
            subject_name=require_text(subject["name"], "a subject's name"),
            subject_digest=require_digest(f"{_ALGORITHM}:{digests[_ALGORITHM]}"),
            predicate_type=require_text(fields["predicateType"], "predicateType"),
            predicate=fields["predicate"],
        )
