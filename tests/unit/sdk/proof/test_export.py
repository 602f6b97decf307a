import gzip
import io
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from aem.proof import (
    Envelope,
    Frontier,
    GrowingTree,
    KeyPurpose,
    MalformedError,
    UntrustedError,
    canonical_json,
    leaf_hash,
)
from aem.proof.audit import (
    AuditReport,
    BadRecord,
    ExportEnd,
    ExportHeader,
    checkpoint_line,
    leaves_line,
    problem_line,
    state_line,
    verify_export,
)
from aem.proof.audit.lines import MAX_LINE_BYTES
from tests.fakes.exports import (
    NOON,
    header,
    lines_of,
    packed,
    record_line,
    signed_checkpoint,
    transfer,
)
from tests.fakes.keys import FakeKeys

KEYS = FakeKeys()
LINES = lines_of(4)
FIRST_RECORD = 2  # behind the header and the leaves
MIDDLE_CHECKPOINT = 4


def verified(lines: list[bytes], **options: object) -> AuditReport:
    return verify_export(io.BytesIO(packed(lines)), **options)  # type: ignore[arg-type]


def first_bad(lines: list[bytes], **options: object) -> BadRecord:
    report = verified(lines, **options)
    assert report.first_bad is not None
    return report.first_bad


def changed(place: int, line: bytes) -> list[bytes]:
    return [*LINES[:place], line, *LINES[place + 1 :]]


def tree_of(count: int) -> GrowingTree:
    tree = GrowingTree()
    for number in range(count):
        tree.append(leaf_hash(record_line(transfer(number))))
    return tree


def test_an_honest_export_is_verified_with_its_figures() -> None:
    report = verified(LINES, trust=KEYS.trust_root)
    assert report.verified
    assert report.log.figures == {"size": 4, "checkpoints": 2}
    assert report.balances.figures == {"transfers": 4, "accounts": 2, "open_holds": 0}
    assert len(report.not_excluded) == 1


def test_an_empty_ledger_is_verified() -> None:
    tree = GrowingTree()
    lines = [header(0, KEYS).to_line(), ExportEnd(head=tree.frontier(), unsealed=None).to_line()]
    assert verified(lines).verified


def test_a_large_export_is_read_in_pieces_and_tells_how_far_it_is() -> None:
    told: list[tuple[int, int]] = []
    lines = lines_of(9_000)
    assert verified(lines, progress=lambda *done: told.append(done)).verified
    assert told == sorted(told)
    assert len(told) > 2
    assert told[-1] == (9_000, 9_000)


def test_a_longer_log_takes_no_more_memory() -> None:
    def peak_bytes(count: int) -> int:
        file = io.BytesIO(packed(lines_of(count)))
        tracemalloc.start()
        try:
            assert verify_export(file).verified
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak_bytes(5_000), peak_bytes(20_000)
    assert many < 1.3 * few


def test_a_changed_record_is_named_with_its_place() -> None:
    bad = first_bad(changed(FIRST_RECORD + 1, record_line(transfer(1, amount=6))))
    assert (bad.record, bad.id, bad.number) == ("transfer", "tra_1", 1)
    assert "differs from what was sealed" in bad.why


def test_a_record_is_hashed_as_it_stands() -> None:
    spaced = LINES[FIRST_RECORD + 1].replace(b'"amount":5', b'"amount": 5')
    assert first_bad(changed(FIRST_RECORD + 1, spaced)).id == "tra_1"


@pytest.mark.parametrize(
    ("problem", "why"),
    [("record_missing", "is missing"), ("record_unreadable", "differs")],
)
def test_a_record_that_the_database_lacked_is_named(problem: str, why: str) -> None:
    line = problem_line(problem, record="transfer", record_id="tra_1")
    bad = first_bad(changed(FIRST_RECORD + 1, line))
    assert (bad.record, bad.id, bad.number) == ("transfer", "tra_1", 1)
    assert why in bad.why


def test_a_gap_in_the_log_is_named() -> None:
    line = problem_line("entry_missing", record="log_entry", record_id="1")
    report = verified([*LINES[: FIRST_RECORD + 1], line, *LINES[FIRST_RECORD + 1 :]])
    assert report.log.first_bad is not None
    assert (report.log.first_bad.record, report.log.first_bad.id) == ("log_entry", "1")


def test_a_rewritten_record_lies_between_the_checkpoints_around_it() -> None:
    record = record_line(transfer(2, memo="forged"))
    leaves = [leaf_hash(LINES[place]) for place in (2, 3)] + [
        leaf_hash(record),
        leaf_hash(LINES[6]),
    ]
    lines = [LINES[0], leaves_line(leaves), *LINES[2:5], record, *LINES[6:]]
    bad = first_bad(lines)
    assert (bad.record, bad.id, bad.between) == ("checkpoint", "4", (2, 4))


CHECKPOINTS: dict[str, tuple[Envelope, str]] = {
    "stranger": (signed_checkpoint(tree_of(2), FakeKeys("stranger")), "no trusted"),
    "other purpose": (
        signed_checkpoint(tree_of(2), KEYS, purpose=KeyPurpose.POINTER),
        "no trusted",
    ),
    "other log": (signed_checkpoint(tree_of(2), KEYS, origin="other"), "another log"),
    "other size": (signed_checkpoint(tree_of(3), KEYS), "does not fit"),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_that_does_not_fit_is_named(name: str) -> None:
    envelope, why = CHECKPOINTS[name]
    bad = first_bad(changed(MIDDLE_CHECKPOINT, checkpoint_line(2, envelope.to_json())))
    assert (bad.record, bad.id) == ("checkpoint", "2")
    assert why in bad.why


def test_a_checkpoint_dated_before_an_earlier_one_is_named() -> None:
    late = signed_checkpoint(tree_of(2), KEYS, at=NOON + timedelta(hours=1))
    bad = first_bad(changed(MIDDLE_CHECKPOINT, checkpoint_line(2, late.to_json())))
    assert (bad.record, bad.id) == ("checkpoint", "4")
    assert "before an earlier one" in bad.why


@pytest.mark.parametrize(("signed_s", "counts"), [(-1, True), (0, False), (3600, False)])
def test_a_retired_key_counts_for_its_time_alone(signed_s: int, *, counts: bool) -> None:
    retired = replace(KEYS.trusted(KeyPurpose.CHECKPOINT), valid_until=NOON)
    rotated = FakeKeys("rotated", version=2, retired=(retired,))
    old = signed_checkpoint(tree_of(2), KEYS, at=NOON + timedelta(seconds=signed_s))
    new = signed_checkpoint(tree_of(4), rotated, at=NOON + timedelta(hours=1))
    lines = [header(4, rotated).to_line(), *LINES[1:4], checkpoint_line(2, old.to_json())]
    lines += [*LINES[5:7], checkpoint_line(4, new.to_json()), *LINES[8:]]
    report = verified(lines, trust=rotated.trust_root)
    assert report.verified is counts
    if not counts:
        bad = report.log.first_bad
        assert bad is not None
        assert (bad.id, "not in force" in bad.why) == ("2", True)


def test_a_damaged_checkpoint_and_one_ahead_of_the_log_are_named() -> None:
    damaged = first_bad(changed(MIDDLE_CHECKPOINT, checkpoint_line(2, None)))
    assert (damaged.record, damaged.why) == ("checkpoint", "is no signed envelope")
    ahead = signed_checkpoint(tree_of(9), KEYS).to_json()
    bad = first_bad([*LINES[:-1], checkpoint_line(9, ahead), LINES[-1]])
    assert (bad.record, bad.id) == ("checkpoint", "9")


class TestOutsideCheckpoints:
    @pytest.mark.parametrize("size", [0, 1, 2, 3, 4])
    def test_one_of_any_size_is_compared(self, size: int) -> None:
        honest = signed_checkpoint(tree_of(size), KEYS)
        assert verified(LINES, outside=[honest]).verified
        other = GrowingTree()
        for number in range(size):
            other.append(leaf_hash(record_line(transfer(number, memo="other"))))
        if size:
            bad = first_bad(LINES, outside=[signed_checkpoint(other, KEYS)])
            assert (bad.id, bad.between) == ("outside", (0, size))

    def test_the_stretch_begins_at_the_last_kept_one_that_fits(self) -> None:
        other = tree_of(3)
        other.append(b"x" * 32)
        kept = [signed_checkpoint(tree_of(1), KEYS), signed_checkpoint(other, KEYS)]
        assert first_bad(LINES, outside=kept).between == (1, 4)

    def test_an_older_state_is_behind_it(self) -> None:
        bad = first_bad(LINES, outside=[signed_checkpoint(tree_of(5), KEYS)])
        assert (bad.record, bad.id) == ("checkpoint", "outside")
        assert "ahead of the log" in bad.why
        assert "of size 5" in bad.why
        assert "ends before the kept checkpoint: export again" in bad.why

    def test_a_part_says_which_it_could_not_use(self) -> None:
        part = [replace(header(4, KEYS), is_whole=False).to_line(), *LINES[1:]]
        kept = [signed_checkpoint(tree_of(size), KEYS) for size in (4, 5)]
        report = verified(part, outside=kept)
        assert report.verified is None
        told = [text for text in report.not_excluded if "could not be used" in text]
        assert [("size 4" in text, "size 5" in text) for text in told] == [(False, True)]

    def test_what_it_cannot_show_is_said(self) -> None:
        def told(*sizes: int) -> str:
            kept = [signed_checkpoint(tree_of(size), KEYS) for size in sizes]
            return " ".join(verified(LINES, outside=kept, trust=KEYS.trust_root).not_excluded)

        assert "rewrote the whole log" in told()
        assert "what follows record 2" in told(1, 2)
        assert told(4) == ""

    def test_unsigned_records_are_counted(self) -> None:
        lines = [line for line in LINES if b'"size":4' not in line or b"checkpoint" not in line]
        assert any("the last 2 records" in text for text in verified(lines).not_excluded)


class TestMoney:
    def end(self, *rows: dict[str, object], cause: dict[str, object] | None = None) -> list[bytes]:
        """Return an export of these transfers, and a usage record, honest but for what they do."""
        records = [record_line(row) for row in rows]
        records += [record_line(cause, "usage")] if cause else []
        tree = GrowingTree()
        for record in records:
            tree.append(leaf_hash(record))
        leaves = leaves_line([leaf_hash(record) for record in records])
        end = ExportEnd(head=tree.frontier(), unsealed=None).to_line()
        return [header(len(records), KEYS).to_line(), leaves, *records, *LINES[-3:-1], end]

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"debit": "fiat-spent:y"}, "overdraws"),
            ({"amount": -5}, "moves nothing"),
            ({"amount": "5"}, "cannot be read"),
            ({"amount": 5.5}, "cannot be read"),
            ({"phase": "gone"}, "cannot be read"),
            ({"phase": "post", "hold_id": "tra_9"}, "settles no open hold"),
        ],
        ids=str,
    )
    def test_the_first_wrong_transfer_is_named(self, change: dict[str, object], why: str) -> None:
        report = verified(self.end(transfer(0), transfer(1, **change)))
        bad = report.balances.first_bad
        assert bad is not None
        assert (bad.record, bad.id, bad.number) == ("transfer", "tra_1", 1)
        assert why in bad.why

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"amount": 6}, "exceeds its hold"),
            ({"credit": "fiat-spent:y"}, "hold of other accounts"),
        ],
        ids=str,
    )
    def test_a_hold_bounds_what_settles_it(self, change: dict[str, object], why: str) -> None:
        rows = (
            transfer(0),
            transfer(1, phase="hold"),
            transfer(2, phase="post", hold_id="tra_1", **change),
        )
        bad = verified(self.end(*rows)).balances.first_bad
        assert bad is not None
        assert (bad.id, bad.number) == ("tra_2", 2)
        assert why in bad.why

    def test_tokens_from_nowhere_are_named(self) -> None:
        forged = transfer(1, debit="mint", credit="wallet:thief", currency="utok")
        report = verified(self.end(transfer(0), forged))
        assert report.receipts.first_bad is not None
        assert (report.receipts.first_bad.id, report.receipts.first_bad.number) == ("tra_1", 1)
        assert not report.identity.holds

    @pytest.mark.parametrize(("burn_utok", "holds"), [(5, True), (4, False), (6, False)])
    def test_a_burn_is_paid_for_to_the_unit(self, burn_utok: int, *, holds: bool) -> None:
        burned = transfer(1, debit="wallet:acme", credit="burn", currency="utok")
        cause = {
            "id": "use_1",
            "attempt_id": "try-1",
            "transfers": "tra_0 tra_1",
            "burn_utok": burn_utok,
            "shortfall_utok": 0,
        }
        report = verified(self.end(transfer(0), burned, cause=cause))
        assert report.log.holds
        bad = report.receipts.first_bad
        assert holds is (bad is None)
        assert bad is None or (bad.record, bad.id, bad.number) == ("usage", "use_1", 2)

    def test_an_account_of_no_kind_and_a_missing_one_are_named(self) -> None:
        row = {
            "code": "swiss:vault",
            "currency": "nusd",
            "floor": 0,
            "credits_posted": 1,
            "debits_posted": 0,
            "debits_held": 0,
            "credits_held": 0,
        }
        bad = first_bad([*LINES[:-1], state_line("account", row), LINES[-1]])
        assert (bad.record, bad.id) == ("account", "swiss:vault")
        missing = first_bad([*LINES[:-2], LINES[-1]])
        assert (missing.record, missing.id) == ("account", "fiat-spent:x")


DAMAGES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "no end": lambda lines: lines[:-1],
    "no accounts, no end": lambda lines: lines[:5],
    "more after the end": lambda lines: [*lines, lines[-2]],
    "a record after the end": lambda lines: [*lines, lines[2]],
    "no leaves": lambda lines: [lines[0], *lines[2:]],
    "leaves of half a hash": lambda lines: [lines[0], b'{"leaves":"AAAA"}', *lines[2:]],
    "leaves before the last are used": lambda lines: [*lines[:3], lines[1], *lines[3:]],
    "a line that is no JSON": lambda lines: [*lines[:3], b"{", *lines[3:]],
    "a line of nothing": lambda lines: [*lines[:3], b"", *lines[3:]],
    "an unknown line": lambda lines: [*lines[:3], b'{"a":1}', *lines[3:]],
    "fewer records than the header says": lambda lines: [header(5, KEYS).to_line(), *lines[1:]],
    "a leaf without its record": lambda lines: [
        *lines[:-1],
        leaves_line([b"x" * 32]),
        lines[-1],
    ],
    "an unknown problem": lambda lines: [
        *lines[:3],
        problem_line("sorry", record="a", record_id="b"),
        *lines[3:],
    ],
    "a record that is no JSON": lambda lines: [*lines[:3], b'{"fields":', *lines[4:]],
    "a record without a kind": lambda lines: [*lines[:3], b'{"fields":{}}', *lines[4:]],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_never_verified(damage: str) -> None:
    bad = verified(DAMAGES[damage](LINES)).log.first_bad
    assert bad is not None
    assert bad.record == "export"


def test_a_dropped_record_shows_at_its_place() -> None:
    bad = first_bad([*LINES[:3], *LINES[4:]])
    assert (bad.record, bad.id, bad.number) == ("transfer", "tra_2", 1)
    last = first_bad([*LINES[:6], *LINES[7:]])
    assert (last.record, last.id) == ("checkpoint", "4")


def test_a_file_cut_off_anywhere_is_never_verified() -> None:
    data = packed(LINES)
    for size_bytes in range(0, len(data), 7):
        try:
            report = verify_export(io.BytesIO(data[:size_bytes]))
        except MalformedError:
            continue  # not even the header is there
        assert not report.verified


def test_what_a_file_that_is_cut_off_says_of_money_is_not_checked() -> None:
    for lines in (LINES[:2], LINES[:-1]):
        report = verified(lines)
        assert [name for name, found in report.statements.items() if found.is_checked] == ["log"]
        told = report.to_json()["statements"]
        assert {name: found["holds"] for name, found in told.items()} == {
            "log": False,
            **dict.fromkeys(("balances", "identity", "fiat", "receipts")),
        }
        assert any("read to its end" in sentence for sentence in report.not_excluded)
    assert all(found.is_checked for found in verified(LINES).statements.values())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        gzip.compress(b"{}\n"),
        gzip.compress(b'{"format":"other"}\n'),
        packed([LINES[0].replace(b"aem-audit-v1", b"aem-audit-v2")]),
        packed([LINES[0].replace(b'"is_whole":true', b'"is_whole":1')]),
    ],
    ids=["empty", "plain", "no header", "other format", "other version", "other type"],
)
def test_what_is_no_export_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        verify_export(io.BytesIO(data))


def test_what_follows_the_file_is_refused() -> None:
    for rest in (b"x", packed(LINES)):
        report = verify_export(io.BytesIO(packed(LINES) + rest))
        assert not report.verified


def test_a_line_without_end_takes_no_memory() -> None:
    data = gzip.compress(LINES[0] + b"\n" + b"x" * (3 * MAX_LINE_BYTES))
    bad = verify_export(io.BytesIO(data)).first_bad
    assert bad is not None
    assert "has more than" in bad.why


def test_keys_that_the_pinned_root_does_not_vouch_for_are_refused() -> None:
    stranger = FakeKeys("stranger", version=2)
    with pytest.raises(UntrustedError):
        verified(lines_of(2, keys=stranger), trust=KEYS.trust_root)
    same_version = verified(lines_of(2, keys=FakeKeys("stranger")), trust=KEYS.trust_root)
    assert same_version.log.first_bad is not None
    assert "no trusted" in same_version.log.first_bad.why


def test_a_part_of_the_log_is_checked_as_far_as_it_goes() -> None:
    tree = tree_of(2)
    head = ExportHeader(
        origin=header(4, KEYS).origin,
        start=tree.frontier(),
        size=4,
        is_whole=False,
        trust=header(4, KEYS).trust,
    )
    leaves = leaves_line([leaf_hash(line) for line in LINES[5:7]])
    end = ExportEnd(head=tree_of(4).frontier(), unsealed=None).to_line()
    part = [head.to_line(), leaves, *LINES[5:8], end]
    kept = [signed_checkpoint(tree_of(size), KEYS) for size in (1, 2, 3)]
    report = verified(part, outside=kept)
    assert report.verified is None
    assert (report.log.holds, report.balances.holds) == (True, None)
    assert any("part of the log" in sentence for sentence in report.not_excluded)
    other = tree_of(2)
    other.append(b"x" * 32)
    rewritten = verified(part, outside=[kept[0], signed_checkpoint(other, KEYS)])
    assert rewritten.verified is False, "one from before the part hides none that is in it"
    forged = [*part[:2], record_line(transfer(2, memo="x")), *part[3:]]
    assert first_bad(forged).number == 2
    other_start = Frontier(size=2, peaks=(b"x" * 32,))
    wrong = canonical_json({**_json(head.to_line()), "start": other_start.to_json()})
    assert first_bad([wrong, *part[1:]]).record == "checkpoint"


def _json(line: bytes) -> dict[str, object]:
    value: dict[str, object] = json.loads(line)
    return value
