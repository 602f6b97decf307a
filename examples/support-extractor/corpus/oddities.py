"""Structure cases: inputs that are allowed and strange; any valid output will do."""

import random
from collections.abc import Callable

_SCRIPTS = "Ünïcödé ñandú 漢字 عربى עברית हिन्दी 🙂🙃 ﬁ ½ Ⅷ"
_MARKUP = "<div class='x'>&nbsp;{\"a\": [1, 2, {}]}</div> ``` %s {{0}} \\n \\u0000 '; --"
_MAX_RUN = 1_500


def _digits(rng: random.Random) -> str:
    return "".join(rng.choices("0123456789 -+()", k=_MAX_RUN))


def _controls(rng: random.Random) -> str:
    return "".join(rng.choices("\t\r\n\x0b\x1f\x7f\u200b\u202e\ufeff\u2028a ", k=60))


def _broken_values(rng: random.Random) -> str:
    endings = rng.sample(("ORD-", "@example", "DE00", "+", "$", "31/02/", "4111 1111", "GB"), 5)
    return " ".join(endings)


ODDITIES: dict[str, Callable[[random.Random], list[str]]] = {
    "nothing said": lambda _: [],
    "empty turns": lambda rng: [""] * rng.randint(1, 60),
    "white space": lambda rng: [" \n\t " * rng.randint(1, 20)],
    "digits": lambda rng: [_digits(rng)],
    "scripts of the world": lambda rng: [_SCRIPTS] * rng.randint(1, 5),
    "control characters": lambda rng: [_controls(rng) for _ in range(3)],
    "markup": lambda rng: [_MARKUP] * rng.randint(1, 9),
    "broken values": lambda rng: [_broken_values(rng) for _ in range(9)],
    "one long word": lambda rng: [rng.choice("aä9@-") * _MAX_RUN],
    "many turns": lambda rng: [rng.choice(("yes", "no", "?", "12"))] * rng.randint(100, 200),
}
"""Ways to be strange, by name; each makes the texts of a chat."""


def structure_cases(per_oddity: int, rng: random.Random) -> list[dict[str, object]]:
    """Return so many cases of each oddity; the oddity is the group."""
    cases: list[dict[str, object]] = []
    for name, make in ODDITIES.items():
        for number in range(per_oddity):
            turns = [{"role": "customer", "text": text} for text in make(rng)]
            cases.append(
                {
                    "id": f"structure/{name}/{number}".replace(" ", "-"),
                    "type": "structure",
                    "group": f"oddity:{name}",
                    "input": {"conversation": turns},
                }
            )
    return cases
