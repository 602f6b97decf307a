"""What can be wrong with a piece of evidence.

ProofError
|-- NotCanonicalError     a value has no canonical JSON form
|-- MalformedError        bytes or JSON are not in the form that they claim
|-- UntrustedError        no signature by a trusted key of the right purpose
|-- WrongSignatureError   a trusted key is named, and its signature does not fit
|-- NotIncludedError      a Merkle inclusion proof does not lead to the root
`-- NotConsistentError    a Merkle consistency proof does not join the two roots
"""

from aem.errors import SdkError


class ProofError(SdkError):
    """Base of all refusals of evidence; `reason` is stable and machine-readable."""

    reason = "not_proven"


class NotCanonicalError(ProofError):
    """A value has no canonical JSON form: NaN, a key that is no text, an integer past 64 bits."""

    reason = "not_canonical"


class MalformedError(ProofError):
    """Bytes or JSON are not in the form that they claim to have."""

    reason = "malformed"


class UntrustedError(ProofError):
    """Nobody whom we trust for this purpose has signed it."""

    reason = "untrusted"


class WrongSignatureError(ProofError):
    """A trusted key is named as the signer, and the signature is not its own."""

    reason = "wrong_signature"


class NotIncludedError(ProofError):
    """The proof does not show that the leaf is in the tree."""

    reason = "not_included"


class NotConsistentError(ProofError):
    """The proof does not show that the new tree only appended to the old one."""

    reason = "not_consistent"
