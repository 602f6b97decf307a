"""``aem``: the entry point. Commands are imported when they are used, so that help is quick."""

import importlib
import sys
from collections.abc import Callable
from typing import Any

import click

from cli.output import ExitCode, fail

_REMOTE: dict[str, tuple[str, str]] = {
    "submit": ("cli.remote.orders", "Pay for an improvement of an artifact."),
    "status": ("cli.remote.orders", "Show an order, or the newest orders."),
    "watch": ("cli.remote.orders", "Follow an order live until it ends."),
    "report": ("cli.remote.orders", "Show the judge's report on an order."),
    "log": ("cli.remote.versions", "Show an artifact's versions and what its channel ran when."),
    "diff": ("cli.remote.versions", "Show what differs between two versions."),
    "promote": ("cli.remote.versions", "Point a channel to a version."),
    "rollback": ("cli.remote.versions", "Point a channel back to the version before."),
    "wallet": ("cli.remote.money", "Show a wallet: balance, threshold, last transfers."),
    "ledger": ("cli.remote.money", "Read the ledger: accounts, transfers, usage."),
    "budget": ("cli.remote.money", "Set budgets and hand out their tokens."),
    "audit": ("cli.remote.money", "Prove that the ledger is whole."),
    "prices": ("cli.remote.money", "Show the market's current prices."),
    "gold": ("cli.remote.gold", "Lint, freeze and show Gold Datasets."),
    "keys": ("cli.remote.keys", "Make, list and revoke API keys."),
}
_LOCAL: dict[str, tuple[str, str]] = {
    "serve": ("cli.local.service", "Run the service: API and worker in one process."),
    "worker": ("cli.local.service", "Run one more worker on the service's database."),
    "demo": ("cli.local.demo", "Run the main job end to end on a shipped example."),
}
_COMMANDS = _REMOTE | _LOCAL


class LazyCommands(click.Group):
    """A group that knows its commands' names and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the base's signature
        """Return the names in the order of the tables above."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the base's signature
        """Import the command's module."""
        if cmd_name not in _COMMANDS:
            return None
        module, _ = _COMMANDS[cmd_name]
        try:
            command = getattr(importlib.import_module(module), cmd_name)
        except ModuleNotFoundError as error:
            if cmd_name in _LOCAL:
                raise click.ClickException(
                    f"`aem {cmd_name}` runs the service here and needs its packages"
                    f" (missing: {error.name}): install aem-service[server]"
                ) from error
            raise
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{cmd_name} is no command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the base's signature
        """List the commands without importing them."""
        for title, table in (("Commands", _REMOTE), ("Service commands", _LOCAL)):
            with formatter.section(title):
                formatter.write_dl([(name, help_) for name, (_, help_) in table.items()])


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="aem-service", prog_name="aem")
def cli() -> None:
    """AEM: agents pay for their own improvement, under invariants and a daily budget.

    Commands talk to the service at $AEM_URL with the key in $AEM_API_KEY. Each takes --json.
    """


def main() -> None:
    """Run a command; errors of the service become a message and an exit code of their own."""
    run: Callable[..., Any] = cli
    try:
        run(standalone_mode=False)
    except click.exceptions.Abort:
        fail("interrupted", ExitCode.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
