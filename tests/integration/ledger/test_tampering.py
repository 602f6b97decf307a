"""What the owner of the database can do, and how it shows: live, and in an export elsewhere."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from aem.proof import Checkpoint, Envelope
from aem.proof.audit import AuditReport, verify_export
from ledger.store.tables import checkpoints, log_entries, transfers, usage
from tests.fakes.bank import TOKEN, Bank
from tests.fakes.intruder import backup, reseal, resign, restore, unguarded

Attack = Callable[[Bank, Session], None]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A ledger with some history, and the checkpoints of it that were kept elsewhere."""

    bank: Bank
    kept: list[Envelope]

    @property
    def sizes(self) -> list[int]:
        return [Checkpoint.from_payload(envelope.payload).size for envelope in self.kept]

    def after(self, attack: Attack) -> dict[str, AuditReport]:
        """Verify what an attack leaves, live and by its export; then take it back."""
        with Session(self.bank.database.writing_engine) as session:
            with unguarded(session.connection()):
                attack(self.bank, session)
                session.flush()
            return {
                "live": self.bank.audit.verify(session, outside=self.kept[-1:]),
                "export": verify_export(
                    io.BytesIO(self.bank.exported(session)),
                    outside=self.kept,
                    trust=self.bank.trust,
                ),
            }


@pytest.fixture
def scene(funded: Bank) -> Scene:
    kept = [funded.checkpoint()]
    for number in range(3):
        funded.admit(f"try-{number}")
        funded.settle(f"try-{number}")
        funded.fund("wallet:acme.bot", TOKEN, key=f"more-{number}")
        kept.append(funded.checkpoint())
    return Scene(bank=funded, kept=kept)


def number_of(session: Session, record_id: str) -> int:
    query = select(log_entries.c.number).where(log_entries.c.record_id == record_id)
    return int(session.execute(query).scalar_one())


def middle(session: Session) -> str:
    """Return a transfer between the second and the third checkpoint."""
    query = select(transfers.c.id).where(transfers.c.batch_key == "attempt:try-1:end")
    return str(session.execute(query.order_by(transfers.c.position)).scalars().first())


def edit(_bank: Bank, session: Session) -> None:
    session.execute(
        update(transfers)
        .where(transfers.c.id == middle(session))
        .values(amount=transfers.c.amount + 1)
    )


def delete_row(_bank: Bank, session: Session) -> None:
    session.execute(text("DELETE FROM ledger_usage WHERE attempt_id = 'try-1'"))
    session.execute(delete(transfers).where(transfers.c.id == middle(session)))


def replace(_bank: Bank, session: Session) -> None:
    target = middle(session)
    row = dict(session.execute(select(transfers).where(transfers.c.id == target)).mappings().one())
    session.execute(delete(transfers).where(transfers.c.id == target))
    session.execute(transfers.insert().values(row | {"memo": "nothing to see"}))


NAMED: dict[str, Attack] = {"edit": edit, "delete": delete_row, "replace": replace}


@pytest.mark.parametrize("attack", NAMED)
def test_a_changed_record_is_named_with_its_place(scene: Scene, attack: str) -> None:
    with scene.bank.database.reading() as session:
        target = middle(session)
        number = number_of(session, target)
        usage_id = session.execute(
            select(usage.c.id).where(usage.c.attempt_id == "try-1")
        ).scalar_one()
        expected = {
            "edit": ("transfer", target, number),
            "delete": ("transfer", target, number),
            "replace": ("transfer", target, number),
        }
        assert number < number_of(session, usage_id)
    for report in scene.after(NAMED[attack]).values():
        bad = report.log.first_bad
        assert bad is not None
        assert (bad.record, bad.id, bad.number) == expected[attack]
        assert ("missing" in bad.why) is (attack == "delete")


def reorder(_bank: Bank, session: Session) -> None:
    first = number_of(session, middle(session))
    number = log_entries.c.number
    for old, new in ((first, -1), (first + 1, first), (-1, first + 1)):
        session.execute(update(log_entries).where(number == old).values(number=new))


def slip_in(_bank: Bank, session: Session) -> None:
    """Insert a transfer in the middle of the log, with a leaf of its own."""
    place = number_of(session, middle(session))
    row = dict(
        session.execute(select(transfers).where(transfers.c.kind == "allocation").limit(1))
        .mappings()
        .one()
    )
    session.execute(transfers.insert().values(row | {"id": "tra_forged", "batch_key": "forged"}))
    number = log_entries.c.number
    later = session.execute(select(number).where(number >= place).order_by(number.desc()))
    for found in list(later.scalars()):
        session.execute(update(log_entries).where(number == found).values(number=found + 1))
    session.execute(
        log_entries.insert().values(
            number=place, record="transfer", record_id="tra_forged", leaf_hash=b"0" * 32
        )
    )
    reseal(session)


def rewrite(bank: Bank, session: Session) -> None:
    edit(bank, session)
    reseal(session)


def rewrite_and_resign_without_key(bank: Bank, session: Session) -> None:
    rewrite(bank, session)
    session.execute(delete(checkpoints))


def rewrite_with_key(bank: Bank, session: Session) -> None:
    rewrite(bank, session)
    resign(session, bank.checkpoints.sign)


LOCATED: dict[str, Attack] = {
    "reorder": reorder,
    "insert": slip_in,
    "rewrite": rewrite,
    "rewrite, checkpoints dropped": rewrite_and_resign_without_key,
    "rewrite with the stolen key": rewrite_with_key,
}


@pytest.mark.parametrize("attack", LOCATED)
def test_a_rewritten_stretch_lies_between_two_checkpoints(scene: Scene, attack: str) -> None:
    reports = scene.after(LOCATED[attack])
    bad = reports["export"].log.first_bad
    assert bad is not None
    assert (bad.record, bad.between) == ("checkpoint", (scene.sizes[1], scene.sizes[2]))
    live = reports["live"].log.first_bad
    assert live is not None
    assert live.record == "checkpoint"
    assert live.between is not None
    assert live.between[0] <= scene.sizes[1] < scene.sizes[2] <= live.between[1]


def truncate(bank: Bank, session: Session) -> None:
    rows = backup(session)
    restore(session, {table: [] for table in rows})


@pytest.mark.parametrize("is_signed", [True, False], ids=["as backed up", "a checkpoint less"])
def test_a_log_cut_back_is_behind_the_checkpoint_kept_elsewhere(
    funded: Bank, *, is_signed: bool
) -> None:
    if is_signed:
        funded.checkpoint()
    with funded.database.reading() as session:
        old = backup(session)
    funded.admit("try-1")
    funded.settle("try-1")
    scene = Scene(bank=funded, kept=[funded.checkpoint()])

    def cut_back(_bank: Bank, session: Session) -> None:
        restore(session, old)

    for attack in (cut_back, truncate):
        for report in scene.after(attack).values():
            bad = report.log.first_bad
            assert bad is not None
            assert (bad.record, bad.id) == ("checkpoint", "outside")
            assert "ahead of the log" in bad.why


def test_what_only_a_kept_checkpoint_shows_is_said_when_there_is_none(scene: Scene) -> None:
    with Session(scene.bank.database.writing_engine) as session:
        with unguarded(session.connection()):
            session.execute(
                update(transfers)
                .where(transfers.c.kind == "allocation")
                .values(memo="rewritten by the key's thief")
            )
            reseal(session)
            resign(session, scene.bank.checkpoints.sign)
        export = scene.bank.exported(session)
        assert scene.bank.audit.verify(session).verified
    report = verify_export(io.BytesIO(export))
    assert report.verified
    assert any("rewrote the whole log" in sentence for sentence in report.not_excluded)
    assert any("keys" in sentence for sentence in report.not_excluded)
    assert not verify_export(io.BytesIO(export), outside=scene.kept[:1]).verified


def test_triggers_that_the_superuser_only_disables_change_nothing(scene: Scene) -> None:
    if scene.bank.database.is_sqlite:
        pytest.skip("SQLite has no way to disable a trigger: the others drop them")
    for switch in (
        "SET LOCAL session_replication_role = replica",
        "ALTER TABLE ledger_transfers DISABLE TRIGGER ALL",
    ):
        with Session(scene.bank.database.writing_engine) as session:
            session.execute(text(switch))
            edit(scene.bank, session)
            target = middle(session)
            report = scene.bank.audit.verify(session)
            offline = verify_export(io.BytesIO(scene.bank.exported(session)))
        for found in (report, offline):
            assert found.first_bad is not None
            assert (found.first_bad.record, found.first_bad.id) == ("transfer", target)
