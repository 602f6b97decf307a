"""``aem audit``: the proof of where the money is, asked of the service or checked without it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from aem.client import Client
from aem.proof import Checkpoint, Envelope, MalformedError, ProofError, TrustRoot, canonical_json
from aem.proof.audit import (
    CONSISTENCY_FORMAT,
    OWN_KEYS,
    RECEIPT_FORMAT,
    ConsistencyProof,
    Receipt,
    format_of,
    is_about,
    require_same,
    verify_export,
)
from aem.proof.payload import parse_json
from cli.output import (
    ExitCode,
    fail,
    json_option,
    print_facts,
    print_json,
    print_table,
    say,
)
from cli.remote.connection import connect, read_file, remote
from cli.remote.files import OutputFile, force_option, save
from cli.remote.listings import audit_result, cursor_option, limit_option, print_cursor

GZIP_MAGIC = b"\x1f\x8b"

_VERDICTS = {
    True: "verified",
    False: "NOT VERIFIED",
    None: "PARTLY VERIFIED: what was checked holds, and not all was checked",
}

file_type = click.Path(exists=True, dir_okay=False, path_type=Path)
output_option = click.option(
    "-o", "--output", type=OutputFile(), help="File to write; else print."
)


@click.group()
def audit() -> None:
    """Prove that the ledger is whole."""


@audit.command()
@click.argument("file", type=file_type, required=False)
@click.option(
    "--checkpoint",
    "kept",
    type=file_type,
    multiple=True,
    help="A checkpoint, receipt or proof kept elsewhere; repeatable.",
)
@click.option("--trust", "trust_file", type=file_type, help="The trust root pinned before.")
@json_option
@remote
def verify(
    file: Path | None, kept: tuple[Path, ...], trust_file: Path | None, *, as_json: bool
) -> None:
    """Check log, balances, monetary identity, fiat budget and receipts.

    FILE is an export, a receipt or a consistency proof: it is checked here, without the service.
    Without FILE the service checks itself. Exit code 9 if a statement does not hold, 10 if some
    could not be checked.
    """
    if file is None and trust_file:
        raise click.UsageError("--trust goes with a FILE: the service knows its own keys")
    trust = None if trust_file is None else _read_trust(trust_file)
    outside = [_Kept(path=path, checkpoints=_read_kept(path, trust)) for path in kept]
    if file is None:
        with connect() as client:
            report = client.verify_audit(_all_of(outside))
    else:
        report = _verify_file(file, outside, trust, as_json=as_json)
    print_json(report) if as_json else _print_report(report)
    if report["verified"] is not True:
        is_bad = report["verified"] is False
        raise click.exceptions.Exit(ExitCode.NOT_VERIFIED if is_bad else ExitCode.PARTLY_VERIFIED)


@audit.command()
@click.argument("file", type=OutputFile())
@click.option("--from", "start", type=click.IntRange(min=0), help="First record; default 0.")
@click.option("--to", "end", type=click.IntRange(min=0), help="Up to this record; default all.")
@force_option
@json_option
@remote
def export(
    file: Path, start: int | None, end: int | None, *, is_forced: bool, as_json: bool
) -> None:
    """Write the whole ledger to FILE, for `aem audit verify FILE` on any machine."""
    with connect() as client, _counter("bytes") as tell:
        size_bytes = save(
            file, _told(client.export_audit(start=start, end=end), tell), is_forced=is_forced
        )
    print_json({"file": str(file), "bytes": size_bytes}) if as_json else say(
        f"{file}: {size_bytes} bytes; check it with `aem audit verify {file}`"
    )


@audit.command()
@click.argument("transfer_id", required=False)
@click.option("--from", "old", help="A checkpoint's size, or a file that keeps one.")
@click.option("--to", "new", help="The same; default the newest.")
@output_option
@force_option
@remote
def prove(
    transfer_id: str | None,
    old: str | None,
    new: str | None,
    output: Path | None,
    *,
    is_forced: bool,
) -> None:
    """Get the receipt of TRANSFER_ID, or with --from the proof that the log only grew since."""
    if (transfer_id is None) == (old is None):
        raise click.UsageError("give a TRANSFER_ID, or --from")
    with connect() as client:
        if transfer_id is not None:
            data = client.receipt(transfer_id)
            Receipt.from_bytes(data).verify()
        else:
            data = _consistency(client, old or "", new)
    _write(data, output, is_forced=is_forced)


@audit.command()
@output_option
@force_option
@remote
def trust(output: Path | None, *, is_forced: bool) -> None:
    """Get the service's trust root, which vouches for its keys: pin it for `verify --trust`."""
    with connect() as client:
        envelope = client.trust()
    TrustRoot.from_envelope(envelope)
    _write(canonical_json(envelope.to_json()), output, is_forced=is_forced)


@audit.command()
@output_option
@force_option
@remote
def checkpoint(output: Path | None, *, is_forced: bool) -> None:
    """Get a signed checkpoint of the log as it is now: keep it where the service cannot reach."""
    with connect() as client:
        envelope = client.checkpoint()
        root = TrustRoot.from_envelope(client.trust())
    Checkpoint.from_envelope(envelope, root.keys)
    _write(canonical_json(envelope.to_json()), output, is_forced=is_forced)


@audit.command("checkpoints")
@limit_option
@cursor_option
@json_option
@remote
def list_checkpoints(limit: int, cursor: str | None, *, as_json: bool) -> None:
    """List the signed checkpoints, the smallest first."""
    with connect() as client:
        found = client.checkpoints(limit=limit, cursor=cursor)
    if as_json:
        print_json(found)
        return
    read = [Checkpoint.from_payload(Envelope.from_json(item).payload) for item in found["items"]]
    rows = [(item.size, item.root.hex(), item.at.isoformat()) for item in read]
    print_table("Checkpoints", (">size", "root", "signed at"), rows)
    print_cursor(found)


@audit.command()
@limit_option
@cursor_option
@json_option
@remote
def runs(limit: int, cursor: str | None, *, as_json: bool) -> None:
    """List the audits that the service carried out by itself, the newest first."""
    with connect() as client:
        found = client.audit_runs(limit=limit, cursor=cursor)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            run["number"],
            run["started_at"],
            run["ended_at"],
            run["start"],
            run["size"],
            audit_result(run),
        )
        for run in found["items"]
    ]
    columns = (">number", "from", "to", ">first record", ">up to record", "result")
    print_table("Audits", columns, rows)
    print_cursor(found)


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """A file that was kept elsewhere, and its checkpoints; it proves that they are of one log."""

    path: Path
    checkpoints: Sequence[Envelope]


def _all_of(kept: Sequence[_Kept]) -> list[Envelope]:
    return [envelope for item in kept for envelope in item.checkpoints]


def _verify_file(
    file: Path, outside: Sequence[_Kept], trust: TrustRoot | None, *, as_json: bool
) -> dict[str, Any]:
    """Check a file of whatever kind; what does not verify ends with its exit code."""
    with file.open("rb") as stream:
        if stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC:
            stream.seek(0)
            with _counter("records") as tell:
                return verify_export(
                    stream, outside=_all_of(outside), trust=trust, progress=tell
                ).to_json()
    data = read_file(str(file), "proof")
    if format_of(data) not in (RECEIPT_FORMAT, CONSISTENCY_FORMAT):
        raise MalformedError(f"{file} is no export, no receipt and no consistency proof")
    try:
        return _verify_proof(file, data, outside, trust)
    except ProofError as error:
        fail(
            f"{file}: {error.message}",
            ExitCode.NOT_VERIFIED,
            as_json=as_json,
            reason=error.reason,
            verified=False,
        )


def _verify_proof(
    file: Path, data: bytes, outside: Sequence[_Kept], trust: TrustRoot | None
) -> dict[str, Any]:
    if format_of(data) == RECEIPT_FORMAT:
        receipt = Receipt.from_bytes(data)
        record = receipt.verify(trust)
        proven = [Checkpoint.from_payload(receipt.checkpoint.payload)]
        found: dict[str, Any] = {"kind": "receipt", "number": receipt.number, "record": record}
    else:
        proven = list(ConsistencyProof.from_bytes(data).verify(trust))
        found = {"kind": "consistency proof"}
    unshown = [kept for kept in outside if not is_about(kept.checkpoints, proven)]
    not_excluded = [_unconnected(file, proven[-1].size, kept) for kept in unshown]
    if trust is None:
        not_excluded.append(OWN_KEYS)
    return {
        "verified": None if unshown else True,
        **found,
        "checkpoints": [checkpoint.size for checkpoint in proven],
        "not_excluded": not_excluded,
    }


def _unconnected(file: Path, size: int, kept: _Kept) -> str:
    """Say that a proof and a checkpoint of another size show nothing of each other yet."""
    kept_size = _size(kept.checkpoints[-1])
    first, last = (file, kept.path) if size < kept_size else (kept.path, file)
    return (
        f"that the log was rewritten between {size} records, of which {file} speaks, and"
        f" {kept_size}, of which {kept.path} does: the sizes differ, so nothing is shown yet."
        f" `aem audit prove --from {first} --to {last} -o connecting.json` gets the proof that"
        f" connects them; `aem audit verify connecting.json --checkpoint {first} --checkpoint"
        f" {last}` holds it against both"
    )


def _read_trust(path: Path) -> TrustRoot:
    """Read a trust root: signed, as the service publishes it, or bare, as an agent pins it."""
    with _named(path, "trust root"):
        value = parse_json(read_file(str(path), "trust root"))
        if isinstance(value, dict) and "payload" in value:
            return TrustRoot.from_envelope(Envelope.from_json(value))
        return TrustRoot.from_json(value)


def _read_kept(path: Path, trust: TrustRoot | None) -> list[Envelope]:
    """Return the checkpoints of a file; of a proof, those that it rests on."""
    data = read_file(str(path), "checkpoint")
    with _named(path, "checkpoint, receipt or consistency proof"):
        if format_of(data) == RECEIPT_FORMAT:
            receipt = Receipt.from_bytes(data)
            receipt.verify(trust)
            return [receipt.checkpoint]
        if format_of(data) == CONSISTENCY_FORMAT:
            proof = ConsistencyProof.from_bytes(data)
            proof.verify(trust)
            return [proof.old, proof.new]
        envelope = Envelope.from_json(parse_json(data))
        Checkpoint.from_payload(envelope.payload)
        return [envelope]


@contextmanager
def _named(path: Path, what: str) -> Iterator[None]:
    """Name the file, of several, that an error is about."""
    try:
        yield
    except ProofError as error:
        raise type(error)(
            f"{path} is no sound {what}: {error.message}", **error.details
        ) from error


def _consistency(client: Client, old: str, new: str | None) -> bytes:
    """Fetch a proof and check it, also against the checkpoints that were given as files."""
    old_size = _size_of(old)
    new_size = _size_of(new) if new else _size(client.checkpoint())
    kept = [_read_kept(Path(name), None) for name in (old, new) if name and not name.isdecimal()]
    data = client.consistency(old_size, new_size)
    require_same([envelopes[-1] for envelopes in kept], ConsistencyProof.from_bytes(data).verify())
    return data


def _size_of(name: str) -> int:
    if name.isdecimal():
        return int(name)
    if not Path(name).is_file():
        raise click.BadParameter(f"{name!r} is no size and no file with a checkpoint")
    return _size(_read_kept(Path(name), None)[-1])


def _size(envelope: Envelope) -> int:
    return Checkpoint.from_payload(envelope.payload).size


def _write(data: bytes, output: Path | None, *, is_forced: bool) -> None:
    if output is None:
        click.echo(data)
    else:
        save(output, [data], is_forced=is_forced)


def _told(pieces: Iterator[bytes], tell: Callable[[int, int | None], None]) -> Iterator[bytes]:
    """Pass pieces on, and tell how many bytes they are so far."""
    size_bytes = 0
    for piece in pieces:
        yield piece
        size_bytes += len(piece)
        tell(size_bytes, None)


@contextmanager
def _counter(unit: str) -> Iterator[Any]:
    """Give a function that shows how far something is, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415 - rich is slow to import and help is quick
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(unit, total=None)
        yield lambda done, total: bar.update(
            task, completed=done, total=total, description=f"{done} {unit}"
        )


def _print_report(report: dict[str, Any]) -> None:
    if "statements" in report:
        _print_statements(report["statements"])
    else:
        apart = ("verified", "not_excluded")
        print_facts({name: value for name, value in report.items() if name not in apart})
    for sentence in report["not_excluded"]:
        say(f"cannot exclude {sentence}")
    click.echo(_VERDICTS[report["verified"]])


def _print_statements(statements: dict[str, Any]) -> None:
    for name, finding in statements.items():
        if finding["holds"] is None:
            say(f"{name:<10} not checked: the file does not have the whole ledger")
            continue
        mark = "holds" if finding["holds"] else "DOES NOT HOLD"
        figures = ", ".join(f"{key} {value}" for key, value in finding["figures"].items())
        say(f"{name:<10} {mark}: {figures}")
        bad = finding["first_bad"]
        if bad:
            number = "" if bad["number"] is None else f" (record {bad['number']} of the log)"
            say(f"           first bad: {bad['record']} {bad['id']}{number}: {bad['why']}")
