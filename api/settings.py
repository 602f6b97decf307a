"""Settings: the one place that reads the environment (``AEM_...``)."""

from decimal import Decimal
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

DEFAULT_PORT = 8321


class Settings(BaseSettings):
    """How one process of the service is set up; every field has an ``AEM_`` variable.

    Attributes:
        data_folder: keys, the embedded database and Git repositories live here.
        database_url: empty for SQLite in the data folder, else ``postgresql+psycopg://...``.
        enforcement: ``enforce``, or ``observe``: nothing is refused for lack of money.
        sandbox: ``auto`` (Docker, else bubblewrap, said loudly), ``docker`` or ``bubblewrap``.
        threshold_tokens: C_dev, what a wallet must hold before it may order.
        fee_tokens: what an accepted order pays beyond what was metered.
        judged_case_ms: sandbox time that a judged case is billed at, however long it takes.
        duplicate_threshold: how alike a submission may not be to another owner's version.
        duplicates: whether such a submission is refused, or only recorded in the order.
        models: the catalogue of language models; None for a service without any.
        synthesis_model: what synthesizers ask where an order names no model.
        model_call_s: how long one call of a model may take.
        model_tokens: most tokens that one attempt at a piece of an order's work may use.
        tick_interval_s: how often prices are set.
        smoothing: omega of the paper's section 6.2.
        checkpoint_interval_s: how often the ledger's head is signed.
        audit_interval_s: how often the service audits its own ledger; 0 for never.
        audit_full_interval_s: how often it reads the whole ledger for that, and not only what
            followed the last checkpoint that fitted.
        alert_webhook: where alerts are sent as JSON; it may hold a token, and so is a secret.
        alert_slack: where they are sent as Slack's incoming webhooks take them.
        alert_secret: signs what goes to the webhook.
        alert_thresholds: shares of a day's fiat budget that are told of, in percent.
        signer: socket of a signer in a process of its own; without it, key files sign.
    """

    model_config = SettingsConfigDict(
        env_prefix="AEM_", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    data_folder: Path = Path(".aem")
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65535)
    enforcement: Literal["enforce", "observe"] = "enforce"
    sandbox: Literal["auto", "docker", "bubblewrap"] = "auto"
    threshold_tokens: Decimal = Field(default=Decimal(100), ge=0)
    fee_tokens: Decimal = Field(default=Decimal(5), ge=0)
    synthesis_session_s: int = Field(default=300, ge=1, le=3500)
    synthesis_case_runs: int = Field(default=12_000, ge=1)
    validation_session_s: int = Field(default=60, ge=1, le=1750)
    judged_case_ms: int = Field(default=20, ge=0, le=60_000)
    duplicate_threshold: float = Field(default=0.8, ge=0.5, le=1)
    duplicates: Literal["refuse", "warn"] = "refuse"
    models: Path | None = None
    synthesis_model: str = ""
    model_call_s: float = Field(default=60.0, gt=0, le=600)
    model_tokens: int = Field(default=1_000_000, ge=1, le=1_000_000_000)
    tick_interval_s: int = Field(default=60, ge=1, le=3600)
    smoothing: Decimal = Field(default=Decimal("0.3"), gt=0, lt=1)
    checkpoint_interval_s: float = Field(default=1.0, gt=0)
    audit_interval_s: int = Field(default=86_400, ge=0)
    audit_full_interval_s: int = Field(default=604_800, ge=1)
    alert_webhook: SecretStr = SecretStr("")
    alert_slack: SecretStr = SecretStr("")
    alert_secret: SecretStr = SecretStr("")
    alert_thresholds: str = Field(
        default="50,80,100", pattern=r"^[1-9][0-9]{0,2}(,[1-9][0-9]{0,2})*$"
    )
    signer: Path | None = None

    @field_validator("alert_webhook", "alert_slack")
    @classmethod
    def _is_address(cls, value: SecretStr) -> SecretStr:
        parts = urlsplit(value.get_secret_value())
        if value.get_secret_value() and not (parts.scheme in ("http", "https") and parts.hostname):
            raise ValueError("an alert goes to an http or https address")
        return value

    @model_validator(mode="after")
    def _webhook_is_signed(self) -> Self:
        if self.alert_webhook.get_secret_value() and not self.alert_secret.get_secret_value():
            raise ValueError(
                "AEM_ALERT_WEBHOOK needs AEM_ALERT_SECRET, by which its receiver knows us"
            )
        return self

    @property
    def url(self) -> str:
        """The database's address."""
        if self.database_url:
            return self.database_url
        return f"sqlite:///{(self.data_folder / 'aem.db').absolute()}"

    @property
    def keys_folder(self) -> Path:
        """Where the signing keys are."""
        return self.data_folder / "keys"

    @property
    def repositories_folder(self) -> Path:
        """Where the Git projections are."""
        return self.data_folder / "git"
