"""A parsed dataset, compiled once and judged many times."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aem.proof import canonical_json, digest_of
from core.text import nfkc
from gold.domain import CaseType, GoldCase, Part, PartCounts
from gold.entities import EntityBag, JsonPointer
from gold.errors import HoldoutWithheldError
from gold.falsehoods import Falsehood
from gold.json_schema import OutputSchema
from gold.rules import Expression, Rule
from gold.settings import GoldSettings

_DIGEST_KIND = "aem-gold-dataset/v1"


@dataclass(frozen=True, kw_only=True)
class CaseKey:
    """A case's expectations, prepared for comparing.

    Attributes:
        entities: expected ones, normalized.
        falsehoods: injected facts with their forms.
        rules: those that must hold.
    """

    entities: EntityBag
    falsehoods: tuple[Falsehood, ...]
    rules: tuple[Rule, ...]


@dataclass(frozen=True, kw_only=True)
class GoldDataset:
    """An immutable dataset, split and compiled; `digest` is its identity.

    Attributes:
        digest: over the paths and bytes of its files.
        dev: cases that the synthesizer may see.
        holdout: cases that it may not; None in what `dev_only` returned.
        keys: by case identifier.
    """

    digest: str
    settings: GoldSettings
    schema: OutputSchema
    rules: Mapping[str, Rule]
    pointer: JsonPointer | None
    refused: Expression | None
    answered: Expression | None
    # Left out of the repr, which ends up in logs and tracebacks.
    dev: tuple[GoldCase, ...] = field(repr=False)
    holdout: tuple[GoldCase, ...] | None = field(repr=False)
    keys: Mapping[str, CaseKey] = field(repr=False)

    @property
    def name(self) -> str:
        """``namespace/name``."""
        return self.settings.name

    def cases(self, part: Part | str) -> Sequence[GoldCase]:
        """Return the cases of one part.

        Raises:
            HoldoutWithheldError: this is the view of the dev part.
        """
        if Part(part) is Part.DEV:
            return self.dev
        if self.holdout is None:
            raise HoldoutWithheldError(
                f"holdout cases of {self.name} stay with the judge; use the part 'dev'"
            )
        return self.holdout

    def counts(self) -> PartCounts:
        """Count cases by part and type."""
        return PartCounts(dev=_count(self.dev), holdout=_count(self.holdout or ()))

    def dev_only(self) -> "GoldDataset":
        """Return the same dataset without its holdout: what synthesizers get."""
        kept = {case.id: self.keys[case.id] for case in self.dev}
        return replace(self, holdout=None, keys=kept)

    def dev_view(self) -> dict[str, Any]:
        """Return the dev part with schema and rules as a JSON object, for synthesizers."""
        return {
            "digest": self.digest,
            "settings": self.settings.to_json(),
            "output_schema": self.schema.schema,
            "rules": [rule.to_json() for rule in self.rules.values()],
            "cases": [case.to_json() for case in self.dev],
        }


def dataset_digest(files: Mapping[str, bytes]) -> str:
    """Return the identity of a dataset's files: equal bytes under equal paths, equal digest."""
    manifest = {
        "kind": _DIGEST_KIND,
        "files": [{"path": path, "digest": digest_of(files[path])} for path in sorted(files)],
    }
    return digest_of(canonical_json(manifest))


def input_fingerprint(case: GoldCase) -> str:
    """Return the digest of a case's input without case, spacing and Unicode variants.

    Two cases with one fingerprint ask the same, whatever they are called.
    """
    text = nfkc(canonical_json(case.input).decode()).casefold()
    return digest_of("".join(text.split()).encode())


def _count(cases: Sequence[GoldCase]) -> dict[CaseType, int]:
    found = Counter(case.type for case in cases)
    return {kind: found[kind] for kind in CaseType}
