"""The prompt example on the real small model, through the whole main job.

The whole example takes a quarter of an hour. A smaller one, with two thirds of the conversations
and a third of the runs, shows the same gain in minutes, but not always significantly: then the
judge has to reject it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.chat_extractor import MODEL_FOLDER, ModelMissingError, measure, model_served
from tests.conftest import missing

FEW_CHATS = 2
FEW_RUNS = 100

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2_400)]


@pytest.fixture
def catalogue() -> Iterator[Path]:
    folder = Path(os.environ.get("AEM_TEST_MODEL_FOLDER", MODEL_FOLDER))
    try:
        with model_served(folder) as served:
            yield served
    except ModelMissingError as error:
        missing(str(error))


def test_the_search_makes_a_real_small_model_better_and_the_judge_decides(
    catalogue: Path, tmp_path: Path
) -> None:
    found = measure(tmp_path, catalogue, chats_per_group=FEW_CHATS, runs=FEW_RUNS)
    robustness = found["axes"]["context_robustness"]
    assert robustness["new"]["value"] > robustness["old"]["value"] + 0.05, found
    p_value = found["statistics"]["p_value"]
    is_significant = p_value is not None and p_value <= found["statistics"]["level"]
    assert (found["outcome"] == "accepted") == is_significant, found


@pytest.mark.soak
def test_the_whole_example_is_made_significantly_better(catalogue: Path, tmp_path: Path) -> None:
    found = measure(tmp_path, catalogue)
    assert (found["outcome"], found["reason"]) == ("accepted", ""), found
    robustness = found["axes"]["context_robustness"]
    assert robustness["new"]["value"] > robustness["old"]["value"] + 0.1, found
    assert found["statistics"]["p_value"] <= found["statistics"]["level"], found
