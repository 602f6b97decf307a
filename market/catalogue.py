"""The catalogue: language models that the service may call, and what their providers bill.

The operator writes it as a TOML file (docs/models.md). A model without a price for each token, or
without a cap on them, cannot be listed: no hold could cover a call of it.
"""

import json
import os
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from aem.artifact import ChatRequest
from core.money import NUSD_PER_USD, PUSD_PER_NUSD
from market.domain import BASE_PRICE_MAX_PUSD, Resource
from market.errors import BadCatalogueError, ModelNotFoundError, UncappedReplyError

MODELS_MAX = 40
"""Each is two resources of the price table."""

TOKENS_MAX = 10_000_000
CONCURRENCY_MAX = 10_000
MESSAGE_OVERHEAD_MAX_TOKENS = 1_000

TOKENS_PER_PRICE = 1_000_000
"""Providers state prices for so many tokens."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_PROVIDER = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model behind an OpenAI-compatible endpoint.

    Attributes:
        name: how artifacts and orders name it: lower-case letters, digits and hyphens.
        provider: who bills; the ledger's ``fiat-spent:<provider>``.
        base_url: of the endpoint, such as ``http://127.0.0.1:8080/v1``.
        upstream_name: how the endpoint names it.
        api_key: credential for the endpoint; never shown.
        input_price_pusd: what the provider bills for one token of the request; above zero.
        output_price_pusd: the same for one token of the reply.
        context_tokens: most tokens of a request and its reply together.
        reply_tokens_max: most tokens that a reply is given.
        message_overhead_tokens: most tokens that the chat template puts around one message.
        has_reply_schemas: whether the endpoint takes a JSON Schema for the reply.
        cap_parameter: the request's field that caps the reply, hidden reasoning included.
        concurrency: calls that it can serve at once; makes the capacity of its tokens.
    """

    name: str
    provider: str
    base_url: str
    upstream_name: str
    api_key: str = field(default="", repr=False)
    input_price_pusd: int
    output_price_pusd: int
    context_tokens: int
    reply_tokens_max: int
    message_overhead_tokens: int = 16
    has_reply_schemas: bool = True
    cap_parameter: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    concurrency: int = 8

    @property
    def input_resource(self) -> str:
        """Name under which the market prices a token of a request."""
        return input_resource(self.name)

    @property
    def output_resource(self) -> str:
        """Name under which the market prices a token of a reply."""
        return output_resource(self.name)

    def resources(self) -> tuple[Resource, Resource]:
        """Return what the market prices; capacity counts tokens that can be in flight at once."""
        return (
            Resource(
                name=self.input_resource,
                unit=f"token sent to {self.name}",
                base_price_pusd=self.input_price_pusd,
                capacity=self.concurrency * self.context_tokens,
                sensitivity=Fraction(1),
            ),
            Resource(
                name=self.output_resource,
                unit=f"token written by {self.name}",
                base_price_pusd=self.output_price_pusd,
                capacity=self.concurrency * self.reply_tokens_max,
                sensitivity=Fraction(1),
            ),
        )

    def input_bound_tokens(self, request: ChatRequest) -> int:
        """Return a proven bound on the tokens of a request.

        A token stands for at least one byte of text, so bytes bound tokens; the chat template
        adds its own around each message; and no request is longer than the context.
        """
        texts = [message.content for message in request.messages]
        size = sum(len(text.encode()) for text in texts)
        if self.has_reply_schemas and request.reply_schema is not None:
            size += len(json.dumps(dict(request.reply_schema)))
        overhead = self.message_overhead_tokens * (len(request.messages) + 1)
        return min(size + overhead, self.context_tokens)

    def reply_cap_tokens(self, request: ChatRequest) -> int:
        """Return the cap that is sent upstream.

        Raises:
            UncappedReplyError: the request caps the reply at nothing.
        """
        if request.max_tokens <= 0:
            raise UncappedReplyError(
                f"a call of {self.name} caps its reply at {request.max_tokens} tokens: ask for at"
                " least 1",
                max_tokens=request.max_tokens,
            )
        return min(request.max_tokens, self.reply_tokens_max)


def input_resource(model: str) -> str:
    """Name the resource that prices a token of a request."""
    return f"{model}-input-token"


def output_resource(model: str) -> str:
    """Name the resource that prices a token of a reply."""
    return f"{model}-output-token"


class Catalogue:
    """The models of one service, by name."""

    def __init__(self, models: tuple[Model, ...] = ()) -> None:
        """Keep them.

        Raises:
            BadCatalogueError: too many, or a name stands twice.
        """
        self._models = {model.name: model for model in models}
        if len(models) > MODELS_MAX:
            raise BadCatalogueError(
                f"a catalogue has at most {MODELS_MAX} models, and this one {len(models)}"
            )
        counts = Counter(model.name for model in models)
        twice = sorted(name for name, count in counts.items() if count > 1)
        if twice:
            raise BadCatalogueError(
                f"the catalogue names the model {twice[0]!r} {counts[twice[0]]} times: give each"
                " of its models a name of its own, and let `upstream_name` say how the endpoint"
                " names it",
                model=twice[0],
            )

    @classmethod
    def read(cls, path: Path, environment: Mapping[str, str] | None = None) -> "Catalogue":
        """Read a catalogue file; keys come from environment variables or files that it names.

        Raises:
            BadCatalogueError: it cannot be read, or an entry is wrong; says which and why.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadCatalogueError(f"the catalogue {path} cannot be read: {error}") from error
        entries = content.pop("models", [])
        if content or not isinstance(entries, list):
            odd = min(content) if content else "models"
            raise BadCatalogueError(
                f"the catalogue {path} holds [[models]] tables and no more: {odd[:80]!r} is none"
            )
        if not entries:
            raise BadCatalogueError(
                f"the catalogue {path} lists no model: add a [[models]] table, or unset AEM_MODELS"
            )
        source = os.environ if environment is None else environment
        numbered = enumerate(entries, 1)
        return cls(tuple(_Entry(e, number, path.parent, source).model() for number, e in numbered))

    @property
    def models(self) -> tuple[Model, ...]:
        """All models, in the order of the file."""
        return tuple(self._models.values())

    def model(self, name: str) -> Model:
        """Return the model of this name.

        Raises:
            ModelNotFoundError: there is none.
        """
        if name not in self._models:
            known = ", ".join(sorted(self._models)) or "none: set AEM_MODELS"
            raise ModelNotFoundError(
                f"this service has no model {name[:80]!r}; it has {known}", model=name[:80]
            )
        return self._models[name]

    def resources(self) -> tuple[Resource, ...]:
        """Return what the market prices for all models."""
        return tuple(resource for model in self.models for resource in model.resources())


class _Entry:
    """One ``[[models]]`` table, read strictly."""

    _KEYS = frozenset(
        {name.name for name in fields(Model)}
        - {"api_key", "input_price_pusd", "output_price_pusd"}
    ) | {"api_key_env", "api_key_file", "input_usd_per_million", "output_usd_per_million"}

    def __init__(
        self, table: Any, number: int, folder: Path, environment: Mapping[str, str]
    ) -> None:
        if not isinstance(table, dict):
            raise BadCatalogueError("each of the catalogue's models is a [[models]] table")
        self._table = table
        self._folder = folder
        self._environment = environment
        self._name = str(table.get("name", f"number {number}"))[:80]
        unknown = sorted(set(table) - self._KEYS)
        if unknown:
            raise BadCatalogueError(
                f"model {self._name!r} of the catalogue has {unknown[0][:80]!r}, which is no key;"
                f" there are {', '.join(sorted(self._KEYS))}",
                model=self._name,
                key=unknown[0],
            )

    def model(self) -> Model:
        name = self._matching("name", _NAME)
        context = self._count("context_tokens", TOKENS_MAX)
        return Model(
            name=name,
            provider=self._matching("provider", _PROVIDER),
            base_url=self._url(),
            upstream_name=self._text("upstream_name", default=name),
            api_key=self._api_key(),
            input_price_pusd=self._price("input_usd_per_million"),
            output_price_pusd=self._price("output_usd_per_million"),
            context_tokens=context,
            reply_tokens_max=self._count("reply_tokens_max", context),
            message_overhead_tokens=self._count(
                "message_overhead_tokens", MESSAGE_OVERHEAD_MAX_TOKENS, default=16
            ),
            has_reply_schemas=self._flag("has_reply_schemas"),
            cap_parameter=self._cap_parameter(),
            concurrency=self._count("concurrency", CONCURRENCY_MAX, default=8),
        )

    def _wrong(self, key: str, expected: str) -> BadCatalogueError:
        return BadCatalogueError(
            f"model {self._name!r} of the catalogue: `{key}` must be {expected}, not"
            f" {self._table.get(key)!r:.80}",
            model=self._name,
            key=key,
        )

    def _text(self, key: str, *, default: str = "") -> str:
        value = self._table.get(key, default)
        if not isinstance(value, str) or not 0 < len(value) <= 200:  # noqa: PLR2004
            raise self._wrong(key, "a text of 1 to 200 characters")
        return value

    def _matching(self, key: str, pattern: re.Pattern[str]) -> str:
        value = self._text(key)
        if not pattern.fullmatch(value):
            raise self._wrong(key, f"a text that matches {pattern.pattern}")
        return value

    def _url(self) -> str:
        value = self._text("base_url")
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise self._wrong("base_url", "an http or https address without a user")
        return value

    def _count(self, key: str, most: int, *, default: int | None = None) -> int:
        value = self._table.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
            raise self._wrong(key, f"a whole number from 1 to {most}")
        return value

    def _flag(self, key: str) -> bool:
        value = self._table.get(key, True)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false")
        return value

    def _cap_parameter(self) -> Literal["max_tokens", "max_completion_tokens"]:
        match self._table.get("cap_parameter", "max_tokens"):
            case "max_tokens":
                return "max_tokens"
            case "max_completion_tokens":
                return "max_completion_tokens"
            case _:
                raise self._wrong("cap_parameter", "max_tokens or max_completion_tokens")

    def _price(self, key: str) -> int:
        """Read USD per million tokens, as a text so that no digit is lost, into pusd a token."""
        expected = 'a text such as "0.15": USD per million tokens, above 0 and in whole pico-USD'
        try:
            usd = Decimal(self._text(key))
            pusd = usd * NUSD_PER_USD * PUSD_PER_NUSD / TOKENS_PER_PRICE
            is_whole = pusd == pusd.to_integral_value()
        except InvalidOperation as error:
            raise self._wrong(key, expected) from error
        if not is_whole or not 0 < pusd <= BASE_PRICE_MAX_PUSD:
            raise self._wrong(key, expected)
        return int(pusd)

    def _api_key(self) -> str:
        if "api_key_env" in self._table and "api_key_file" in self._table:
            raise BadCatalogueError(
                f"model {self._name!r} of the catalogue has both `api_key_env` and `api_key_file`:"
                " keep the one that holds its key",
                model=self._name,
                key="api_key_file",
            )
        if "api_key_env" in self._table:
            variable = self._matching("api_key_env", _VARIABLE)
            if not self._environment.get(variable):
                raise self._wrong("api_key_env", "the name of a variable that is set")
            return self._environment[variable]
        if "api_key_file" in self._table:
            return self._api_key_of_file()
        return ""

    def _api_key_of_file(self) -> str:
        path = self._folder / self._text("api_key_file")
        try:
            key = path.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise self._wrong("api_key_file", "the path of a readable file") from error
        if not key:
            raise self._wrong(
                "api_key_file",
                "the path of a file that holds a key (leave it out for an endpoint without keys)",
            )
        return key
