"""Runs code that nobody trusts: in Docker containers, or under bubblewrap where there are none.

Prompts, which have no code, are rendered by the host and answered by a model.
"""

from aem.isolation import CaseStatus, LoadStatus
from sandbox.bubblewrap import BubblewrapSandbox
from sandbox.docker import DockerSandbox
from sandbox.domain import CaseRun, LoadOutcome, SandboxLimits, SandboxUsage
from sandbox.errors import (
    SandboxFailedError,
    SandboxLimitsError,
    SandboxUnavailableError,
    SessionExpiredError,
    VariantNotLoadedError,
)
from sandbox.pool import PooledSandbox
from sandbox.port import Sandbox, SandboxSession
from sandbox.prompt import PromptSandbox
from sandbox.selection import SandboxChoice, SelectedSandbox, select_sandbox

__all__ = [
    "BubblewrapSandbox",
    "CaseRun",
    "CaseStatus",
    "DockerSandbox",
    "LoadOutcome",
    "LoadStatus",
    "PooledSandbox",
    "PromptSandbox",
    "Sandbox",
    "SandboxChoice",
    "SandboxFailedError",
    "SandboxLimits",
    "SandboxLimitsError",
    "SandboxSession",
    "SandboxUnavailableError",
    "SandboxUsage",
    "SelectedSandbox",
    "SessionExpiredError",
    "VariantNotLoadedError",
    "select_sandbox",
]
