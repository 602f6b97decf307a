"""Groups whose commands are imported when they are called, so that help is quick."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True, kw_only=True)
class Lazy:
    """Where a command is, and its line in the help.

    Attributes:
        module: holds the command under its own name.
        help: one line.
        is_local: whether it runs the service's code here, and so needs the [server] extra.
    """

    module: str
    help: str
    is_local: bool = False


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy], **kwargs: Any) -> None:
        """Keep the table of commands; those added in the usual way come first."""
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, lazy ones last, in the order of their table."""
        return [*super().list_commands(ctx), *self._lazy]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module.

        Raises:
            click.ClickException: the service's packages are not installed here.
        """
        lazy = self._lazy.get(cmd_name)
        if lazy is None:
            return super().get_command(ctx, cmd_name)
        try:
            command = getattr(importlib.import_module(lazy.module), cmd_name)
        except ModuleNotFoundError as error:
            if not lazy.is_local:
                raise
            raise click.ClickException(
                f"`{ctx.command_path} {cmd_name}` runs the service's code here and needs its"
                f" packages (missing: {error.name}): install aem-service[server]"
            ) from error
        if not isinstance(command, click.Command):
            raise TypeError(f"{lazy.module}.{cmd_name} is no command")
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - the base class's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """List the commands without importing the lazy ones."""
        rows = [
            (name, command.get_short_help_str())
            for name, command in self.commands.items()
            if not command.hidden
        ]
        remote = [*rows, *((n, z.help) for n, z in self._lazy.items() if not z.is_local)]
        local = [(n, z.help) for n, z in self._lazy.items() if z.is_local]
        for title, listed in (("Commands", remote), ("Commands that run here", local)):
            if listed:
                with formatter.section(title):
                    formatter.write_dl(listed)
