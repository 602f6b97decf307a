"""The signer's port: the same tests for key files and for a process that has them."""

import json
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aem.proof import (
    CHECKPOINT_PAYLOAD_TYPE,
    PAYLOAD_TYPES,
    KeyPurpose,
    TrustRoot,
    pre_authentication_encoding,
    sign_envelope,
    verify_envelope,
)
from core.database import Database
from core.signing import (
    SERVED_PURPOSES,
    KeyFileSigner,
    Signer,
    SignerServer,
    SignerUnavailableError,
    SigningKeyError,
    SocketSigner,
)
from core.signing.frames import MAX_FRAME_BYTES
from ledger import Checkpoints
from tests.fakes.bank import ORIGIN, TOKEN, Bank
from tests.fakes.clock import FakeClock
from tests.fakes.running_service import running, settings
from tests.fakes.waiting import wait_until

ROOT = Path(__file__).parents[3]
START_TIMEOUT_S = 30.0


@pytest.fixture
def keys(tmp_path: Path) -> KeyFileSigner:
    signer = KeyFileSigner(tmp_path / "keys")
    signer.create_missing()
    return signer


@contextmanager
def serving(path: Path, keys: Signer, **options: object) -> Iterator[SocketSigner]:
    """Serve in this process until the block ends."""
    with SignerServer(path, keys, **options) as server:  # type: ignore[arg-type]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield SocketSigner(path)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(params=["key files", "process"])
def signer(
    request: pytest.FixtureRequest, keys: KeyFileSigner, tmp_path: Path
) -> Iterator[Signer]:
    if request.param == "key files":
        yield keys
        return
    with serving(tmp_path / "signer.sock", keys) as client:
        yield client


class TestContract:
    def test_each_purpose_signs_under_its_own_key(self, signer: Signer) -> None:
        for purpose in SERVED_PURPOSES:
            envelope = sign_envelope(
                payload_type=PAYLOAD_TYPES[purpose],
                payload=b"payload",
                sign=lambda message, purpose=purpose: signer.sign(purpose, message),
            )
            assert verify_envelope(envelope, signer.public_keys(), purpose) == b"payload"

    def test_the_trust_root_names_the_keys(self, signer: Signer) -> None:
        root = TrustRoot.from_envelope(signer.trust())
        assert tuple(signer.public_keys()) == root.keys
        assert {key.purpose for key in root.keys} == set(KeyPurpose)

    def test_a_large_statement_is_signed(self, signer: Signer) -> None:
        message = pre_authentication_encoding(
            PAYLOAD_TYPES[KeyPurpose.ATTESTATION], b"x" * 4_000_000
        )
        assert len(signer.sign(KeyPurpose.ATTESTATION, message).value) == 64

    def test_a_rotation_is_followed_at_once(self, signer: Signer, keys: KeyFileSigner) -> None:
        message = pre_authentication_encoding(CHECKPOINT_PAYLOAD_TYPE, b"")
        pinned = TrustRoot.from_envelope(signer.trust())
        old = signer.sign(KeyPurpose.CHECKPOINT, message)
        new = keys.rotate(KeyPurpose.CHECKPOINT, at=FakeClock().now())
        assert signer.sign(KeyPurpose.CHECKPOINT, message).key_id == new.key_id != old.key_id
        assert TrustRoot.from_envelope(signer.trust(), pinned).version == 2
        assert {old.key_id, new.key_id} <= {key.key_id for key in signer.public_keys()}

    def test_a_key_that_is_gone_is_an_infrastructure_error(
        self, signer: Signer, tmp_path: Path
    ) -> None:
        (tmp_path / "keys" / "pointer.ed25519").unlink()
        message = pre_authentication_encoding(PAYLOAD_TYPES[KeyPurpose.POINTER], b"")
        with pytest.raises(SigningKeyError, match="pointer"):
            signer.sign(KeyPurpose.POINTER, message)

    def test_many_threads_are_served(self, signer: Signer) -> None:
        message = pre_authentication_encoding(CHECKPOINT_PAYLOAD_TYPE, b"")
        values: list[bytes] = []

        def sign() -> None:
            values.extend(signer.sign(KeyPurpose.CHECKPOINT, message).value for _ in range(5))

        threads = [threading.Thread(target=sign) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(values) == 40
        assert len(set(values)) == 1  # Ed25519 is deterministic


class TestProcess:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "signer.sock"

    def test_purposes_that_it_was_not_told_are_refused(
        self, keys: KeyFileSigner, path: Path
    ) -> None:
        with serving(path, keys, purposes=[KeyPurpose.CHECKPOINT]) as client:
            for purpose in KeyPurpose:
                message = pre_authentication_encoding(PAYLOAD_TYPES[purpose], b"")
                if purpose is KeyPurpose.CHECKPOINT:
                    client.sign(purpose, message)
                else:
                    with pytest.raises(SigningKeyError, match="does not sign for"):
                        client.sign(purpose, message)

    def test_the_root_is_not_served_by_itself(self, keys: KeyFileSigner, path: Path) -> None:
        with (
            serving(path, keys) as client,
            pytest.raises(SigningKeyError, match="does not sign for purpose root"),
        ):
            client.sign(
                KeyPurpose.ROOT,
                pre_authentication_encoding(PAYLOAD_TYPES[KeyPurpose.ROOT], b"{}"),
            )

    def test_a_key_signs_nothing_of_another_purpose(self, keys: KeyFileSigner, path: Path) -> None:
        with serving(path, keys) as client:
            for purpose in SERVED_PURPOSES:
                for other in set(KeyPurpose) - {purpose}:
                    message = pre_authentication_encoding(PAYLOAD_TYPES[other], b"{}")
                    with pytest.raises(SigningKeyError, match="none that"):
                        client.sign(purpose, message)
            with pytest.raises(SigningKeyError, match="none that"):
                client.sign(KeyPurpose.CHECKPOINT, b"anything")

    def test_other_users_are_turned_away(self, keys: KeyFileSigner, path: Path) -> None:
        with SignerServer(path, keys) as server:
            server.users = {os.geteuid() + 1}
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                with pytest.raises(SigningKeyError, match="may not ask"):
                    SocketSigner(path).trust()
            finally:
                server.shutdown()
                thread.join()

    def test_the_socket_is_not_for_everybody(self, keys: KeyFileSigner, path: Path) -> None:
        with serving(path, keys):
            assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0

    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"",
            b"\x00\x00",
            struct.pack(">I", MAX_FRAME_BYTES + 1) + b"x",
            struct.pack(">I", 0xFFFFFFFF),
            struct.pack(">I", 100) + b"cut off",
            struct.pack(">I", 1) + b"{",
            struct.pack(">I", 2) + b"[]",
        ],
        ids=["nothing", "half a length", "too long", "longest", "cut off", "no JSON", "no object"],
    )
    def test_what_is_no_frame_gets_no_answer_and_stops_nothing(
        self, keys: KeyFileSigner, path: Path, request_bytes: bytes
    ) -> None:
        with serving(path, keys) as client:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.connect(str(path))
                connection.sendall(request_bytes)
                connection.shutdown(socket.SHUT_WR)
                assert _all_of(connection) == b""
            client.trust()

    @pytest.mark.parametrize(
        "value",
        [
            {},
            {"operation": "sign"},
            {"operation": "sign", "purpose": "all", "message": ""},
            {"operation": "sign", "purpose": "checkpoint", "message": "no base64!"},
            {"operation": "sign", "purpose": ["checkpoint"], "message": ""},
            {"operation": "private"},
        ],
        ids=str,
    )
    def test_an_unknown_request_is_refused(
        self, keys: KeyFileSigner, path: Path, value: dict[str, object]
    ) -> None:
        data = json.dumps(value).encode()
        with (
            serving(path, keys),
            socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
        ):
            connection.connect(str(path))
            connection.sendall(struct.pack(">I", len(data)) + data)
            assert "error" in json.loads(_all_of(connection)[4:])

    def test_a_message_past_the_limit_is_not_sent(self, keys: KeyFileSigner, path: Path) -> None:
        with (
            serving(path, keys) as client,
            pytest.raises(SignerUnavailableError, match="more than"),
        ):
            client.sign(KeyPurpose.CHECKPOINT, b"x" * MAX_FRAME_BYTES)

    def test_a_living_signer_keeps_its_socket(self, keys: KeyFileSigner, path: Path) -> None:
        with serving(path, keys) as client:
            with pytest.raises(OSError, match="already"):
                SignerServer(path, keys)
            client.trust()


def _all_of(connection: socket.socket) -> bytes:
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


@contextmanager
def signer_process(path: Path, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run `aem signer serve` as a user would."""
    command = [sys.executable, "-m", "cli.main", "signer", "serve"]
    process = subprocess.Popen(
        [*command, "--socket", str(path), "--keys", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'sdk'}"},
    )
    try:
        assert process.stdout is not None
        assert "listens" in process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_a_signer_that_dies_and_returns_loses_nothing(database: Database, tmp_path: Path) -> None:
    """Money is posted while it is away; its next checkpoint covers all of it."""
    path, folder = tmp_path / "signer.sock", tmp_path / "served"
    client = SocketSigner(path)
    bank = Bank.open(database, tmp_path / "keys")
    checkpoints = Checkpoints(clock=bank.clock, signer=client, origin=ORIGIN)
    with signer_process(path, folder) as process:
        bank.set_up()
        bank.fund("wallet:acme.bot", TOKEN)
        with database.reading() as session:
            due = checkpoints.due(session)
        assert due is not None
        bank.do(checkpoints.keep, checkpoints.sign(due))
        process.send_signal(signal.SIGKILL)
        process.wait()
        bank.fund("wallet:acme.bot", TOKEN, key="while it is away")
        with database.reading() as session:
            due = checkpoints.due(session)
        assert due is not None
        with pytest.raises(SignerUnavailableError, match="aem signer serve"):
            checkpoints.sign(due)
    with signer_process(path, folder):
        bank.clock.advance(days=1)
        with database.reading() as session:
            again = checkpoints.due(session)
        assert again is not None
        assert (again.size, again.root) == (due.size, due.root)
        bank.do(checkpoints.keep, checkpoints.sign(again))
        keys = client.public_keys()
        with database.reading() as session:
            for envelope in checkpoints.page(session).items:
                verify_envelope(envelope, keys, KeyPurpose.CHECKPOINT)
            assert len(checkpoints.page(session).items) == 2


def test_a_service_with_a_signer_has_no_keys_of_its_own(
    keys: KeyFileSigner, tmp_path: Path
) -> None:
    path = tmp_path / "signer.sock"
    with (
        serving(path, keys),
        running(settings(tmp_path / "data", signer=path)) as service,
    ):
        assert not list((tmp_path / "data").rglob("*.ed25519"))
        assert service.operator.trust() == keys.trust()
        service.fund()
        envelope = service.operator.checkpoint()
        verify_envelope(envelope, keys.public_keys(), KeyPurpose.CHECKPOINT)
        assert service.operator.verify_audit()["verified"] is True


def test_a_signer_ends_at_once_when_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "signer.sock"
    with signer_process(path, tmp_path / "keys") as process:
        process.terminate()
        assert process.wait(timeout=START_TIMEOUT_S) == 0
    assert wait_until(lambda: not path.exists(), timeout_s=1.0)
