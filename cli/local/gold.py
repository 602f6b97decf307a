"""``aem gold lint``: check a dataset folder here, without a service."""

from pathlib import Path

import click

from aem.artifact import Bundle
from api import lint_dataset
from cli.output import (
    ExitCode,
    json_option,
    print_json,
    say,
)
from cli.remote.connection import remote


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
@remote
def lint(folder: Path, *, as_json: bool) -> None:
    """Check a dataset folder: exit code 1 if it cannot be frozen."""
    findings = lint_dataset(Bundle.from_folder(folder).files)
    errors = sum(finding["severity"] == "error" for finding in findings)
    if as_json:
        print_json({"errors": errors, "findings": findings})
    else:
        for finding in findings:
            line = f":{finding['line']}" if finding["line"] else ""
            say(f"{finding['path']}{line}: {finding['severity']}: {finding['message']}")
        say(f"{errors} errors: " + ("cannot be frozen" if errors else "can be frozen"))
    if errors:
        raise click.exceptions.Exit(ExitCode.FAILED)
