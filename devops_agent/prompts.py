"""Prompts in orders: where their cases run, how often, and what judging them costs at most."""

from collections.abc import Iterator, Sequence

from aem.artifact import ArtifactError, Bundle, ChatModel, ChatRequest, read_prompt
from devops_agent.uses import Use
from gold import GoldCase
from market import Catalogue
from sandbox import PromptSandbox, Sandbox

STOCHASTIC_RUNS = 3
"""How often each case is judged where replies vary: hard axes pass every time."""

FINALIST_GROWTH = 4
"""A finalist may be so many times as long as its prompt was, for demonstrations say: what judging
it costs is kept aside while the search spends."""


def sandbox_for(
    bundle: Bundle, *, code: Sandbox, models: ChatModel, catalogue: Catalogue
) -> Sandbox:
    """Return where an artifact's cases run: code in a sandbox, prompts at their model.

    Args:
        bundle: the artifact.
        code: where code runs.
        models: performs a prompt's calls.
        catalogue: knows who provides a model.

    Raises:
        ModelNotFoundError: the catalogue has lost the prompt's model.
    """
    settings = bundle.manifest.prompt
    if settings is None:
        return code
    provider = catalogue.model(settings.model).provider
    return PromptSandbox(models, settings=settings, provider=provider)


def judged_runs(*bundles: Bundle | None) -> int:
    """Return how often each case is judged: candidate and incumbent alike."""
    prompts = [bundle.manifest.prompt for bundle in bundles if bundle is not None]
    is_stochastic = any(prompt is not None and prompt.is_stochastic for prompt in prompts)
    return STOCHASTIC_RUNS if is_stochastic else 1


def judging_use(
    bundle: Bundle, cases: Sequence[GoldCase], catalogue: Catalogue, *, runs: int
) -> Use:
    """Return the most tokens that some runs of the cases can use; none for code.

    Raises:
        ModelNotFoundError: the catalogue has no such model.
    """
    settings = bundle.manifest.prompt
    if settings is None:
        return Use()
    model = catalogue.model(settings.model)
    input_tokens = output_tokens = 0
    for request in _requests(bundle, cases):  # all of them together need not fit into memory
        input_tokens += runs * model.input_bound_tokens(request)
        output_tokens += runs * model.reply_cap_tokens(request)
    return Use(model=model.name, input_tokens=input_tokens, output_tokens=output_tokens)


def judging_calls_reserve(bundle: Bundle, cases: Sequence[GoldCase], catalogue: Catalogue) -> Use:
    """Return the tokens that an escrow keeps aside for judging a prompt and what becomes of it.

    Raises:
        ModelNotFoundError: the catalogue has no such model.
    """
    runs = (1 + FINALIST_GROWTH) * judged_runs(bundle)
    return judging_use(bundle, cases, catalogue, runs=runs)


def _requests(bundle: Bundle, cases: Sequence[GoldCase]) -> Iterator[ChatRequest]:
    """Render what can be rendered: what cannot is never asked."""
    try:
        prompt = read_prompt(bundle)
    except ArtifactError:
        return
    for case in cases:
        try:
            request = prompt.render(case.input)
        except ArtifactError:
            continue
        yield request
