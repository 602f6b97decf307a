"""Where releases come from: a channel of the service, believed only as far as it proves."""

from collections.abc import Callable
from datetime import datetime

from aem.artifact import Bundle
from aem.client import Client
from aem.handle.errors import NotAttestedError
from aem.handle.last_known_good import LastKnownGood
from aem.handle.release import Offer, Proof, require_content, require_current, verify_offer
from aem.handle.trust import PinnedTrust
from aem.proof import ChannelPointer, UntrustedError


class ChannelSource:
    """One channel of one artifact, as the service offers it."""

    def __init__(
        self,
        *,
        client: Client,
        artifact: str,
        channel: str,
        trust: PinnedTrust,
        memory: LastKnownGood,
        now: Callable[[], datetime],
    ) -> None:
        """Keep the collaborators; nothing is asked."""
        self._client = client
        self._artifact = artifact
        self._channel = channel
        self._trust = trust
        self._memory = memory
        self._now = now

    def offer(self) -> Offer:
        """Return what the service offers now, unverified.

        Raises:
            ClientError: the service cannot be asked.
            MalformedError: the answer is no offer.
        """
        return Offer.from_json(self._client.channel(self._artifact, self._channel))

    def prove(self, offer: Offer) -> Proof:
        """Return the offer's proof: signed by trusted keys, current, not older than one seen.

        Raises:
            ProofError, RefusedError: it is not.
            TrustChangedError: it is signed by keys that the pinned root key does not vouch for.
            CacheCorruptedError, CacheNotWritableError: generations cannot be remembered.
            ClientError: the service cannot be asked for its newer keys.
        """
        try:
            proof = self._verified(offer)
        except (UntrustedError, NotAttestedError):
            if not self._trust.renew(self._client):
                raise
            proof = self._verified(offer)
        require_current(proof.pointer, self._now())
        self._memory.see(proof.pointer)
        return proof

    def fetch(self, pointer: ChannelPointer) -> Bundle:
        """Return the files that the pointer names.

        Raises:
            ClientError: the service does not give them.
            ArtifactError: what came is no artifact.
            DigestMismatchError: they are other files.
        """
        bundle = self._client.bundle(pointer.digest)
        require_content(bundle, pointer)
        return bundle

    def _verified(self, offer: Offer) -> Proof:
        return verify_offer(
            offer, self._trust.root, artifact=self._artifact, channel=self._channel
        )
