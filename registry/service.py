"""The registry as one thing: versions, their attestations, channels and deployments."""

from core.clock import Clock
from core.events import EventLog
from core.signing import Signer
from registry.attestations import Attestations
from registry.channels import Channels
from registry.deployments import Deployments
from registry.duplicates import Duplicates
from registry.versions import Versions


class Registry:
    """All of the registry's use cases.

    Attributes:
        versions: publishing, reading, comparing, withdrawing.
        duplicates: whether a submission is a copy of another owner's version.
        attestations: signed statements about versions.
        channels: what is served where, since when and why.
        deployments: which agents run it.
    """

    def __init__(self, *, clock: Clock, signer: Signer, events: EventLog) -> None:
        """Build the parts; no I/O."""
        self.versions = Versions(clock=clock, events=events)
        self.duplicates = Duplicates(self.versions)
        self.attestations = Attestations(clock=clock, signer=signer)
        self.channels = Channels(
            clock=clock, signer=signer, events=events, attestations=self.attestations
        )
        self.deployments = Deployments(clock=clock)
