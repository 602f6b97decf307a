"""All families of edits, proposed over all sites of a program."""

from collections.abc import Callable, Iterator, Sequence

from devops_agent.synthesis.edits import (
    calls,
    conditions,
    constants,
    expressions,
    insertions,
    loops,
    names,
    operators,
    regexes,
    statements,
    subscripts,
    unbound,
)
from devops_agent.synthesis.edits.site import Site, Vocabulary, sites
from devops_agent.synthesis.source import Edit, Module, Program

FAMILIES: Sequence[Callable[[Site], Iterator[Edit]]] = (
    unbound.propose,
    operators.propose,
    constants.propose,
    names.propose,
    calls.propose,
    subscripts.propose,
    conditions.propose,
    statements.propose,
    loops.propose,
    regexes.propose,
    expressions.propose,
    insertions.propose,
)


class Catalogue:
    """Proposes edits of a program; modules that stay as they were are not read again."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Keep what edits may use of the dev cases."""
        self._vocabulary = vocabulary
        self._known: dict[Module, Sequence[Edit]] = {}

    def edits(self, program: Program) -> Sequence[Edit]:
        """Return every edit that the families know, each once, in a fixed order."""
        self._known = {
            module: self._known.get(module) or self._propose(module)
            for module in program.modules.values()
        }
        return [edit for edits in self._known.values() for edit in edits]

    def _propose(self, module: Module) -> Sequence[Edit]:
        found: dict[tuple[str, int, int, str], Edit] = {}
        for site in sites(module, self._vocabulary):
            for family in FAMILIES:
                for edit in family(site):
                    known = found.get(edit.key())
                    if known is None or edit.cost < known.cost:
                        found[edit.key()] = edit
        return list(found.values())
