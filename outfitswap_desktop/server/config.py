"""The server's settings, all from the environment (docs/operations.md); each has a default with which one machine works."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _list(text: str) -> str:
    return ",".join(part.strip() for part in text.split(",") if part.strip())


Listed = Annotated[str, NoDecode, AfterValidator(_list)]


class Settings(BaseSettings):
    """Everything that an operator sets. Names are the variables' in lower case; secrets never show in a repr."""

    model_config = SettingsConfigDict(env_prefix="", extra="ignore", frozen=True)

    database_url: str = ""
    """postgresql+psycopg://…, or "" for SQLite below `home`."""
    outfitswap_server_home: Path | None = None
    public_url: str = "http://127.0.0.1:8000"
    """How browsers and programs reach the server."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    metrics_host: str = "127.0.0.1"
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 9464
    """0: no metrics."""
    trusted_proxies: Listed = "127.0.0.1"

    stripe_secret_key: SecretStr = SecretStr("")
    stripe_webhook_secrets: SecretStr = SecretStr("")
    """One, or two with a comma during rotation."""
    stripe_api_base: str = ""
    """Another address than Stripe's own (tests)."""
    stripe_automatic_tax: bool = True
    stripe_tax_behavior: Literal["exclusive", "inclusive"] = "exclusive"
    """Whether tax comes on top of a pack's price or is in it."""
    stripe_withdrawal_text: Annotated[str, Field(min_length=1, max_length=1200)] = (
        "Credits are added to your account at once. By paying you ask for that before the withdrawal period ends, and you "
        "know that your right of withdrawal then ends for credits that you have used; unused ones can be paid back."
    )
    """Shown beside the button that pays."""

    licence_pepper: SecretStr = SecretStr("")
    """Secret of the licence keys' hashes; "" makes one below `home`."""
    site_secret: SecretStr = SecretStr("")
    """Secret of the site's cookies; "" makes one below `home`."""
    key_dir: Path | None = None
    """Folder of the signing keys; None = `home`/keys."""

    smtp_url: SecretStr = SecretStr("")
    """smtp(s)://user:password@host:port; "" writes e-mails as files below `home`/mail."""
    mail_from: str = "OutfitSwap <no-reply@localhost>"

    google_client_id: str = ""
    google_client_secret: SecretStr = SecretStr("")
    oidc_name: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")

    redis_url: SecretStr = SecretStr("")
    """Where rate limits are counted; "" = in memory."""
    rate_limits: bool = True
    free_credits: Annotated[int, Field(ge=0)] = 20
    free_credits_days: Annotated[int, Field(ge=1)] = 30
    prices: str = "sd15=1,sdxl=2,klein=2,qwen=3"
    """Credits for one image by engine."""
    prices_version: int = 1
    max_devices: Annotated[int, Field(ge=1)] = 3
    max_lease_credits: Annotated[int, Field(ge=1)] = 500

    sentry_dsn: SecretStr = SecretStr("")
    log_json: bool = True
    sweep_seconds: float = 30.0
    """How often what is due is looked for; 0: never (tests call the sweeps themselves)."""

    @cached_property
    def home(self) -> Path:
        """The server's own folder, made when missing."""
        folder = self.outfitswap_server_home or Path.home() / ".local/share/outfitswap-server"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder.absolute()

    @property
    def url(self) -> str:
        """The database's SQLAlchemy URL."""
        return self.database_url or f"sqlite:///{self.home / 'server.db'}"

    @property
    def keys(self) -> Path:
        """Folder of the signing keys, made when missing."""
        folder = self.key_dir or self.home / "keys"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def price_table(self) -> dict[str, int]:
        """Credits for one image by engine; raises ValueError for a line that is not name=number."""
        pairs = (part.partition("=") for part in self.prices.split(",") if part.strip())
        return {name.strip(): int(price) for name, _, price in pairs}
