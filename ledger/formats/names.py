"""Account codes as names that Beancount and hledger take, and back.

A name's parts begin with a capital or a digit and go on with letters, digits and hyphens
(Beancount's rule, the stricter one). A code's names may hold dots, underscores, hyphens and any
case, so a hyphen escapes: ``--`` is a hyphen, ``-p`` a dot, ``-u`` an underscore. A small first
letter is written as a capital, and what begins with a capital gets ``X-c`` before it.
"""

from ledger.accounts import class_of

OPENING = "Equity:Opening-balances"
"""The other side of what accounts had before an exported period."""

_CLASSES = {
    "mint": "Equity:Mint",
    "burn": "Equity:Burn",
    "overdraft": "Assets:Overdraft",
    "treasury": "Liabilities:Treasury",
    "reserve": "Liabilities:Reserve",
    "reward-pool": "Liabilities:Reward-pool",
    "wallet": "Liabilities:Wallet",
    "escrow": "Liabilities:Escrow",
    "bond": "Liabilities:Bond",
    "fiat-authority": "Equity:Fiat-authority",
    "fiat-overrun": "Equity:Fiat-overrun",
    "fiat-budget": "Liabilities:Fiat-budget",
    "fiat-spent": "Liabilities:Fiat-spent",
    "suspense": "Liabilities:Suspense",
    "operator-loss": "Expenses:Operator-loss",
}
"""What an account is to the operator: tokens and budgets are owed to those who may spend them.

An overdraft is what a borrower owes the operator.
"""

_PREFIXES = {name: prefix for prefix, name in _CLASSES.items()}
_ESCAPES = {"-": "--", ".": "-p", "_": "-u"}
_UNESCAPES = {escape[1]: character for character, escape in _ESCAPES.items()}
_CAPITAL = "X-c"


def name_of(code: str) -> str:
    """Return an account's name in both tools.

    Raises:
        AccountCodeError: the code belongs to no class of accounts.
    """
    prefix = class_of(code).prefix
    return ":".join((_CLASSES[prefix], *map(_part, code.split(":")[1:])))


def code_of(name: str) -> str:
    """Return the code that a name stands for.

    Raises:
        ValueError: it is no name of an account of this ledger.
    """
    top, kind, *parts = name.split(":")
    prefix = _PREFIXES.get(f"{top}:{kind}")
    if prefix is None:
        raise ValueError(f"{name!r} is no account of this ledger")
    return ":".join((prefix, *map(_text, parts)))


def _part(text: str) -> str:
    first = text[0]
    rest = "".join(_ESCAPES.get(character, character) for character in text[1:])
    return (_CAPITAL if first.isupper() else "") + first.upper() + rest


def _text(part: str) -> str:
    is_capital = part.startswith(_CAPITAL)
    characters = iter(part.removeprefix(_CAPITAL))
    first = next(characters)
    text = first if is_capital else first.lower()
    for character in characters:
        text += _UNESCAPES[next(characters)] if character == "-" else character
    return text
