"""The last known good release on disk, with its proofs, and the highest generation seen."""

import json
from pathlib import Path
from typing import Any

from aem.artifact import Bundle
from aem.errors import SdkError
from aem.handle.durable_file import read_whole, write_durably
from aem.handle.errors import CacheCorruptedError, LowerGenerationError, TwoHeadsError
from aem.handle.release import Offer, Release, require_content, verify_offer
from aem.proof import ChannelPointer, TrustRoot, canonical_json, require_digest
from aem.proof.payload import decode_base64, encode_base64, parse_json, require_count

_RELEASE_FILE = "release.json"
_GENERATION_FILE = "generation.json"


class LastKnownGood:
    """What one agent remembers of one channel, in a folder of its own.

    The release is one file, so that version and proofs change together.
    """

    def __init__(self, folder: Path, *, artifact: str, channel: str) -> None:
        """Keep the place; no I/O."""
        self._release_path = folder / _RELEASE_FILE
        self._generation_path = folder / _GENERATION_FILE
        self._artifact = artifact
        self._channel = channel

    def save(self, release: Release) -> None:
        """Remember a release that passed everything, its self-test included.

        Raises:
            CacheNotWritableError: the disk does not take it.
        """
        value = {
            "pointer": release.proof.pointer_envelope.to_json(),
            "attestation": release.proof.attestation.to_json(),
            "bundle": encode_base64(release.bundle.to_archive()),
        }
        write_durably(self._release_path, json.dumps(value).encode())

    def load(self, trust: TrustRoot) -> Release | None:
        """Return the remembered release, verified again; None when there is none.

        A pointer past its expiry is accepted here, and only here: it was current when the release
        was taken into use, and a service that is down must not stop an agent.

        Raises:
            CacheCorruptedError: it is damaged, or not signed by keys that are trusted now.
        """
        content = read_whole(self._release_path)
        if content is None:
            return None
        try:
            return self._verified(parse_json(content), trust)
        except (SdkError, KeyError, TypeError) as error:
            raise CacheCorruptedError(
                f"the last known good version in {self._release_path} is not to be trusted"
                f" ({error}): remove the file and start again with the service up",
                path=str(self._release_path),
            ) from error

    def see(self, pointer: ChannelPointer) -> None:
        """Remember a verified pointer as the newest; older ones are refused from then on.

        Raises:
            LowerGenerationError: a higher generation was seen before.
            TwoHeadsError: this generation was seen with another version.
            CacheCorruptedError: the record of generations cannot be read.
            CacheNotWritableError: the disk does not take the new one.
        """
        generation, digest = self._seen()
        if pointer.generation < generation:
            raise LowerGenerationError(
                f"the pointer has generation {pointer.generation}, and {generation} was seen"
                " before: it is an old one",
                generation=pointer.generation,
                seen=generation,
            )
        if pointer.generation > generation:
            seen = {"generation": pointer.generation, "digest": pointer.digest}
            write_durably(self._generation_path, canonical_json(seen))
        elif pointer.digest != digest:
            raise TwoHeadsError(
                f"generation {generation} was {digest} before, and now it is {pointer.digest}",
                generation=generation,
            )

    def _seen(self) -> tuple[int, str]:
        content = read_whole(self._generation_path)
        if content is None:
            return -1, ""
        try:
            value = parse_json(content)
            return require_count(value["generation"], "generation"), require_digest(
                value["digest"]
            )
        except (SdkError, KeyError, TypeError) as error:
            raise CacheCorruptedError(
                f"{self._generation_path} is damaged ({error}): remove it, and old pointers are"
                " accepted once more until a newer one is seen",
                path=str(self._generation_path),
            ) from error

    def _verified(self, value: Any, trust: TrustRoot) -> Release:
        offer = Offer.from_json(
            {"pointer": value["pointer"], "attestations": [value["attestation"]]}
        )
        proof = verify_offer(offer, trust, artifact=self._artifact, channel=self._channel)
        bundle = Bundle.from_archive(decode_base64(value["bundle"], "the bundle"))
        require_content(bundle, proof.pointer)
        return Release(proof=proof, bundle=bundle)
