import pytest

from gold import GoldDataset, load_dataset
from tests.fakes.gold import Outcomes, artifact, gold_files, outcomes


@pytest.fixture(scope="session")
def files() -> dict[str, bytes]:
    return gold_files()


@pytest.fixture(scope="session")
def dataset(files: dict[str, bytes]) -> GoldDataset:
    return load_dataset(files)


@pytest.fixture
def good(dataset: GoldDataset) -> Outcomes:
    """Outcomes of the right artifact on the holdout."""
    return outcomes(artifact("good"), dataset.cases("holdout"))


@pytest.fixture
def faulty(dataset: GoldDataset) -> Outcomes:
    """Outcomes of the faulty artifact on the holdout."""
    return outcomes(artifact("faulty"), dataset.cases("holdout"))
