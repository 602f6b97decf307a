import json
import threading
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import Executable, delete, func, insert, select, text, update
from sqlalchemy.exc import DatabaseError

from core.database import Database, metadata
from core.guards import Guard, removal
from gold import (
    GoldDamagedError,
    GoldFormatError,
    GoldNotFoundError,
    GoldReport,
    GoldService,
    Judge,
    NotAttestableError,
    NotGoldOwnerError,
    StoredReport,
    load_dataset,
)
from tests.fakes.clock import FakeClock
from tests.fakes.gold import artifact, gold_files, outcomes, replaced, with_case

ARTIFACT = "acme/support-small"
TABLES = (
    "gold_datasets",
    "gold_files",
    "gold_holdout_inputs",
    "gold_tries",
    "gold_reports",
    "gold_attested_shares",
)
OLD, NEW = "sha256:" + "0" * 64, "sha256:" + "1" * 64


def freeze(
    database: Database,
    gold: GoldService,
    files: dict[str, bytes] | None = None,
    owner: str = "acme",
) -> str:
    with database.transaction() as session:
        return gold.freeze(session, owner=owner, files=files or gold_files()).digest


def record_try(database: Database, gold: GoldService, digest: str, order_id: str) -> int:
    with database.transaction() as session:
        return gold.record_try(session, digest=digest, order_id=order_id)


def judged(candidate: str = "good", incumbent: str | None = "faulty") -> GoldReport:
    dataset = load_dataset(gold_files())
    cases = dataset.cases("holdout")
    return Judge().judge(
        dataset=dataset,
        part="holdout",
        candidate=outcomes(artifact(candidate), cases),
        incumbent=outcomes(artifact(incumbent), cases) if incumbent else None,
        best_scenario_share=None,
        try_number=1,
        seed=1,
    )


def record(database: Database, gold: GoldService, report: GoldReport, **more: Any) -> StoredReport:
    facts: dict[str, Any] = {
        "order_id": "ord_1",
        "artifact": ARTIFACT,
        "channel": "production",
        "candidate_digest": NEW,
        "incumbent_digest": OLD,
    } | more
    with database.transaction() as session:
        return gold.record_report(session, report=report, **facts)


def renamed(name: str) -> dict[str, bytes]:
    return replaced(gold_files(), "gold.toml", ARTIFACT, name)


def test_what_was_frozen_is_loaded_back(
    database: Database, gold: GoldService, clock: FakeClock
) -> None:
    digest = freeze(database, gold)
    with database.reading() as session:
        ref = gold.show(session, digest)
        dataset = gold.load(session, digest)
    assert (ref.digest, ref.name, ref.owner) == (digest, ARTIFACT, "acme")
    assert ref.frozen_at == clock.instant
    assert ref.counts["holdout"]["robustness"] == 8
    expected = load_dataset(gold_files())
    assert dataset.digest == expected.digest == digest
    assert dataset.cases("holdout") == expected.cases("holdout")
    assert dataset.cases("dev") == expected.cases("dev")


def test_freezing_again_changes_nothing(
    database: Database, gold: GoldService, clock: FakeClock
) -> None:
    digest = freeze(database, gold)
    clock.advance(days=1)
    assert freeze(database, gold, owner="acme.agent") == digest
    with database.reading() as session:
        assert gold.show(session, digest).owner == "acme"
        assert len(gold.datasets(session)) == 1


def test_freezing_at_the_same_time_gives_one_dataset(
    database: Database, gold: GoldService
) -> None:
    started = threading.Barrier(4)
    digests: list[str] = []

    def work() -> None:
        started.wait()
        digests.append(freeze(database, gold))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 4
    assert len(set(digests)) == 1


def test_a_dataset_with_errors_is_not_stored(database: Database, gold: GoldService) -> None:
    with pytest.raises(GoldFormatError):
        freeze(database, gold, replaced(gold_files(), "gold.toml", "floor = 0.50", "flor = 0.50"))
    with database.reading() as session:
        assert gold.datasets(session) == []


def test_only_the_namespace_in_the_name_may_freeze(database: Database, gold: GoldService) -> None:
    with pytest.raises(NotGoldOwnerError):
        freeze(database, gold, owner="rival")


def test_an_unknown_digest_is_not_found(database: Database, gold: GoldService) -> None:
    with database.transaction() as session:
        for call in (gold.show, gold.load):
            with pytest.raises(GoldNotFoundError):
                call(session, NEW)
        with pytest.raises(GoldNotFoundError):
            gold.record_try(session, digest=NEW, order_id="ord_1")
        with pytest.raises(GoldNotFoundError):
            gold.report(session, "gld_none")


def test_datasets_are_listed_by_page_and_namespace(
    database: Database, gold: GoldService, clock: FakeClock
) -> None:
    digests = []
    for name in ("acme/one", "rival/two", "acme/three"):
        digests.append(freeze(database, gold, renamed(name), owner=name.partition("/")[0]))
        clock.advance(seconds=1)
    with database.reading() as session:
        assert [ref.digest for ref in gold.datasets(session)] == digests
        assert [ref.digest for ref in gold.datasets(session, limit=2)] == digests[:2]
        assert [ref.digest for ref in gold.datasets(session, after=digests[0])] == digests[1:]
        of_acme = gold.datasets(session, namespace="acme")
        assert [ref.name for ref in of_acme] == ["acme/one", "acme/three"]
        assert gold.datasets(session, namespace="acm") == []


def test_a_changed_byte_is_noticed(database: Database, gold: GoldService) -> None:
    digest = freeze(database, gold)
    with database.writing_engine.begin() as connection:
        guard = Guard(table="gold_files", keys=())
        for statement in removal(connection.dialect.name, [guard]):
            connection.execute(text(statement))
        change = "UPDATE gold_files SET content = :content WHERE path = :path"
        content = gold_files()["rules/support.yaml"] + b"\n"
        connection.execute(text(change), {"content": content, "path": "rules/support.yaml"})
    with database.reading() as session, pytest.raises(GoldDamagedError):
        gold.load(session, digest)


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_append_only(database: Database, gold: GoldService, name: str) -> None:
    digest = freeze(database, gold)
    record_try(database, gold, digest, "ord_1")
    stored = record(database, gold, judged())
    with database.transaction() as session:
        gold.attest(session, stored.id)
    table = metadata.tables[name]
    attempts: list[Executable] = [update(table).values({table.c[0]: table.c[0]}), delete(table)]
    if database.is_sqlite:
        replace = insert(table).prefix_with("OR REPLACE")
        attempts.append(replace.from_select(list(table.c), select(table)))
    else:
        attempts.append(text(f"TRUNCATE {name} CASCADE"))
    for attempt in attempts:
        with database.writing_engine.connect() as connection:
            if database.is_sqlite:  # REPLACE fires delete triggers only where this is on
                connection.execute(text("PRAGMA recursive_triggers=OFF"))
            with pytest.raises(DatabaseError, match="append-only"):
                connection.execute(attempt)
            connection.rollback()
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() > 0


def test_tries_are_counted_once_per_order(database: Database, gold: GoldService) -> None:
    digest = freeze(database, gold)
    assert record_try(database, gold, digest, "ord_1") == 1
    assert record_try(database, gold, digest, "ord_2") == 2
    assert record_try(database, gold, digest, "ord_1") == 1
    assert record_try(database, gold, digest, "ord_3") == 3


def test_a_copy_of_the_holdout_gives_no_fresh_first_try(
    database: Database, gold: GoldService
) -> None:
    first = freeze(database, gold)
    shouted = gold_files()
    shouted["cases/robustness.jsonl"] = shouted["cases/robustness.jsonl"].replace(
        b"One moment please", b"ONE  MOMENT please"
    )
    copy = freeze(
        database, gold, replaced(shouted, "gold.toml", ARTIFACT, "rival/copy"), owner="rival"
    )
    assert copy != first
    assert record_try(database, gold, first, "ord_1") == 1
    assert record_try(database, gold, copy, "ord_2") == 2
    assert record_try(database, gold, first, "ord_3") == 3


def test_one_shared_holdout_conversation_is_enough(database: Database, gold: GoldService) -> None:
    first = freeze(database, gold)
    assert record_try(database, gold, first, "ord_1") == 1
    files = renamed("acme/other")
    held = [case.id for case in load_dataset(files).cases("holdout") if case.type == "robustness"]
    for number, case_id in enumerate(held[1:]):
        files = changed_input(files, case_id, f"something else {number}")
    sharing = freeze(database, gold, files)
    assert record_try(database, gold, sharing, "ord_2") == 2


def changed_input(files: dict[str, bytes], case_id: str, words: str) -> dict[str, bytes]:
    conversation = [{"role": "user", "text": words}]
    return with_case(
        files, "cases/robustness.jsonl", case_id, {"input": {"conversation": conversation}}
    )


def test_strangers_do_not_share_a_lineage(database: Database, gold: GoldService) -> None:
    """Structure cases with an empty chat are in both datasets: that alone joins nothing."""
    first = freeze(database, gold)
    assert record_try(database, gold, first, "ord_1") == 1
    files = renamed("rival/own")
    kept = 0
    for path in [path for path in files if path.startswith("cases/")]:
        for line in files[path].splitlines():
            case = json.loads(line)
            turns = case["input"].get("conversation")
            if not turns:
                kept += 1
                continue
            turns.insert(0, {"role": "user", "text": f"This is about {case['id']}."})
            files = with_case(files, path, case["id"], {"input": case["input"]})
    assert kept
    own = freeze(database, gold, files, owner="rival")
    assert record_try(database, gold, own, "ord_2") == 1


def test_cases_of_every_type_make_a_lineage(database: Database, gold: GoldService) -> None:
    """New conversations do not make a copy of everything else a fresh dataset."""
    first = freeze(database, gold)
    assert record_try(database, gold, first, "ord_1") == 1
    files = renamed("rival/own")
    for line in files["cases/robustness.jsonl"].splitlines():
        case_id = json.loads(line)["id"]
        files = changed_input(files, case_id, f"a chat about {case_id}")
    own = freeze(database, gold, files, owner="rival")
    assert record_try(database, gold, own, "ord_2") == 2


def test_tries_at_the_same_time_get_different_numbers(
    database: Database, gold: GoldService
) -> None:
    digests = [freeze(database, gold), freeze(database, gold, renamed("rival/copy"), "rival")]
    started = threading.Barrier(6)
    numbers: list[int] = []

    def work(order: int) -> None:
        started.wait()
        numbers.append(record_try(database, gold, digests[order % 2], f"ord_{order}"))

    threads = [threading.Thread(target=work, args=(order,)) for order in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]


def test_reports_are_kept_per_order(
    database: Database, gold: GoldService, clock: FakeClock
) -> None:
    freeze(database, gold)
    rejected = record(database, gold, judged("good", "good"), incumbent_digest=NEW)
    clock.advance(seconds=1)
    accepted = record(database, gold, judged())
    record(database, gold, judged(), order_id="ord_2")
    with database.reading() as session:
        kept = gold.reports(session, "ord_1")
        assert [report.id for report in kept] == [rejected.id, accepted.id]
        assert [report.accepted for report in kept] == [False, True]
        assert gold.report(session, accepted.id) == accepted
    assert accepted.body == judged().to_json()
    assert accepted.view("submitter") == judged().view("submitter")
    assert "cases" not in rejected.view("submitter")
    assert rejected.view("auditor")["reason"] == "no_headroom"


def test_the_same_judging_is_kept_once(
    database: Database, gold: GoldService, clock: FakeClock
) -> None:
    freeze(database, gold)
    first = record(database, gold, judged())
    clock.advance(seconds=9)
    assert record(database, gold, judged()) == first
    first_version = record(database, gold, judged("good", None), incumbent_digest=None)
    assert first_version.id != first.id


def test_the_best_attested_share_is_the_channels(database: Database, gold: GoldService) -> None:
    freeze(database, gold)
    half = record(database, gold, judged("faulty", None), incumbent_digest=None)
    full = record(database, gold, judged(), order_id="ord_2")

    def best(channel: str = "production") -> Fraction | None:
        with database.reading() as session:
            return gold.best_scenario_share(session, artifact=ARTIFACT, channel=channel)

    assert best() is None
    for report, expected in ((half, Fraction(1, 2)), (full, Fraction(1)), (half, Fraction(1))):
        with database.transaction() as session:
            gold.attest(session, report.id)
        assert best() == expected
    assert best("canary") is None


def test_a_rejection_cannot_be_attested(database: Database, gold: GoldService) -> None:
    freeze(database, gold)
    rejected = record(database, gold, judged("good", "good"))
    with database.transaction() as session, pytest.raises(NotAttestableError):
        gold.attest(session, rejected.id)
