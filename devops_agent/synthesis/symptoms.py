"""What is wrong with the outputs of failing cases, as far as expectations can be read generically.

Expectations and outputs are taken apart into facts: flat records (``{"type": .., "value": ..}``)
and single values. A fact's label says what sort of fact it is; the labels of facts that are
missing or superfluous are the case's symptoms, by which cases are chosen for an edit.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from devops_agent.synthesis.edits.site import Vocabulary
from devops_agent.synthesis.port import CaseScore, DevCase, Json

MAX_WORD_CHARACTERS = 24
"""A longer string of an expectation is never used as a literal: it could be the answer itself."""

MIN_WORD_GROUPS = 3
"""A word recurs in at least so many groups of cases; rarer strings are answers, not labels."""

MAX_DISTINCT_SHARE = 0.2
"""A field has labels when it has at most so many distinct strings for all its strings."""

MAX_WORDS = 24
MAX_RESULTS = 6
MAX_SAMPLES = 60
"""Missed values kept per label, for generalization."""

MAX_TEXT_CHARACTERS = 20_000
"""Of a text of an input, so much is searched for missed values."""

_MAX_SAMPLE_CHARACTERS = 60
_PLAIN_RESULTS = ("None", "True", "False", "0", "1", "-1", "[]", "{}", "''")
_MAX_DEPTH = 12


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A record or a single value.

    Attributes:
        label: what sort of fact it is, such as ``phone`` for a record with that type.
        value: the rest of it, as text.
    """

    label: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Dictionary:
    """What the expectations of all cases have in common.

    Attributes:
        words: short strings and keys that recur across groups, the most frequent first.
    """

    words: Sequence[str]

    def facts(self, value: Json) -> Counter[Fact]:
        """Take a JSON value apart."""
        return Counter(self._facts(value, "", 0))

    def _facts(self, value: Json, key: str, depth: int) -> Iterator[Fact]:
        if depth > _MAX_DEPTH:
            return
        if isinstance(value, dict):
            if len(value) > 1 and not any(
                isinstance(part, dict | list) for part in value.values()
            ):
                yield self._record(value)
            else:
                for name in sorted(value):
                    yield from self._facts(value[name], name, depth + 1)
        elif isinstance(value, list):
            for element in value:
                yield from self._facts(element, key, depth + 1)
        else:
            yield Fact(label=key, value=json.dumps(value))

    def _record(self, record: Mapping[str, Json]) -> Fact:
        known = [
            str(record[name])
            for name in sorted(record)
            if isinstance(record[name], str) and record[name] in self.words
        ]
        rest = {name: part for name, part in record.items() if part not in self.words}
        value = next(iter(rest.values())) if len(rest) == 1 else rest
        return Fact(label="/".join(known), value=json.dumps(value, sort_keys=True))


def read_dictionary(cases: Sequence[DevCase]) -> Dictionary:
    """Collect the words of the expectations."""
    return Dictionary(words=_recurring((case.group, case.expectation) for case in cases))


def _recurring(values: Iterable[tuple[str, Json]]) -> Sequence[str]:
    """Return keys, and short strings of fields with few values, that several groups contain.

    A field whose strings hardly repeat holds answers; one whose strings repeat holds labels.
    """
    groups: dict[tuple[str, str], set[str]] = {}
    occurrences: Counter[str] = Counter()
    for group, value in values:
        for field, text in _strings(value, "", 0):
            occurrences[field] += 1
            groups.setdefault((field, text), set()).add(group)
    distinct = Counter(field for field, _ in groups)
    words: dict[str, int] = {}
    for (field, text), found in groups.items():
        is_label = distinct[field] <= MAX_DISTINCT_SHARE * occurrences[field] or not field
        if is_label and len(found) >= MIN_WORD_GROUPS and 0 < len(text) <= MAX_WORD_CHARACTERS:
            words[text] = max(words.get(text, 0), len(found))
    return sorted(words, key=lambda text: (-words[text], text))[:MAX_WORDS]


def _strings(value: Json, field: str, depth: int) -> Iterator[tuple[str, str]]:
    """Iterate over (field, string); keys have the field ""."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield "", key
            yield from _strings(part, key, depth + 1)
    elif isinstance(value, list):
        for part in value:
            yield from _strings(part, field, depth + 1)


def symptoms(dictionary: Dictionary, case: DevCase, score: CaseScore) -> Mapping[str, int]:
    """Count, by label, the facts that a failing case misses or has too many of."""
    if score.passed:
        return {}
    if score.error is not None:
        return {f"error {score.error.strip().splitlines()[-1].split(':')[0]}": 1}
    expected, given = dictionary.facts(case.expectation), dictionary.facts(score.output)
    labels = {fact.label for fact in expected}
    counts: Counter[str] = Counter()
    for fact, count in (expected - given).items():
        counts[fact.label] += count
    for fact, count in (given - expected).items():
        if fact.label in labels or fact.label in dictionary.words:
            counts[fact.label] += count
    return dict(sorted(counts.items()))


def read_vocabulary(
    dictionary: Dictionary, cases: Sequence[DevCase], scores: Mapping[str, CaseScore]
) -> Vocabulary:
    """Collect what edits may use: words, plain results, samples of missed values."""
    failing = [case for case in cases if not scores[case.id].passed]
    samples: dict[str, dict[str, None]] = {}
    beside: list[tuple[str, Json]] = []
    for case in failing:
        missing = dictionary.facts(case.expectation) - dictionary.facts(scores[case.id].output)
        for fact in sorted(missing, key=lambda fact: (fact.label, fact.value)):
            value = json.loads(fact.value)
            if isinstance(value, str) and 1 < len(value) <= _MAX_SAMPLE_CHARACTERS:
                samples.setdefault(fact.label, {}).setdefault(value)
                beside += [(case.group, word) for word in _neighbours(value, case.input)]
    inputs = _recurring((case.group, case.input) for case in cases)
    return Vocabulary(
        words=list(dict.fromkeys([*dictionary.words, *inputs])),
        neighbours=_recurring(beside),
        results=_results(failing, dictionary),
        samples={label: list(found)[:MAX_SAMPLES] for label, found in samples.items()},
    )


def _neighbours(value: str, given: Json) -> Iterator[str]:
    """Iterate over what stands directly before and behind a missed value in the input's texts."""
    pattern = re.compile(rf"(\w+|[^\w\s])?\s?(?<!\w){re.escape(value)}\s?([^\W\d_]+|[^\w\s])?")
    for _, text in _strings(given, "", 0):
        for found in pattern.finditer(text[:MAX_TEXT_CHARACTERS]):
            yield from (word for word in found.groups() if word)


def _results(failing: Sequence[DevCase], dictionary: Dictionary) -> Sequence[str]:
    counts: Counter[str] = Counter()
    for case in failing:
        for value in _outer_values(case.expectation):
            spelled = repr(value)
            if spelled in _PLAIN_RESULTS or (isinstance(value, str) and value in dictionary.words):
                counts[spelled] += 1
    return [text for text, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))][
        :MAX_RESULTS
    ]


def _outer_values(expectation: Json) -> Iterator[Json]:
    yield expectation
    if isinstance(expectation, dict):
        for value in expectation.values():
            yield value
            if isinstance(value, dict):
                yield from value.values()
