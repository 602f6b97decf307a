"""Probes: the few failing cases that an edit is tried on first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from devops_agent.synthesis.influence import Influence
from devops_agent.synthesis.localization import Localization
from devops_agent.synthesis.source import Edit

MAX_PROBES = 4
INFLUENCE_CASES = 8
INFLUENCE_TIMES = 3
"""Influence is measured on so many cases at most, which show each symptom so many times."""

PROBES_PER_REGION = 2
IRRELEVANT_PENALTY = 2.5
"""Added to the cost of edits in parts whose facts are all right."""

SILENT_PENALTY = 1.0
"""Added to the cost of edits in parts that had no effect on the failing cases: they may be what
should have had one."""


@dataclass(frozen=True, kw_only=True)
class ProbePlan:
    """Chooses probes for edits.

    Attributes:
        symptoms: by failing case, by label, how many facts are wrong.
        influence: which labels depend on which part of the program.
        localization: which lines the failing cases execute.
        general: probes of edits whose influence is unknown.
    """

    symptoms: Mapping[str, Mapping[str, int]]
    influence: Influence
    localization: Localization
    general: Sequence[str]
    _known: dict[frozenset[str], Sequence[str]] = field(default_factory=dict, repr=False)

    def concerned(self, edit: Edit) -> Sequence[str]:
        """Return the failing cases whose symptoms depend on the edited part, the sickest first.

        All failing cases when the part's influence is unknown.
        """
        labels = self.influence.labels(edit)
        if labels not in self._known:
            found = [case_id for case_id, has in self.symptoms.items() if labels & has.keys()]
            found.sort(
                key=lambda case_id: (
                    -sum(
                        count for label, count in self.symptoms[case_id].items() if label in labels
                    )
                )
            )
            self._known[labels] = found or list(self.symptoms)
        return self._known[labels]

    def probes(self, edit: Edit) -> Sequence[str]:
        """Return the cases on which the edit shows its worth, the most telling first."""
        labels = self.influence.labels(edit)
        if not labels or len(labels) > MAX_PROBES:
            return self.general
        return self.concerned(edit)[:PROBES_PER_REGION]

    def rank(self, edit: Edit) -> float:
        """Return the edit's place in the queue; lower is earlier."""
        rank = self.localization.rank(edit)
        labels = self.influence.labels(edit)
        if self.influence.regions and not labels:
            return rank + SILENT_PENALTY
        if labels and not any(labels & found.keys() for found in self.symptoms.values()):
            return rank + IRRELEVANT_PENALTY
        return rank


def telling_cases(
    symptoms: Mapping[str, Mapping[str, int]],
    coverage: Mapping[str, Mapping[str, frozenset[int]]],
    *,
    most: int,
    times: int,
) -> Sequence[str]:
    """Choose failing cases that show every symptom so many times, by greedy cover.

    Among equals the case that executes the fewest lines comes first: it says most about where the
    fault is.

    Args:
        symptoms: by failing case, its symptoms.
        coverage: executed lines, by case.
        most: how many cases may be chosen.
        times: how often each symptom should be shown.
    """
    sizes = {
        case_id: sum(len(lines) for lines in coverage.get(case_id, {}).values())
        for case_id in symptoms
    }
    wanted = {label: times for found in symptoms.values() for label in found}
    chosen: list[str] = []
    while len(chosen) < most and any(wanted.values()):
        rest = [case_id for case_id in symptoms if case_id not in chosen]
        if not rest:
            break
        best = min(
            rest,
            key=lambda case_id: (
                -sum(wanted[label] > 0 for label in symptoms[case_id]),
                sizes[case_id],
            ),
        )
        chosen.append(best)
        for label in symptoms[best]:
            wanted[label] = max(0, wanted[label] - 1)
    return chosen
