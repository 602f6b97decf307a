"""Many orders at once: each item by itself, so many at a time, none stopping the others."""

import hashlib
import json
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from aem.artifact import Bundle
from aem.client import ApiError, Client, ClientError
from aem.errors import SdkError
from cli.output import ExitCode, exit_code_of
from cli.remote.orders import exit_code_of_order

ARTIFACT, GOLD, TRACES = "artifact", "gold", "traces.jsonl"
"""What an item's folder holds; traces may be missing."""

MAX_SUBMISSIONS = 20
"""How often one item is ordered anew after the service failed at it, over all runs."""


class BadItemError(SdkError):
    """A folder does not hold what is to be ordered."""

    reason = "bad_item"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What all orders of a bulk have in common."""

    max_price_utok: int
    channel: str
    deployment: str
    synthesizer: str
    model: str


@dataclass(frozen=True, kw_only=True)
class Item:
    """What one folder holds."""

    artifact: Bundle
    gold: Bundle
    traces: bytes

    @classmethod
    def read(cls, folder: Path) -> "Item":
        """Read a folder.

        Raises:
            BadItemError: a part is missing or cannot be read.
            ArtifactError: a part is no folder of plain files, or the artifact is none.
        """
        for part in (ARTIFACT, GOLD):
            if not (folder / part).is_dir():
                raise BadItemError(f"{folder} has no folder {part}/", path=str(folder / part))
        traces = folder / TRACES
        try:
            content = traces.read_bytes() if traces.exists() else b""
        except OSError as error:
            raise BadItemError(f"{traces} cannot be read: {error.strerror}") from error
        return cls(
            artifact=Bundle.from_folder(folder / ARTIFACT),
            gold=Bundle.from_folder(folder / GOLD),
            traces=content,
        )

    def key(self, gold: str, terms: Terms) -> str:
        """Return what names the order of these bytes on these terms, in this and later runs."""
        asked = {
            "artifact": self.artifact.digest,
            "name": self.artifact.manifest.name,
            "gold": gold,
            "traces": hashlib.sha256(self.traces).hexdigest(),
            **asdict(terms),
        }
        text = json.dumps(asked, sort_keys=True)
        return f"bulk:{hashlib.sha256(text.encode()).hexdigest()}"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How one item ended.

    Attributes:
        folder: as it was named.
        artifact: its name; the folder's where there is no artifact to read.
        outcome: the order's (``accepted``, ``rejected``, ``failed``), or ``refused`` where none
            was taken, or ``unreachable`` where the service gave no answer.
        reason: why, for machines; "" where it was accepted.
        detail: why, for people; "" where the order says it.
        price_utok: what it cost.
        elapsed_s: from submission to end, by the service's clock.
        exit_code: what `aem submit` would have ended with.
        order: its id; None where none was taken.
    """

    folder: str
    artifact: str
    outcome: str
    reason: str
    detail: str = ""
    price_utok: int = 0
    elapsed_s: float = 0.0
    exit_code: ExitCode
    order: str | None = None


class BulkRun:
    """Freezes, submits and follows items, so many at a time."""

    def __init__(
        self, client: Client, terms: Terms, *, parallel: int, tell: Callable[[str, str], None]
    ) -> None:
        """Keep the collaborators; nothing is sent.

        Args:
            client: shared by all threads.
            terms: of every order.
            parallel: items under way at once.
            tell: is given an item's folder and what just happened to it; from any thread.
        """
        self._client = client
        self._terms = terms
        self._parallel = parallel
        self._tell = tell

    def run(self, folders: Sequence[Path]) -> Iterator[Ending]:
        """Yield each item's ending as it comes.

        What is under way when the caller stops goes on in the service; a later run follows it.
        """
        waiting: queue.SimpleQueue[Path] = queue.SimpleQueue()
        ended: queue.SimpleQueue[Ending] = queue.SimpleQueue()
        for folder in folders:
            waiting.put(folder)

        def work() -> None:
            while True:
                try:
                    folder = waiting.get_nowait()
                except queue.Empty:
                    return
                ended.put(self._end(folder))

        for _ in range(min(self._parallel, len(folders))):
            # Daemons: a thread that follows an order does not hold up an interrupted command.
            threading.Thread(target=work, daemon=True).start()
        for _ in folders:
            yield ended.get()

    def _end(self, folder: Path) -> Ending:
        name = str(folder)
        try:
            item = Item.read(folder)
            name = item.artifact.manifest.name
            return _ending(folder, self._order(folder, item))
        except Exception as error:  # noqa: BLE001 - no item stops the others, whatever it is
            return _refused(folder, name, error)

    def _order(self, folder: Path, item: Item) -> dict[str, Any]:
        self._tell(str(folder), "freezing")
        gold = str(self._client.freeze_gold(item.gold)["digest"])
        self._tell(str(folder), "submitting")
        order = self._submit(item, gold)
        if not order["is_final"]:
            order = self._follow(folder, order["id"])
        return order

    def _submit(self, item: Item, gold: str) -> dict[str, Any]:
        """Order, once and for all: what was taken before is found again by its key.

        Where the service failed at an order and paid it back, the next key orders anew.
        """
        key = item.key(gold, self._terms)
        order: dict[str, Any] = {}
        for number in range(1, MAX_SUBMISSIONS + 1):
            taken = self._client.submit(
                item.artifact,
                gold=gold,
                traces=item.traces,
                idempotency_key=f"{key}:{number}",
                **asdict(self._terms),
            )
            order = self._client.order(taken["id"])
            if order["outcome"] != "failed":
                break
        return order

    def _follow(self, folder: Path, order_id: str) -> dict[str, Any]:
        with self._client.events(f"order:{order_id}") as events:
            for event in events:
                if event.kind in ("settled", "refunded"):
                    break
                if event.kind != "progress":
                    self._tell(str(folder), event.kind)
        return self._client.order(order_id)


def _ending(folder: Path, order: dict[str, Any]) -> Ending:
    created, updated = (
        datetime.fromisoformat(order[name]) for name in ("created_at", "updated_at")
    )
    return Ending(
        folder=str(folder),
        artifact=order["artifact"],
        outcome=order["outcome"],
        reason=order["reason"],
        price_utok=order["price_utok"],
        elapsed_s=round((updated - created).total_seconds(), 3),
        exit_code=exit_code_of_order(order),
        order=order["id"],
    )


def _refused(folder: Path, name: str, error: Exception) -> Ending:
    code = ExitCode.FAILED
    if isinstance(error, ApiError):
        code = exit_code_of(error.status)
    elif isinstance(error, ClientError):
        code = ExitCode.UNAVAILABLE
    elif isinstance(error, SdkError):
        code = ExitCode.BAD_INPUT
    return Ending(
        folder=str(folder),
        artifact=name,
        outcome="unreachable" if code is ExitCode.UNAVAILABLE else "refused",
        reason=error.reason if isinstance(error, SdkError) else type(error).__name__,
        detail=str(error),
        exit_code=code,
    )
