"""``aem bulk``: many orders at once."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import click

from cli.output import (
    ExitCode,
    Tokens,
    json_option,
    plain,
    print_json,
    print_table,
    say,
    tokens,
)
from cli.remote.bulk_run import BulkRun, Ending, Terms
from cli.remote.connection import connect, remote

MAX_PARALLEL = 64
folder_type = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("folders", nargs=-1, required=True, type=folder_type)
@click.option("--max-price", type=Tokens(), required=True, help="Tokens for each order.")
@click.option(
    "--parallel",
    type=click.IntRange(1, MAX_PARALLEL),
    default=4,
    show_default=True,
    help="Orders under way at once.",
)
@click.option(
    "--synthesizer",
    default="repair",
    show_default=True,
    help="Who searches: repair (python), prompt-search (prompts), openai (both, by a model).",
)
@click.option("--model", default="", help="What the synthesizer asks; see `aem models`.")
@click.option("--channel", default="production", show_default=True)
@click.option("--propose", is_flag=True, help="Publish what passes, and promote nothing.")
@json_option
@remote
def bulk(
    *,
    folders: tuple[Path, ...],
    max_price: int,
    parallel: int,
    synthesizer: str,
    model: str,
    channel: str,
    propose: bool,
    as_json: bool,
) -> None:
    """Pay for improvements of many artifacts, each with its own gold dataset.

    Each of the FOLDERS holds artifact/, gold/ and, if there are any, traces.jsonl. Run again with
    the same folders and options, it orders nothing twice.
    """
    terms = Terms(
        max_price_utok=max_price,
        channel=channel,
        deployment="propose" if propose else "deploy",
        synthesizer=synthesizer,
        model=model,
    )
    named = list(dict.fromkeys(folders))
    with connect() as client, _progress(len(named), is_quiet=as_json) as progress:
        run = BulkRun(client, terms, parallel=parallel, tell=progress.tell)
        endings = []
        for ending in run.run(named):
            endings.append(ending)
            progress.end(ending)
    endings.sort(key=lambda ending: named.index(Path(ending.folder)))
    _print_summary(endings, as_json=as_json)
    _exit(endings)


class Progress(Protocol):
    """Shows what happens to the items."""

    def tell(self, folder: str, stage: str) -> None:
        """Show that an item has come to a stage; called from any thread."""

    def end(self, ending: Ending) -> None:
        """Show how an item ended."""


class Silence:
    """Shows nothing: standard output is for one JSON value."""

    def tell(self, folder: str, stage: str) -> None:
        """Show nothing."""

    def end(self, ending: Ending) -> None:
        """Show nothing."""


class Lines:
    """A line for each item that has ended."""

    def __init__(self, total: int) -> None:
        """Begin at none of `total`."""
        self._total = total
        self._ended = 0

    def tell(self, folder: str, stage: str) -> None:
        """Show nothing: a log is read afterwards."""

    def end(self, ending: Ending) -> None:
        """Print the line."""
        self._ended += 1
        say(f"[{self._ended}/{self._total}] {_told(ending)}")


class Terminal:
    """A bar over all items, and a line for each that is under way."""

    def __init__(self, total: int) -> None:
        """Draw nothing yet."""
        from rich import progress  # noqa: PLC0415 - rich is slow to import and help is quick

        self.bars = progress.Progress(
            progress.SpinnerColumn(),
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=24),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            transient=True,
        )
        self._all = self.bars.add_task("all", total=total)
        self._rows: dict[str, progress.TaskID] = {}

    def tell(self, folder: str, stage: str) -> None:
        """Show an item's stage beside its name."""
        text = plain(f"{Path(folder).name}: {stage}", keep="")
        if folder not in self._rows:
            self._rows[folder] = self.bars.add_task(text, total=None)
        self.bars.update(self._rows[folder], description=text)

    def end(self, ending: Ending) -> None:
        """Put the item's line above the bars, and its own row away."""
        row = self._rows.pop(ending.folder, None)
        if row is not None:
            self.bars.remove_task(row)
        told = plain(_told(ending), keep="")
        self.bars.console.print(told, markup=False, emoji=False, highlight=False)
        self.bars.advance(self._all)


@contextmanager
def _progress(total: int, *, is_quiet: bool) -> Iterator[Progress]:
    if is_quiet:
        yield Silence()
    elif sys.stdout.isatty():
        terminal = Terminal(total)
        with terminal.bars:
            yield terminal
    else:
        yield Lines(total)


def _told(ending: Ending) -> str:
    why = f": {ending.reason}" if ending.reason else ""
    detail = f" ({ending.detail})" if ending.detail else ""
    cost = f", {tokens(ending.price_utok)} tokens, {ending.elapsed_s:.1f} s"
    return f"{ending.artifact} {ending.outcome}{why}{detail}{cost if ending.order else ''}"


def _print_summary(endings: Sequence[Ending], *, as_json: bool) -> None:
    counts = dict(sorted(Counter(ending.outcome for ending in endings).items()))
    if as_json:
        print_json({"items": [asdict(ending) for ending in endings], "counts": counts})
        return
    rows = [
        (e.artifact, e.outcome, e.reason or "-", tokens(e.price_utok), f"{e.elapsed_s:.1f}")
        for e in endings
    ]
    title = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    print_table(title, ("artifact", "outcome", "reason", ">tokens", ">seconds"), rows)


def _exit(endings: Sequence[Ending]) -> None:
    """End with 0 if all were accepted, 8 if the service failed at one, else 1."""
    codes = {ending.exit_code for ending in endings}
    if ExitCode.UNAVAILABLE in codes:
        raise click.exceptions.Exit(ExitCode.UNAVAILABLE)
    if codes != {ExitCode.OK}:
        raise click.exceptions.Exit(ExitCode.FAILED)
