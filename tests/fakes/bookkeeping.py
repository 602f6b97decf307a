"""The tools of those who keep books, as they are installed: nothing is asked of us but a file."""

import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from tests.conftest import missing

TIMEOUT_S = 120


def bean_check(path: Path) -> str:
    """Return what `bean-check` complains of; "" where it accepts the file."""
    program = Path(sys.executable).with_name("bean-check")
    return _run(str(program), str(path))


def hledger_check(path: Path) -> str:
    """Return what `hledger check -s` complains of; "" where it accepts the file."""
    return _run(_hledger(), "-f", str(path), "check", "-s")


def hledger_balances(path: Path) -> dict[str, Decimal]:
    """Return the balances that hledger works out, by its accounts' names."""
    ended = subprocess.run(
        [_hledger(), "-f", str(path), "bal", "-N", "-E", "--flat", "-O", "csv"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    rows = re.findall(r'^"([^"]+)","([^"]*)"$', ended.stdout, re.MULTILINE)[1:]
    return {name: Decimal(amount.split(" ")[0]) for name, amount in rows}


def _hledger() -> str:
    program = shutil.which("hledger")
    if program is None:
        missing("no hledger: install Debian's package")
    return program


def _run(*arguments: str) -> str:
    ended = subprocess.run(
        arguments, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    complaint = ended.stdout + ended.stderr
    if ended.returncode and not complaint:
        complaint = f"exit code {ended.returncode}"
    return complaint
