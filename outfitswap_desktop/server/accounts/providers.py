"""The providers where one can sign in, spoken to through Authlib: their metadata, their codes, and what an id token says."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.problems import Refusal

GOOGLE: Final = "https://accounts.google.com"
DISCOVERY: Final = "/.well-known/openid-configuration"
TIMEOUT_S: Final = 10
ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")
"""What an id token may be signed with: never "none", never with a shared secret."""
_FRESH_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Provider:
    """Where one can sign in; `name` is in addresses, `title` on buttons."""

    name: str
    title: str
    issuer: str
    client_id: str
    client_secret: str


def providers(settings: Settings) -> tuple[Provider, ...]:
    """Those that the settings name."""
    found = []
    if settings.google_client_id:
        secret = settings.google_client_secret.get_secret_value()
        found.append(Provider("google", "Google", GOOGLE, settings.google_client_id, secret))
    if settings.oidc_issuer and settings.oidc_client_id:
        secret = settings.oidc_client_secret.get_secret_value()
        title = settings.oidc_name or urlsplit(settings.oidc_issuer).hostname or "OpenID"
        found.append(Provider("oidc", title, settings.oidc_issuer, settings.oidc_client_id, secret))
    return tuple(found)


class Providers:
    """The providers as Authlib speaks to them, their metadata and keys kept for an hour. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._apps: dict[str, tuple[float, Any]] = {}
        self._tls: ssl.SSLContext | None = None

    def authorization_url(
        self, provider: Provider, *, redirect_uri: str, state: str, nonce: str, code_verifier: str
    ) -> str:
        """Where the provider asks its user; raises Refusal 502."""
        with _unreachable():
            url: str = self._app(provider).create_authorization_url(
                redirect_uri, state=state, nonce=nonce, code_verifier=code_verifier
            )["url"]
        return url

    def claims(
        self, provider: Provider, *, redirect_uri: str, code: str, nonce: str, code_verifier: str
    ) -> Mapping[str, Any]:
        """What the id token for `code` says, once everything about it was checked; raises Refusal 400, 502."""
        from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
        from joserfc.errors import JoseError

        with _unreachable():
            app = self._app(provider)
            try:
                token = app.fetch_access_token(redirect_uri=redirect_uri, code=code, code_verifier=code_verifier)
                said = app.parse_id_token(
                    token, nonce=nonce, claims_options={"iss": {"essential": True, "value": provider.issuer}}
                )
            except (AuthlibBaseError, JoseError, ValueError, KeyError, TypeError) as error:
                structlog.get_logger(__name__).warning("oauth_failed", provider=provider.name, why=type(error).__name__)
                raise _failed() from error
        audience = () if said is None else said.get("aud")
        if said is None or provider.client_id not in ([audience] if isinstance(audience, str) else audience):
            raise _failed()
        found: Mapping[str, Any] = said
        return found

    def _app(self, provider: Provider) -> Any:
        with self._lock:
            made, app = self._apps.get(provider.name, (0.0, None))
            if app is None or time.monotonic() - made > _FRESH_S:
                self._tls = self._tls or ssl.create_default_context()
                app = _connect(provider, self._tls)
                self._apps[provider.name] = (time.monotonic(), app)
            return app


class _unreachable:
    """Turns what httpx raises for a provider that does not answer into a Refusal 502."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if kind is not None and kind.__module__.startswith("httpx"):
            raise Refusal(
                502,
                "provider_unreachable",
                title="The provider does not answer",
                detail="Try again later, or sign in with your password.",
            ) from error


def _connect(provider: Provider, tls: ssl.SSLContext) -> Any:
    """Authlib's client without a web framework: where its state lies is ours to say. Reads the provider's metadata."""
    from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OpenIDMixin  # type: ignore[import-untyped]
    from authlib.integrations.httpx_client import OAuth2Client  # type: ignore[import-untyped]

    class App(OAuth2Mixin, OpenIDMixin, BaseApp):  # type: ignore[misc]
        client_cls = OAuth2Client

    secure = provider.issuer.startswith("https://") or urlsplit(provider.issuer).hostname in {"127.0.0.1", "localhost"}
    if not secure:
        raise _failed()
    app = App(
        None,
        name=provider.name,
        client_id=provider.client_id,
        client_secret=provider.client_secret or None,
        server_metadata_url=provider.issuer.rstrip("/") + DISCOVERY,
        client_kwargs={
            "scope": "openid email profile",
            "code_challenge_method": "S256",
            "timeout": TIMEOUT_S,
            "verify": tls,
        },
    )
    metadata = app.load_server_metadata()
    if metadata.get("issuer") != provider.issuer:
        raise _failed()
    offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
    metadata["id_token_signing_alg_values_supported"] = [each for each in offered if each in ALGORITHMS] or ["RS256"]
    return app


def _failed() -> Refusal:
    return Refusal(
        400,
        "oauth_failed",
        title="Signing in there did not work",
        detail="Please try again, or sign in with your password.",
    )
