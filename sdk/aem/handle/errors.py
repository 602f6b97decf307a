"""What can go wrong between an agent and the version that it runs.

HandleError
|-- BadNameError              the artifact's or channel's name has not the form of one
|-- NotRunningError           the handle is not started, or closed
|-- NoVersionError            neither the service nor the disk gives a version to start with
|-- CallFailedError           the artifact raised, crashed, or passed a limit
|-- InputRefusedError         the input is no JSON value
|-- CacheCorruptedError       what the disk holds is not what was written there
|-- CacheNotWritableError     the disk does not take the last known good version
|-- TrustChangedError         the service speaks with keys that the pinned root did not sign
`-- RefusedError              a version is not taken into use; the running one stays
    |-- WrongPointerError        the pointer is of another artifact or channel
    |-- PointerExpiredError      the pointer's time is over
    |-- LowerGenerationError     the pointer is older than one already seen
    |-- TwoHeadsError            two signed pointers of one generation name two versions
    |-- NotAttestedError         no trusted gold report accepts the version
    |-- DigestMismatchError      the files are not those that the pointer names
    |-- UnsupportedKindError     this handle cannot run artifacts of this kind
    |-- NotIsolatedError         no isolation here, and the namespace is not trusted
    |-- LoadFailedError          the version cannot be imported
    `-- SelfTestFailedError      the version does not answer its own cases
"""

from typing import ClassVar

from aem.errors import SdkError


class HandleError(SdkError):
    """Base of a handle's errors."""

    reason: ClassVar[str] = "handle_error"


class BadNameError(HandleError):
    """The artifact's or channel's name has not the form of one."""

    reason = "bad_name"


class NotRunningError(HandleError):
    """The handle is not started, or closed already."""

    reason = "not_running"


class NoVersionError(HandleError):
    """Neither the service nor the disk gives a version that may run."""

    reason = "no_version"


class CallFailedError(HandleError):
    """The artifact gave no answer; `details` has `status` and `digest`."""

    reason = "call_failed"


class InputRefusedError(HandleError):
    """The input is no JSON value, so it cannot be handed to the artifact."""

    reason = "input_refused"


class CacheCorruptedError(HandleError):
    """A file in the handle's home is not what was written there."""

    reason = "cache_corrupted"


class CacheNotWritableError(HandleError):
    """The handle's home cannot be written."""

    reason = "cache_not_writable"


class TrustChangedError(HandleError):
    """The service speaks with keys that the pinned root key did not sign."""

    reason = "trust_changed"


class RefusedError(HandleError):
    """Base of why a version is not taken into use."""

    reason = "refused"


class WrongPointerError(RefusedError):
    """The pointer is of another artifact or channel."""

    reason = "wrong_pointer"


class PointerExpiredError(RefusedError):
    """The pointer's time is over: somebody may be keeping a newer one from us."""

    reason = "pointer_expired"


class LowerGenerationError(RefusedError):
    """The pointer is older than one already seen: a rollback would have a higher generation."""

    reason = "lower_generation"


class TwoHeadsError(RefusedError):
    """Two signed pointers of one generation name two versions: the service contradicts itself."""

    reason = "two_heads"


class NotAttestedError(RefusedError):
    """No trusted gold report accepts the version."""

    reason = "not_attested"


class DigestMismatchError(RefusedError):
    """The files are not those that the pointer names."""

    reason = "digest_mismatch"


class UnsupportedKindError(RefusedError):
    """This handle cannot run artifacts of this kind."""

    reason = "unsupported_kind"


class NotIsolatedError(RefusedError):
    """There is no isolation on this machine, and the namespace is not trusted without."""

    reason = "not_isolated"


class LoadFailedError(RefusedError):
    """The version's entry cannot be imported."""

    reason = "load_failed"


class SelfTestFailedError(RefusedError):
    """The version does not answer its own cases as it says."""

    reason = "self_test_failed"
