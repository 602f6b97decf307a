"""Threads that start together."""

import threading
from collections.abc import Callable
from typing import Any

THREADS = 6


def together(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """Run the work in threads from a barrier; return what each gave or raised."""
    barrier = threading.Barrier(count)
    answers: list[Any] = [None] * count

    def run(number: int) -> None:
        barrier.wait()
        try:
            answers[number] = work(number)
        except Exception as error:  # noqa: BLE001 - handed to the test
            answers[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
