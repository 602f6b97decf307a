"""Why a model's proposal is refused before it is run; the message goes back to the model.

AemError
`-- BadRequestError
    `-- ProposalRefusedError         base; a proposal never fails an order by itself
        |-- ReplyNotJsonError        the reply holds no JSON object with edits
        |-- ReplyMalformedError      its JSON has not the wanted shape
        |-- ReplyTooLargeError       it is longer than any useful reply
        |-- ReplyCutOffError         it ends before it is complete
        |-- NothingProposedError     it holds no edit
        |-- EditNotFoundError        the text to replace is not in the file
        |-- EditAmbiguousError       the text to replace is there more than once
        |-- EditOutsideError         the path leads out of the artifact
        |-- EditForbiddenError       a file that a proposal may not make or change
        |-- EditNoChangeError        afterwards everything is as before
        |-- ManifestChangedError     name, kind, limits, schemas, self-test ... would change
        |-- SecretMovedError         a secret would stand where it was not, or where it is shown
        |-- SourceBrokenError        a Python file would not compile
        |-- PromptBrokenError        messages or demonstrations could not be read any more
        |-- BundleUnsoundError       the files together are no artifact
        `-- ProposalRepeatedError    the very same files were tried before
"""

from core.errors import BadRequestError


class ProposalRefusedError(BadRequestError):
    """A proposal cannot be tried."""

    reason = "proposal_refused"


class ReplyNotJsonError(ProposalRefusedError):
    """The reply holds no JSON object with edits, neither alone nor inside other text."""

    reason = "reply_not_json"


class ReplyMalformedError(ProposalRefusedError):
    """The reply's JSON has not the wanted shape."""

    reason = "reply_malformed"


class ReplyTooLargeError(ProposalRefusedError):
    """The reply is longer than any useful one."""

    reason = "reply_too_large"


class ReplyCutOffError(ProposalRefusedError):
    """The reply ends at its cap of tokens, before its JSON does."""

    reason = "reply_cut_off"


class NothingProposedError(ProposalRefusedError):
    """The reply's list of edits is empty."""

    reason = "nothing_proposed"


class EditNotFoundError(ProposalRefusedError):
    """The text to replace, or the file that it should be in, is not there."""

    reason = "edit_not_found"


class EditAmbiguousError(ProposalRefusedError):
    """The text to replace is in the file more than once."""

    reason = "edit_ambiguous"


class EditOutsideError(ProposalRefusedError):
    """The path is no plain relative path inside the artifact."""

    reason = "edit_outside"


class EditForbiddenError(ProposalRefusedError):
    """A file that a proposal may not make, or may not change in this way."""

    reason = "edit_forbidden"


class EditNoChangeError(ProposalRefusedError):
    """After all edits every file is as it was."""

    reason = "edit_no_change"


class ManifestChangedError(ProposalRefusedError):
    """What users of the artifact rely on would change: manifest, schemas, self-test."""

    reason = "manifest_changed"


class SecretMovedError(ProposalRefusedError):
    """A secret would stand where it was not, more often than it was, or where it is shown."""

    reason = "secret_moved"


class SourceBrokenError(ProposalRefusedError):
    """A Python file would not compile."""

    reason = "source_broken"


class PromptBrokenError(ProposalRefusedError):
    """A prompt's messages or demonstrations could not be read any more."""

    reason = "prompt_broken"


class BundleUnsoundError(ProposalRefusedError):
    """The files together are no artifact: too many, too large, or names that collide."""

    reason = "bundle_unsound"


class ProposalRepeatedError(ProposalRefusedError):
    """The very same files were tried before."""

    reason = "proposal_repeated"
