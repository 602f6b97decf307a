"""A submission that copies another owner's artifact is refused, or the weakening is on record."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aem.artifact import Bundle
from aem.client import ApiError
from core.principals import Principal, Role
from registry import VersionSource
from tests.fakes.clock import FakeClock
from tests.fakes.running_service import GOOD, RunningService, running, settings

COPIED = "globex/extractor"


def publish_for_globex(house: RunningService) -> str:
    """Give another team the artifact that acme is about to submit, under a name of its own."""
    text = GOOD.files["artifact.toml"].replace(b"acme/support-small", COPIED.encode())
    actor = Principal(id="key", role=Role.TEAM, namespace="globex", owner="globex")
    with house.parts.database.transaction() as session:
        return house.parts.registry.versions.publish(
            session,
            artifact=COPIED,
            bundle=Bundle({**GOOD.files, "artifact.toml": text}),
            source=VersionSource.SUBMITTED,
            actor=actor,
        ).digest


@pytest.mark.parametrize("part", ["artifact", "candidate"])
def test_a_copy_is_refused_with_evidence_and_without_a_trace(
    house: RunningService, gold: str, part: str
) -> None:
    digest = publish_for_globex(house)
    stub = Bundle({**GOOD.files, "extractor.py": b"def run(value, context):\n    return {}\n"})
    bundle, candidate = (GOOD, stub) if part == "artifact" else (stub, GOOD)
    before = house.counts("orders", "ledger_transfers", "order_files")
    with pytest.raises(ApiError) as refusal:
        house.submit(bundle, gold=gold, candidate=candidate)
    problem = refusal.value
    assert (problem.status, problem.reason) == (409, "near_duplicate")
    evidence = problem.details["evidence"]
    assert (evidence["artifact"], evidence["digest"]) == (COPIED, digest)
    assert evidence["similarity"] == 1
    assert {match["path"] for match in evidence["matches"]} == {"extractor.py"}
    assert house.counts("orders", "ledger_transfers", "order_files") == before


def test_an_order_says_that_nothing_alike_was_found(house: RunningService, gold: str) -> None:
    order = house.submit(GOOD, gold=gold, candidate=GOOD)
    assert order["summary"]["checks"]["near_duplicates"] == {
        "policy": "refuse",
        "threshold": 0.8,
        "found": None,
    }


@pytest.fixture
def lenient(tmp_path: Path, database_url: str) -> Iterator[RunningService]:
    chosen = settings(tmp_path / "service", database_url, duplicates="warn")
    with running(chosen, clock=FakeClock()) as service:
        service.fund()
        yield service


def test_a_weakened_check_says_so_in_the_order(lenient: RunningService) -> None:
    digest = publish_for_globex(lenient)
    taken = lenient.submit(GOOD, gold=lenient.freeze(), candidate=GOOD)
    ended = lenient.ended(taken["id"])
    for order in (taken, ended):
        check = order["summary"]["checks"]["near_duplicates"]
        assert check["policy"] == "warn"
        assert check["found"]["digest"] == digest
