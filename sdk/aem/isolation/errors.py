"""What can go wrong between a host and the runner that it talks to.

IsolationError
|-- NotAvailableError     nothing on this machine can isolate a process
|   `-- UnknownArchitectureError  (aem.isolation.seccomp) no filter for this kind of machine
|-- RunnerEndedError      the runner's stream ended: it exited, or was killed
|-- ReplyOverdueError     no whole reply came in time
`-- MalformedReplyError   a reply is too long, or not what the protocol says
"""

from typing import ClassVar

from aem.errors import SdkError


class IsolationError(SdkError):
    """Base of isolation's errors; `reason` is stable and machine-readable."""

    reason: ClassVar[str] = "isolation_failed"


class NotAvailableError(IsolationError):
    """Nothing on this machine can isolate a process; the message says what to install."""

    reason = "isolation_not_available"


class RunnerEndedError(IsolationError):
    """The runner's stream ended: it exited, or was killed."""

    reason = "runner_ended"


class ReplyOverdueError(IsolationError):
    """No whole reply came in time; kill the runner, or a late one is taken for the next."""

    reason = "reply_overdue"


class MalformedReplyError(IsolationError):
    """A reply is too long or not what the protocol says: the runner must not be trusted on."""

    reason = "malformed_reply"
