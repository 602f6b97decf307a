"""The prompt example on the real small model, through the whole main job.

Smaller than the example itself, to end in minutes; the judge's test of significance is the same.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.chat_extractor import MODEL_FOLDER, ModelMissingError, measure, model_served
from tests.conftest import missing

CHATS_PER_GROUP = 2
SEARCH_RUNS = 100

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2_400)]


@pytest.fixture
def catalogue() -> Iterator[Path]:
    folder = Path(os.environ.get("AEM_TEST_MODEL_FOLDER", MODEL_FOLDER))
    try:
        with model_served(folder) as served:
            yield served
    except ModelMissingError as error:
        missing(str(error))


def test_the_search_makes_a_real_small_model_significantly_better(
    catalogue: Path, tmp_path: Path
) -> None:
    found = measure(tmp_path, catalogue, chats_per_group=CHATS_PER_GROUP, runs=SEARCH_RUNS)
    assert (found["outcome"], found["reason"]) == ("accepted", ""), found
    robustness = found["axes"]["context_robustness"]
    assert robustness["new"]["value"] > robustness["old"]["value"] + 0.1, found
    assert found["statistics"]["p_value"] <= found["statistics"]["level"], found
