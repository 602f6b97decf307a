"""What keeps a command that runs the service's code here from its work, as an exit code."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from cli.output import ExitCode, fail
from core.errors import AemError, InfrastructureError

Command = TypeVar("Command", bound=Callable[..., Any])


def explained(command: Command) -> Command:
    """Turn the service's errors into messages and exit codes; adds nothing else."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except AemError as error:
            is_down = isinstance(error, InfrastructureError)
            code = ExitCode.UNAVAILABLE if is_down else ExitCode.USAGE
            fail(error.message, code, as_json=bool(kwargs.get("as_json")), reason=error.reason)

    return run  # type: ignore[return-value]  # wraps keeps the signature
