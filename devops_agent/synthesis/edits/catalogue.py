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
)
from devops_agent.synthesis.edits.site import Site, Vocabulary, sites
from devops_agent.synthesis.source import Edit, Program

FAMILIES: Sequence[Callable[[Site], Iterator[Edit]]] = (
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


def propose_edits(program: Program, vocabulary: Vocabulary) -> Iterator[Edit]:
    """Propose every edit that the families know, each once, in a fixed order."""
    seen: set[tuple[str, int, int, str]] = set()
    for module in program.modules.values():
        for site in sites(module, vocabulary):
            for family in FAMILIES:
                for edit in family(site):
                    if edit.key() not in seen:
                        seen.add(edit.key())
                        yield edit
