"""Runs code that nobody trusts: in Docker containers, or under bubblewrap where there are none."""

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
from sandbox.selection import SandboxChoice, SelectedSandbox, select_sandbox

__all__ = [
    "BubblewrapSandbox",
    "CaseRun",
    "CaseStatus",
    "DockerSandbox",
    "LoadOutcome",
    "LoadStatus",
    "PooledSandbox",
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
