"""Accounts that are asked for by name: one that never existed is refused, not shown as empty."""

from difflib import get_close_matches

from sqlalchemy.orm import Session

from ledger.accounts import ACCOUNT_CLASSES, MAX_CODE_CHARACTERS, class_of
from ledger.errors import AccountNotFoundError
from ledger.store import neighbours

MAX_MATCHES = 3

_LOOKED_AT_ROWS = 500
"""On each side, in the order of the codes: bounds what a mistyped name costs."""


def require_account(session: Session, code: str) -> None:
    """Refuse the code of an account that never existed.

    An account comes into being with its first transfer or hold; those without a name of their own,
    such as ``burn``, are always there.

    Raises:
        AccountCodeError: the code belongs to no class of accounts.
        AccountNotFoundError: nothing ever touched it.
    """
    kind = class_of(code)
    if kind.names and not neighbours.was_touched(session, code):
        raise _missing(session, code, f"there is no account {code}: nothing ever touched it")


def require_prefix(session: Session, prefix: str) -> None:
    """Refuse a beginning of codes that none has, unless it is that of a whole class of accounts.

    Raises:
        AccountNotFoundError: no account's code begins so.
    """
    if not any(f"{name}:".startswith(prefix) for name in ACCOUNT_CLASSES):
        shown = prefix[:MAX_CODE_CHARACTERS]
        raise _missing(session, prefix, f"there is no account whose code begins with {shown!r}")


def _missing(session: Session, code: str, what: str) -> AccountNotFoundError:
    """Return the error, with the codes most like the one that is not there."""
    name, colon, rest = code.partition(":")
    if name in ACCOUNT_CLASSES and colon:
        found = neighbours.near(session, code, prefix=f"{name}:", limit=_LOOKED_AT_ROWS)
        owners = {match.partition(":")[2]: match for match in found}
    else:
        owners, rest = {f"{known}:": f"{known}:" for known in ACCOUNT_CLASSES}, code
    matches = [owners[close] for close in get_close_matches(rest, owners, n=MAX_MATCHES)]
    meant = f"; did you mean {', '.join(matches)}?" if matches else ""
    return AccountNotFoundError(f"{what}{meant}", close_matches=matches)
