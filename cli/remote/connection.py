"""The command line's connection: where the service is, with which key, and what errors mean."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import click

from aem.client import ApiError, Client, ClientError
from aem.errors import BadHeaderError, SdkError
from cli.output import ExitCode, exit_code_of, fail, say

URL_VARIABLE = "AEM_URL"
KEY_VARIABLE = "AEM_API_KEY"
DEFAULT_URL = "http://127.0.0.1:8321"

OBSERVED_ONLY = "observe-only mode: the service refuses nothing for lack of money"

Command = TypeVar("Command", bound=Callable[..., Any])

key_option = click.option(
    "--key", help="Idempotency key: the same command with the same key acts once."
)


@contextmanager
def connect() -> Iterator[Client]:
    """Open a client as the environment says; at its end, say if nothing is enforced."""
    url = os.environ.get(URL_VARIABLE, DEFAULT_URL)
    with Client(url, os.environ.get(KEY_VARIABLE, "")) as client:
        try:
            yield client
        finally:
            if client.is_observed_only:
                say(f"NOTICE: {OBSERVED_ONLY}", is_error=True)


def remote(command: Command) -> Command:
    """Turn the SDK's errors into messages and exit codes; adds nothing else."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        as_json = bool(kwargs.get("as_json"))
        try:
            return command(*args, **kwargs)
        except ApiError as error:
            fail(
                error.detail,
                exit_code_of(error.status),
                as_json=as_json,
                reason=error.reason,
                **error.details,
            )
        except BadHeaderError as error:
            fail(error.message, ExitCode.USAGE, as_json=as_json, reason=error.reason)
        except ClientError as error:
            url = os.environ.get(URL_VARIABLE, DEFAULT_URL)
            fail(
                f"{error.message} (AEM_URL: {url}; `aem serve` starts one here)",
                ExitCode.UNAVAILABLE,
                as_json=as_json,
                reason=error.reason,
                **error.details,
            )
        except SdkError as error:
            fail(
                error.message,
                ExitCode.BAD_INPUT,
                as_json=as_json,
                reason=error.reason,
                **error.details,
            )

    return run  # type: ignore[return-value]  # wraps keeps the signature


def read_file(path: str, what: str) -> bytes:
    """Read a file that the user named.

    Raises:
        click.ClickException: it cannot be read.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - "-" never comes here
            return file.read()
    except OSError as error:
        raise click.ClickException(
            f"the {what} {path} cannot be read: {error.strerror}"
        ) from error
