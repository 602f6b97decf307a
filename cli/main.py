"""``aem``: the entry point."""

import io
import sys

import click

from cli.lazy import Lazy, LazyGroup
from cli.output import ExitCode, fail, say

_ORDERS, _VERSIONS, _MONEY = "cli.remote.orders", "cli.remote.versions", "cli.remote.money"
_COMMANDS = {
    "submit": Lazy(module=_ORDERS, help="Pay for an improvement of an artifact."),
    "bulk": Lazy(module="cli.remote.bulk", help="Order for many artifacts at once."),
    "status": Lazy(module=_ORDERS, help="Show an order, or the newest orders."),
    "watch": Lazy(module=_ORDERS, help="Follow an order live until it ends."),
    "report": Lazy(module=_ORDERS, help="Show the judge's report on an order."),
    "calls": Lazy(module=_ORDERS, help="Show what an order asked of language models."),
    "log": Lazy(module=_VERSIONS, help="Show versions, and what a channel ran when."),
    "diff": Lazy(module=_VERSIONS, help="Show what differs between two versions."),
    "promote": Lazy(module=_VERSIONS, help="Point a channel to a version."),
    "rollback": Lazy(module=_VERSIONS, help="Point a channel back to the version before."),
    "wallet": Lazy(module=_MONEY, help="Show a wallet: balance, threshold, transfers."),
    "ledger": Lazy(module="cli.remote.ledger", help="Read the ledger, and report on it."),
    "budget": Lazy(module=_MONEY, help="Set budgets and hand out their tokens."),
    "audit": Lazy(module="cli.remote.audit", help="Prove that the ledger is whole."),
    "alerts": Lazy(module="cli.remote.alerts", help="Show what operators were told."),
    "prices": Lazy(module=_MONEY, help="Show the market's current prices."),
    "models": Lazy(module=_MONEY, help="Show the language models that orders may ask."),
    "gold": Lazy(module="cli.remote.gold", help="Lint, freeze and show Gold Datasets."),
    "keys": Lazy(module="cli.remote.keys", help="Make, list and revoke API keys."),
    "serve": Lazy(module="cli.local.service", help="The service: API and worker.", is_local=True),
    "worker": Lazy(module="cli.local.service", help="One more worker.", is_local=True),
    "signer": Lazy(
        module="cli.local.signer", help="The signing keys, in a process.", is_local=True
    ),
    "demo": Lazy(
        module="cli.local.demo", help="The main job on a shipped example.", is_local=True
    ),
}


@click.group(
    cls=LazyGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="aem-service", prog_name="aem")
def cli() -> None:
    """AEM: agents pay for their own improvement, under invariants and a daily budget.

    Commands talk to the service at $AEM_URL with the key in $AEM_API_KEY. Each takes --json.
    """


def main() -> None:
    """Run a command; what goes wrong becomes a message and an exit code of its own."""
    try:
        sys.exit(cli(standalone_mode=False))
    except click.exceptions.Abort:
        fail("interrupted", ExitCode.INTERRUPTED)
    except click.ClickException as error:
        told = io.StringIO()
        error.show(file=told)
        say(told.getvalue().removesuffix("\n"), is_error=True)  # it quotes arguments
        sys.exit(ExitCode.USAGE)


if __name__ == "__main__":
    main()
