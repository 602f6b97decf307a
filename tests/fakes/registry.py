"""A registry on a given database, with the actors and artifacts that its tests use."""

from pathlib import Path

from sqlalchemy import Connection

from aem.artifact import Bundle
from core.database import Database
from core.events import EventLog
from core.guards import Guard, removal
from core.principals import Principal, Role
from core.signing import KeyFileSigner
from registry import GoldEvidence, Registry, Version, VersionSource
from tests.fakes.bundles import echo_files
from tests.fakes.clock import FakeClock

APPEND_ONLY = (
    "artifact_blobs",
    "attestations",
    "channel_acknowledgements",
    "channel_moves",
    "version_files",
    "version_parents",
    "version_yanks",
    "versions",
)
TABLES = (*APPEND_ONLY, "artifacts", "channels")

ARTIFACT = "acme/echo"
OWNER = Principal(id="key_owner", role=Role.TEAM, namespace="acme", owner="acme")
STRANGER = Principal(id="key_stranger", role=Role.TEAM, namespace="globex", owner="globex")
GOLD_DIGEST = "sha256:" + "a" * 64


class RegistryHouse:
    """A registry with its collaborators; ``publish`` and the like commit at once."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.clock = FakeClock()
        self.events = EventLog(database, self.clock)
        self.signer = KeyFileSigner(folder / "keys")
        self.signer.create_missing()
        self.registry = Registry(clock=self.clock, signer=self.signer, events=self.events)

    def publish(
        self, bundle: Bundle, *, artifact: str = ARTIFACT, parents: tuple[str, ...] = ()
    ) -> Version:
        with self.database.transaction() as session:
            return self.registry.versions.publish(
                session,
                artifact=artifact,
                bundle=bundle,
                source=VersionSource.SUBMITTED,
                actor=OWNER,
                parents=parents,
            )

    def publish_accepted(self, bundle: Bundle, *, parents: tuple[str, ...] = ()) -> Version:
        version = self.publish(bundle, parents=parents)
        with self.database.transaction() as session:
            self.registry.attestations.attest(session, version.digest, evidence(accepted=True))
        return version

    def promote(self, version: Version, *, channel: str = "production") -> int:
        """Move the channel from whatever it serves and return the new generation."""
        with self.database.transaction() as session:
            heads = self.registry.channels.list_heads(session, version.artifact)
            head = next((head for head in heads if head.channel == channel), None)
            state = self.registry.channels.move(
                session,
                artifact=version.artifact,
                channel=channel,
                digest=version.digest,
                expected_generation=head.generation if head else 0,
                expected_digest=head.digest if head else None,
                reason="better",
                actor=OWNER,
            )
        return state.generation


def evidence(*, accepted: bool) -> GoldEvidence:
    return GoldEvidence(
        accepted=accepted,
        reason="accepted" if accepted else "business_logic",
        gold_digest=GOLD_DIGEST,
        incumbent_digest=None,
        order_id="ord_1",
        isolation={"engine": "docker", "network": "none"},
        cost={"sandbox_ms": 1200, "price_utok": 3_000_000},
        report={"axes": {"strict_structure": {"passed": True}}},
    )


def bundle(word: str, *, artifact: str = ARTIFACT, **files: bytes) -> Bundle:
    """An artifact that tells `word`, under a name, with further files."""
    contents = echo_files(word)
    manifest = contents["artifact.toml"].replace(b"acme/echo", artifact.encode())
    return Bundle({**contents, "artifact.toml": manifest, **files})


def switch_guards_off(connection: Connection) -> None:
    """Do what somebody can who owns the database: drop the triggers that keep the past."""
    guards = [Guard(table=table, keys=()) for table in TABLES]
    for statement in removal(connection.dialect.name, guards):
        connection.exec_driver_sql(statement)
