"""Withholding: where secrets are in reach of variants, the model is not told what they say.

Scrubbing finds secrets as they stand. A variant that a model wrote can print one in disguise, and
so can a message about it quote one in part: of such an artifact's variants a model is told scores
and kinds of errors alone.
"""

import builtins
import re
from collections.abc import Iterator
from dataclasses import replace

from devops_agent.synthesis.language.errors import (
    BundleUnsoundError,
    ManifestChangedError,
    PromptBrokenError,
    ProposalRefusedError,
    SourceBrokenError,
)
from devops_agent.synthesis.language.excerpts import compact_json
from devops_agent.synthesis.language.scrubbing import MAX_LEARNED_CHARACTERS, Scrubber
from devops_agent.synthesis.port import CaseScore, SynthesisContext

WITHHELD = "withheld"

UNNAMED_ERROR = "an error"
"""Of a kind that the variant may have named itself."""

_KINDS = frozenset(
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
)
_FIRST_WORD = re.compile(r"\w+")
_ABOUT_CONTENT = (BundleUnsoundError, ManifestChangedError, PromptBrokenError, SourceBrokenError)
"""Refusals that quote the files as they are, with their secrets."""


def has_secrets(context: SynthesisContext, scrubber: Scrubber) -> bool:
    """Whether anything was scrubbed from the files, or is from traces or inputs of dev cases."""
    if scrubber.has_found():
        return True
    left = MAX_LEARNED_CHARACTERS
    for text in _texts(context):
        left -= len(text)
        if left < 0:
            break
        scrubber.scrub(text)
        if scrubber.has_found():
            return True
    return False


def withheld(score: CaseScore) -> CaseScore:
    """Return a score without the words of the variant that was scored."""
    if score.error is None:
        return replace(score, output=WITHHELD)
    return replace(score, output=None, error=_kind(score.error))


def told_of(refusal: ProposalRefusedError) -> str:
    """Return what a model is told of a refusal, without what the files say."""
    if isinstance(refusal, _ABOUT_CONTENT):
        return f"{type(refusal).__doc__} What it says in detail is withheld."
    return refusal.message


def _texts(context: SynthesisContext) -> Iterator[str]:
    for trace in context.traces:
        yield compact_json(vars(trace))
    for case in context.dev_cases:
        yield compact_json(case.input)


def _kind(error: str) -> str:
    """Return the kind of a traceback's error, if Python has it."""
    lines = error.strip().splitlines()
    found = _FIRST_WORD.match(lines[-1]) if lines else None
    return found[0] if found and found[0] in _KINDS else UNNAMED_ERROR
