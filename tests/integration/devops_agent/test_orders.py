"""Orders from escrow to settlement, on both databases, with every way to end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import git
import pytest
from click.testing import CliRunner

from aem.artifact import Bundle
from aem.client import ApiError
from cli.output import ExitCode
from cli.remote.orders import watch
from core.principals import Principal, Role
from registry import GoldEvidence, VersionSource
from tests.fakes.clock import FakeClock
from tests.fakes.order_books import OrderBooks
from tests.fakes.running_service import (
    AGENT,
    ARTIFACT,
    DATASET,
    FAULTY,
    GOOD,
    GRANT_UTOK,
    TEAM,
    WALLET,
    RunningService,
    running,
    settings,
)
from tests.fakes.staged_sandbox import StagedSandbox

FEE_UTOK = 5_000_000
SOURCE = GOOD.files["extractor.py"].decode()


def variant(old: str, new: str) -> Bundle:
    assert old in SOURCE
    return GOOD.replace({"extractor.py": SOURCE.replace(old, new, 1).encode()})


BLIND = variant("conversation[0:]", "conversation[1:]")
CREDULOUS = variant('("ignore previous", "system note", "for your records")', "()")
TWIN = FAULTY.replace({"README.md": b"The same code."})
BROKEN = variant("import re\n", "import re\nimport nothing\n")


@pytest.fixture
def dear_house(
    tmp_path: Path, database_url: str, sandbox: StagedSandbox
) -> Iterator[RunningService]:
    """Judging costs more than all that the least quote has beside it."""
    chosen = settings(tmp_path / "service", database_url, judged_case_ms=1000)
    with running(chosen, clock=FakeClock(), sandbox=sandbox) as service:
        service.fund()
        yield service


@pytest.fixture
def books(house: RunningService, gold: str) -> OrderBooks:
    return OrderBooks(house)


def kinds(house: RunningService, order: dict[str, Any]) -> list[str]:
    events = house.parts.events.read(f"order:{order['id']}")
    return [event.kind for event in events if event.kind != "progress"]


def head(house: RunningService) -> dict[str, Any]:
    state: dict[str, Any] = house.agent.channel(ARTIFACT, "production")["state"]
    return state


def test_versions_enter_improve_and_are_kept_out(
    house: RunningService, gold: str, books: OrderBooks
) -> None:
    first = house.order(FAULTY, gold=gold, candidate=FAULTY)
    assert (first["outcome"], first["reason"]) == ("accepted", "")
    assert first["version"] == {"digest": FAULTY.digest, "number": 1}
    assert first["fee_utok"] == FEE_UTOK
    assert books.close(first)["treasury"] == FEE_UTOK
    assert kinds(house, first) == [
        *("escrowed", "ingested", "validating", "published", "deployed", "settled")
    ]

    better = house.order(FAULTY, gold=gold, candidate=GOOD)
    assert (better["outcome"], better["version"]["number"]) == ("accepted", 2)
    assert better["summary"]["validation"]["incumbent"] == FAULTY.digest
    assert better["listing_utok"] > 0
    assert books.close(better)["treasury"] == FEE_UTOK
    version = house.agent.version(GOOD.digest)
    assert version["parents"] == [FAULTY.digest]
    assert len(version["attestations"]) == 1
    assert head(house)["digest"] == GOOD.digest
    assert head(house)["generation"] == 2

    worse = house.order(GOOD, gold=gold, candidate=FAULTY)
    assert (worse["outcome"], worse["version"]) == ("rejected", None)
    assert worse["reason"]
    assert (worse["fee_utok"], worse["price_utok"]) == (0, worse["metered_utok"])
    assert worse["metered_utok"] > 0
    assert books.close(worse)["treasury"] == 0
    assert kinds(house, worse) == ["escrowed", "ingested", "validating", "rejected", "settled"]
    assert head(house)["generation"] == 2

    same = house.order(GOOD, gold=gold, candidate=GOOD)
    assert (same["outcome"], same["reason"]) == ("rejected", "already_current")
    assert same["price_utok"] == 0
    assert books.close(same)["treasury"] == 0
    assert head(house)["generation"] == 2

    projection = house.parts.projection.repository(TEAM)
    assert {tag.name.rpartition("/")[2] for tag in git.Repo(projection).tags} == {"v1", "v2"}


def test_repair_finds_what_a_buyer_pays_for(
    house: RunningService, gold: str, books: OrderBooks
) -> None:
    order = house.order(BLIND, gold=gold, metrics={"complaints": 3.0})
    assert (order["outcome"], order["reason"]) == ("accepted", "")
    edits = order["summary"]["synthesis"]["edits"]
    assert [(e["path"], e["before"], e["after"]) for e in edits] == [("extractor.py", "1", "0")]
    assert order["version"] == {"digest": GOOD.digest, "number": 2}
    assert house.agent.version(GOOD.digest)["parents"] == [BLIND.digest]
    assert kinds(house, order) == [
        *("escrowed", "ingested", "synthesizing", "validating"),
        *("published", "deployed", "settled"),
    ]
    gained = books.close(order)
    assert gained["treasury"] == FEE_UTOK
    assert gained["burned"] == order["metered_utok"]
    usage = house.operator.usage(reference=order["id"])["items"]
    assert sum(record["charge_utok"] for record in usage) == order["metered_utok"]
    assert {record["attempt_id"].split(":")[1] for record in usage} == {"synthesis", "validation"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param({"candidate": CREDULOUS}, "anti_hallucination_failed", id="falsehood"),
        pytest.param({"candidate": BROKEN}, None, id="does not start"),
        pytest.param({}, "no_candidate", id="nothing to repair"),
    ],
)
def test_a_rejection_charges_what_was_metered_and_no_more(
    house: RunningService,
    gold: str,
    books: OrderBooks,
    options: dict[str, Any],
    reason: str | None,
) -> None:
    order = house.order(GOOD, gold=gold, **options)
    assert order["outcome"] == "rejected"
    assert order["reason"] == (reason or order["reason"])
    assert order["price_utok"] == order["metered_utok"] > 0
    assert books.close(order)["treasury"] == 0
    with pytest.raises(ApiError, match="acme/support-small"):
        house.agent.channel(ARTIFACT, "production")
    assert house.counts("versions") == {"versions": 0}


def test_a_service_that_keeps_failing_pays_everything_back(
    house: RunningService, gold: str, books: OrderBooks, sandbox: StagedSandbox
) -> None:
    sandbox.fail_always_from(5)
    order = house.order(GOOD, gold=gold, candidate=GOOD)
    assert (order["outcome"], order["reason"]) == ("failed", "sandbox_failed")
    assert order["state"] == "refunded"
    assert (order["price_utok"], order["refunded_utok"]) == (0, order["escrowed_utok"])
    gained = books.close(order)
    assert gained["reserve"] == -gained["burned"] < 0
    assert kinds(house, order)[-2:] == ["failed", "refunded"]
    statuses = {row["status"] for row in house.operator.usage(reference=order["id"])["items"]}
    assert statuses
    assert house.counts("order_work") == {"order_work": 3}


def test_what_the_service_spoiled_is_not_the_buyers(
    house: RunningService, gold: str, books: OrderBooks, sandbox: StagedSandbox
) -> None:
    sandbox.fail_at(7)
    order = house.order(GOOD, gold=gold, candidate=GOOD)
    assert order["outcome"] == "accepted"
    gained = books.close(order)
    usage = house.operator.usage(reference=order["id"])["items"]
    charged = {"1": 0, "2": 0}
    for record in usage:
        charged[record["attempt_id"].rpartition(":")[2]] += record["charge_utok"]
    assert charged["1"] > 0
    assert gained["reserve"] == -charged["1"]
    assert order["metered_utok"] == charged["2"]


def test_an_empty_reserve_is_told_and_the_books_still_add_up(
    house: RunningService,
    gold: str,
    books: OrderBooks,
    sandbox: StagedSandbox,
    caplog: pytest.LogCaptureFixture,
) -> None:
    empty_reserve(house)
    books.close_nothing()
    sandbox.fail_always_from(5)
    order = house.order(GOOD, gold=gold, candidate=GOOD)
    assert order["outcome"] == "failed"
    gained = books.close(order)
    assert gained["reserve"] == 0
    assert order["price_utok"] == gained["burned"] > 0
    assert "fund it" in caplog.text


def empty_reserve(house: RunningService) -> None:
    with house.parts.database.transaction() as session:
        reserve = house.parts.budgets.budget(session, TEAM).reserve
        rest_utok = house.parts.ledger.account(session, reserve).available
        house.parts.budgets.refund_from_reserve(
            session,
            key="test",
            budget=TEAM,
            to=f"wallet:{WALLET}",
            amount_utok=rest_utok,
            reference="test",
        )


def test_a_proposal_is_published_and_promotes_nothing(
    house: RunningService, gold: str, books: OrderBooks
) -> None:
    order = house.order(GOOD, gold=gold, candidate=GOOD, deployment="propose")
    assert (order["outcome"], order["fee_utok"]) == ("accepted", FEE_UTOK)
    assert "deployed" not in kinds(house, order)
    assert kinds(house, order)[-2:] == ["published", "settled"]
    assert house.agent.artifact(ARTIFACT)["channels"] == []
    assert house.agent.version(GOOD.digest)["price_utok"] == order["listing_utok"]
    books.close(order)
    state = house.team.promote(
        ARTIFACT,
        "production",
        digest=GOOD.digest,
        reason="by hand",
        expected_generation=0,
        expected_digest=None,
    )
    assert state["generation"] == 1


class Mover:
    """Moves production to another attested version while an order is judged."""

    def __init__(self, house: RunningService, digests: list[str]) -> None:
        self._house = house
        self._digests = digests
        self.moves = 0

    def __call__(self, label: str) -> None:
        if label.endswith(":finalist") and self._digests:
            state = head(self._house)
            self._house.team.promote(
                ARTIFACT,
                "production",
                digest=self._digests.pop(0),
                reason="meanwhile",
                expected_generation=state["generation"],
                expected_digest=state["digest"],
            )
            self.moves += 1


@pytest.fixture
def two_versions(house: RunningService, gold: str, books: OrderBooks) -> tuple[str, str]:
    """Two attested versions that behave alike, the first of them in production."""
    order = house.order(FAULTY, gold=gold, candidate=FAULTY)
    books.close(order)
    attest_twin(house, gold, order["id"])
    return FAULTY.digest, TWIN.digest


def attest_twin(house: RunningService, gold: str, order_id: str) -> None:
    evidence = GoldEvidence(
        accepted=True,
        reason="",
        gold_digest=gold,
        incumbent_digest=None,
        order_id=None,
        isolation=house.sandbox.isolation(),
        cost={},
        report=house.agent.order_report(order_id),
    )
    registry = house.parts.registry
    with house.parts.database.transaction() as session:
        registry.versions.publish(
            session,
            artifact=ARTIFACT,
            bundle=TWIN,
            source=VersionSource.SUBMITTED,
            actor=Principal(id="test", role=Role.TEAM, namespace=TEAM, owner=TEAM),
        )
        registry.attestations.attest(session, TWIN.digest, evidence)


def test_a_head_that_moved_meanwhile_is_judged_against_anew(
    house: RunningService,
    gold: str,
    books: OrderBooks,
    sandbox: StagedSandbox,
    two_versions: tuple[str, str],
) -> None:
    sandbox.on_open = Mover(house, [two_versions[1]])
    order = house.order(FAULTY, gold=gold, candidate=GOOD)
    assert (order["outcome"], order["reason"]) == ("accepted", "")
    assert order["summary"]["validation"]["incumbent"] == two_versions[1]
    assert kinds(house, order).count("published") == 1
    books.close(order)
    assert house.agent.version(GOOD.digest)["parents"] == [two_versions[1]]
    assert head(house)["generation"] == 3
    usage = house.operator.usage(reference=order["id"])["items"]
    assert {record["attempt_id"].split(":")[2] for record in usage} == {"0", "1"}
    assert order["metered_utok"] == sum(record["charge_utok"] for record in usage)


def test_a_head_that_keeps_moving_ends_the_order(
    house: RunningService,
    gold: str,
    books: OrderBooks,
    sandbox: StagedSandbox,
    two_versions: tuple[str, str],
) -> None:
    first, second = two_versions
    mover = sandbox.on_open = Mover(house, [second, first, second, first])
    order = house.order(FAULTY, gold=gold, candidate=GOOD)
    assert (order["outcome"], order["reason"]) == ("rejected", "channel_kept_moving")
    assert (order["version"], mover.moves) == (None, 3)
    books.close(order)
    assert house.counts("versions") == {"versions": 2}


def test_an_escrow_that_runs_out_is_the_buyers_affair(
    dear_house: RunningService, sandbox: StagedSandbox
) -> None:
    """The least that is quoted covers two judgings; the third one is not affordable."""
    gold = dear_house.freeze()
    books = OrderBooks(dear_house)
    first = dear_house.order(FAULTY, gold=gold, candidate=FAULTY)
    books.close(first)
    attest_twin(dear_house, gold, first["id"])
    sandbox.on_open = Mover(dear_house, [TWIN.digest, first["version"]["digest"]])
    order = dear_house.order(
        FAULTY, gold=gold, candidate=GOOD, max_price_utok=first["quote"]["minimum_utok"]
    )
    assert (order["outcome"], order["reason"]) == ("rejected", "escrow_exhausted")
    assert order["price_utok"] == order["metered_utok"] > 0
    books.close(order)


@pytest.mark.parametrize("outcome", ["accepted", "rejected"])
def test_the_bill_does_not_tell_how_long_the_holdout_took(tmp_path: Path, outcome: str) -> None:
    """A candidate that sleeps for as long as a case says would leak it."""
    candidate = GOOD if outcome == "accepted" else CREDULOUS
    bills = []
    for case_wall_ms in (1, 777):
        sandbox = StagedSandbox(case_wall_ms=case_wall_ms)
        folder = tmp_path / str(case_wall_ms)
        with running(settings(folder), clock=FakeClock(), sandbox=sandbox) as house:
            house.fund()
            order = house.order(FAULTY, gold=house.freeze(), candidate=candidate)
            usage = house.operator.usage(reference=order["id"])["items"]
        assert order["outcome"] == outcome
        figures = ("resource", "quantity", "charge_utok", "cost_nusd")
        lines = [{name: line.get(name) for name in figures} for line in usage]
        bills.append((order["metered_utok"], order["quote"]["minimum_utok"], lines))
    assert bills[0] == bills[1]


def test_a_child_budget_that_is_used_up_fails_the_order_and_refunds_it(
    house: RunningService, gold: str
) -> None:
    """The namespace's own limit does not cover the bound of the judging."""
    day = house.operator.set_budget("small", parent=TEAM, daily_limit_nusd=10_000)["day"]
    house.operator.allocate(TEAM, to="wallet:small.bot", amount_utok=GRANT_UTOK, reason="test")
    bundle = renamed("small/support-small")
    agent = house.client("agent", "small", AGENT)
    dataset = house.client("team", "small").freeze_gold(small_dataset())
    taken = agent.submit(
        bundle,
        gold=dataset["digest"],
        traces=b"",
        max_price_utok=100_000_000,
        synthesizer="candidate",
        candidate=bundle,
    )
    order = house.ended(taken["id"], agent)
    assert (order["outcome"], order["reason"]) == ("failed", "budget_exhausted")
    assert f"budget of small for {day} does not cover" in order["summary"]["validation"]["message"]
    (told,) = (a for a in house.operator.alerts()["items"] if a["kind"] == "budget_exhausted")
    assert told["data"] == {"budget": "small", "day": day}
    env = {"AEM_URL": house.url, "AEM_API_KEY": house.secret("agent", "small", AGENT)}
    shown = CliRunner().invoke(watch, [taken["id"]], env=env)
    assert shown.exit_code == ExitCode.PAYMENT_REQUIRED
    assert f"budget of small for {day}" in shown.output
    assert "the service failed" not in shown.output
    assert (order["price_utok"], order["refunded_utok"]) == (0, order["escrowed_utok"])
    assert house.balance("wallet:small.bot") == GRANT_UTOK
    assert house.held() == 0
    assert house.operator.verify_audit()["verified"]


def renamed(name: str) -> Bundle:
    manifest = GOOD.files["artifact.toml"].replace(ARTIFACT.encode(), name.encode())
    return GOOD.replace({"artifact.toml": manifest})


def small_dataset() -> Bundle:
    text = DATASET.files["gold.toml"].replace(b'"acme/', b'"small/')
    return DATASET.replace({"gold.toml": text})
