"""A house for the prompt example; and the scripts of the other one, beside their package."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aem.artifact import Bundle
from tests.fakes.chat_extractor import ChatExample, chat_example, small_model
from tests.fakes.clock import FakeClock
from tests.fakes.llm_server import LlmServer, says, serving
from tests.fakes.running_service import RunningService, running, settings

EXAMPLE = Path(__file__).parents[3] / "examples" / "support-extractor"

sys.path.insert(0, str(EXAMPLE))

CATALOGUE = """
[[models]]
name = "smollm2-135m"
provider = "local"
base_url = "{base_url}"
input_usd_per_million = "{input_usd}"
output_usd_per_million = "{output_usd}"
context_tokens = 4096
reply_tokens_max = 1024
"""

Order = Callable[..., dict[str, Any]]


@pytest.fixture
def llm() -> Iterator[LlmServer]:
    with serving(says(small_model)) as server:
        yield server


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> ChatExample:
    return chat_example(tmp_path_factory.mktemp("example"))


@pytest.fixture
def input_usd() -> str:
    return "0.02"


@pytest.fixture
def model_call_s() -> float:
    return 60.0


@pytest.fixture
def house(
    tmp_path: Path, database_url: str, llm: LlmServer, input_usd: str, model_call_s: float
) -> Iterator[RunningService]:
    catalogue = tmp_path / "models.toml"
    catalogue.write_text(
        CATALOGUE.format(base_url=llm.base_url, input_usd=input_usd, output_usd="0.10")
    )
    chosen = settings(
        tmp_path / "service",
        database_url,
        models=catalogue,
        synthesis_case_runs=120,
        validation_session_s=200,
        model_call_s=model_call_s,
    )
    with running(chosen, clock=FakeClock()) as service:
        service.fund()
        yield service


@pytest.fixture
def order(house: RunningService, example: ChatExample) -> Order:
    gold = str(house.team.freeze_gold(example.gold)["digest"])

    def submit(bundle: Bundle = example.artifact, **options: Any) -> dict[str, Any]:
        options = {"synthesizer": "prompt-search", "traces": example.traces} | options
        if "candidate" in options:
            options["synthesizer"] = "candidate"
        return house.order(bundle, gold=gold, **options)

    return submit
