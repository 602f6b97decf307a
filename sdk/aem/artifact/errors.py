"""Why files are no artifact; every refusal has a `reason` of its own and names the path or key.

ArtifactError
|-- NotAFolderError          the path to read or write is no usable folder
|-- UnreadableFileError      the operating system does not let us read a file
|-- EmptyBundleError         there is no file at all
|-- LinkError                a symbolic or hard link
|-- SpecialFileError         a device, a pipe, a socket, a sparse file
|-- UnsafePathError          absolute, ``..``, or not a plain relative POSIX path
|-- PathTooLongError         too many characters or folders in a path
|-- DuplicatePathError       one path twice
|-- CollidingPathsError      two paths that some file systems take for one
|-- TooManyFilesError        more files than a bundle may have
|-- TooLargeError            a file, a bundle or an archive past its limit
|-- DecompressionBombError   an archive that unpacks to more than any bundle
|-- NotAnArchiveError        bytes that are no gzip-compressed tar archive
|-- TruncatedArchiveError    an archive whose end is missing
|-- ManifestMissingError     no ``artifact.toml``
|-- ManifestError            ``artifact.toml`` is wrong in a key
|-- FileMissingError         ``artifact.toml`` names a file that is not there
|-- SelfTestError            the self-test's cases cannot be read
|-- PromptError              a prompt's messages or demonstrations are not what they must be
|-- PlaceholderError         a placeholder is malformed, or no input has anything there
|-- RequestRefusedError      a model takes no such request, as a too long one
`-- ReplyError               a model's reply is cut off, or is not one JSON value
"""

from aem.errors import SdkError


class ArtifactError(SdkError):
    """Base of all refusals of files; `details` names the path or key."""

    reason = "bad_artifact"


class NotAFolderError(ArtifactError):
    """The path is no folder that can be read, or no empty one to write to."""

    reason = "not_a_folder"


class UnreadableFileError(ArtifactError):
    """The operating system does not let us read a file."""

    reason = "unreadable_file"


class EmptyBundleError(ArtifactError):
    """There is no file at all."""

    reason = "empty_bundle"


class LinkError(ArtifactError):
    """A symbolic or hard link: what it leads to is not part of the bundle."""

    reason = "link"


class SpecialFileError(ArtifactError):
    """A device, a pipe, a socket or a sparse file: no plain bytes."""

    reason = "special_file"


class UnsafePathError(ArtifactError):
    """A path that leads out of the bundle, or is not a plain relative POSIX path."""

    reason = "unsafe_path"


class PathTooLongError(ArtifactError):
    """Too many characters or folders in one path."""

    reason = "path_too_long"


class DuplicatePathError(ArtifactError):
    """An archive holds one path twice: readers would disagree on which counts."""

    reason = "duplicate_path"


class CollidingPathsError(ArtifactError):
    """Two paths that differ in case alone, or a file where another path needs a folder."""

    reason = "colliding_paths"


class TooManyFilesError(ArtifactError):
    """More files than a bundle may have."""

    reason = "too_many_files"


class TooLargeError(ArtifactError):
    """A file, a bundle or an archive is past its limit."""

    reason = "too_large"


class DecompressionBombError(ArtifactError):
    """An archive unpacks to more than any bundle may hold."""

    reason = "decompression_bomb"


class NotAnArchiveError(ArtifactError):
    """The bytes are no gzip-compressed tar archive."""

    reason = "not_an_archive"


class TruncatedArchiveError(ArtifactError):
    """The end of the archive is missing."""

    reason = "truncated_archive"


class ManifestMissingError(ArtifactError):
    """There is no ``artifact.toml``."""

    reason = "manifest_missing"


class ManifestError(ArtifactError):
    """``artifact.toml`` is not TOML, or a key in it is wrong, unknown or missing."""

    reason = "bad_manifest"


class FileMissingError(ArtifactError):
    """``artifact.toml`` names a file that is not in the bundle."""

    reason = "file_missing"


class SelfTestError(ArtifactError):
    """A line of the self-test is not a case."""

    reason = "bad_self_test"


class PromptError(ArtifactError):
    """A prompt's messages or demonstrations are not what they must be."""

    reason = "bad_prompt"


class PlaceholderError(ArtifactError):
    """A placeholder is malformed, or there is nothing in the input for it."""

    reason = "bad_placeholder"


class ReplyError(ArtifactError):
    """A model's reply is cut off, or is not one JSON value."""

    reason = "bad_reply"


class RequestRefusedError(ArtifactError):
    """What a prompt asks is refused as a request, whoever asks it: too long for the model, say."""

    reason = "request_refused"
