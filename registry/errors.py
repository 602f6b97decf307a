"""What the registry refuses, by kind and reason.

BadRequestError
|-- NameRefusedError             name_refused             cannot name an artifact or a channel
|-- BundleRefusedError           bundle_refused           no version of the artifact it is sent as
|-- PathRefusedError             path_refused             a file name that means something to Git
|-- ReasonRequiredError          reason_required          a change that must be explained is not
|-- AttestationRefusedError      attestation_refused      no statement of ours about the version
|-- AcknowledgementRefusedError  acknowledgement_refused  answers no move of the channel
|-- TooMuchTextError             too_much_text            more text than can be compared
`-- CursorRefusedError           cursor_refused           no cursor that a page ended with
NotAllowedError
`-- NameTakenError               name_taken               the namespace is somebody else's
NotFoundError
|-- ArtifactNotFoundError        artifact_not_found
|-- VersionNotFoundError         version_not_found
`-- ChannelEmptyError            channel_empty            nothing runs, or ran, on the channel
ConflictError
|-- StaleChannelError            stale_channel            the head is not the one expected
|-- AlreadyCurrentError          already_current          the channel serves the version already
|-- AttestationMissingError      attestation_missing      no valid report accepts the version
|-- VersionYankedError           version_yanked           it was withdrawn
`-- NoRollbackTargetError        no_rollback_target       nothing to go back to
InfrastructureError
`-- GitProjectionError           git_projection_failed    the repository could not be written
InvariantViolatedError
`-- BlobCorruptedError           blob_corrupted           stored bytes are not the digest's
"""

from core.errors import (
    BadRequestError,
    ConflictError,
    InfrastructureError,
    InvariantViolatedError,
    NotAllowedError,
    NotFoundError,
)


class NameRefusedError(BadRequestError):
    """No artifact or channel can have this name."""

    reason = "name_refused"


class BundleRefusedError(BadRequestError):
    """The files are not a version of the artifact that they were published as."""

    reason = "bundle_refused"


class PathRefusedError(BadRequestError):
    """A file name means something to Git: the repository could not show the version."""

    reason = "path_refused"


class TooMuchTextError(BadRequestError):
    """An artifact has more code and text than can be compared with others."""

    reason = "too_much_text"


class ReasonRequiredError(BadRequestError):
    """A change that must be explained came without a usable reason."""

    reason = "reason_required"


class AttestationRefusedError(BadRequestError):
    """An envelope is not a statement about the version that one of our keys signed."""

    reason = "attestation_refused"


class AcknowledgementRefusedError(BadRequestError):
    """An acknowledgement answers no move that the channel has made."""

    reason = "acknowledgement_refused"


class CursorRefusedError(BadRequestError):
    """A cursor was not handed out with a page of this listing."""

    reason = "cursor_refused"


class NameTakenError(NotAllowedError):
    """The artifact's namespace belongs to somebody else."""

    reason = "name_taken"


class ArtifactNotFoundError(NotFoundError):
    """No artifact has this name."""

    reason = "artifact_not_found"


class VersionNotFoundError(NotFoundError):
    """No version has this digest."""

    reason = "version_not_found"


class ChannelEmptyError(NotFoundError):
    """Nothing runs on the channel, or nothing did at the time asked for."""

    reason = "channel_empty"


class StaleChannelError(ConflictError):
    """The channel's head is not the one that the caller expected.

    Details: ``generation``, ``digest`` and ``number`` of the current head (0 and None when empty).
    """

    reason = "stale_channel"


class AlreadyCurrentError(ConflictError):
    """The channel serves this version already."""

    reason = "already_current"


class AttestationMissingError(ConflictError):
    """No gold report that accepts the version carries a valid signature of ours."""

    reason = "attestation_missing"


class VersionYankedError(ConflictError):
    """The version was withdrawn."""

    reason = "version_yanked"


class NoRollbackTargetError(ConflictError):
    """The channel has no earlier version to go back to."""

    reason = "no_rollback_target"


class GitProjectionError(InfrastructureError):
    """Git could not write the repository; projecting again completes it."""

    reason = "git_projection_failed"


class BlobCorruptedError(InvariantViolatedError):
    """The stored bytes of a version do not have the version's digest."""

    reason = "blob_corrupted"
