"""Isolation of a candidate's process: the runner inside, bubblewrap and seccomp around it."""

from aem.isolation.bubblewrap import (
    MAX_TEMPORARY_FILES,
    NOBODY,
    OPEN_FILES,
    TEMPORARY_BYTES,
    ProcessLimits,
    bubblewrap_problem,
    bubblewrap_profile,
    bubblewrap_version,
    start_bubblewrap,
)
from aem.isolation.errors import (
    IsolationError,
    MalformedReplyError,
    NotAvailableError,
    ReplyOverdueError,
    RunnerEndedError,
)
from aem.isolation.interpreter import COMMAND as RUNNER_COMMAND
from aem.isolation.interpreter import ENVIRONMENT as INSIDE_ENVIRONMENT
from aem.isolation.interpreter import (
    EXECUTABLE,
    RUNNER_FOLDER,
    SHARED_LIBRARY_FOLDER,
    Interpreter,
    find_interpreter,
)
from aem.isolation.lines import LineReader
from aem.isolation.process import IsolatedProcess
from aem.isolation.process_tree import TreeReading
from aem.isolation.protocol import (
    CaseReply,
    CaseStatus,
    LoadReply,
    LoadStatus,
    drop_request,
    load_request,
    read_case_reply,
    read_load_reply,
    reply_limit_bytes,
    run_request,
)
from aem.isolation.seccomp import UnknownArchitectureError, architecture, docker_profile

__all__ = [
    "EXECUTABLE",
    "INSIDE_ENVIRONMENT",
    "MAX_TEMPORARY_FILES",
    "NOBODY",
    "OPEN_FILES",
    "RUNNER_COMMAND",
    "RUNNER_FOLDER",
    "SHARED_LIBRARY_FOLDER",
    "TEMPORARY_BYTES",
    "CaseReply",
    "CaseStatus",
    "Interpreter",
    "IsolatedProcess",
    "IsolationError",
    "LineReader",
    "LoadReply",
    "LoadStatus",
    "MalformedReplyError",
    "NotAvailableError",
    "ProcessLimits",
    "ReplyOverdueError",
    "RunnerEndedError",
    "TreeReading",
    "UnknownArchitectureError",
    "architecture",
    "bubblewrap_problem",
    "bubblewrap_profile",
    "bubblewrap_version",
    "docker_profile",
    "drop_request",
    "find_interpreter",
    "load_request",
    "read_case_reply",
    "read_load_reply",
    "reply_limit_bytes",
    "run_request",
    "start_bubblewrap",
]
