"""Who this program is to the credits' server: the device's key, the session, and the short-lived token that comes of it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar

from outfitswap_desktop import __version__
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.licensing import machine
from outfitswap_desktop.licensing.link import Link, Refused, Unreachable
from outfitswap_desktop.store.device import DeviceLock

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from outfitswap_desktop.licensing.clock import HighWater
    from outfitswap_desktop.licensing.vault import Place, Vault
    from outfitswap_desktop.licensing.wire.messages import Tokens

    T = TypeVar("T")

SESSION: Final = "session"
DEVICE: Final = "device"
SEED_BYTES: Final = 32
EARLY_SECONDS: Final = 30.0
"""A token that ends so soon is not sent any more."""
ENDED: Final = frozenset({400, 401})
"""Statuses with which a session is over for good (400: invalid_grant of RFC 6749)."""
ANSWER_LIMIT: Final = 40.0
"""Seconds that another program may take to renew the session."""


def signed_out() -> NotAvailable:
    """The error of everything that needs an account."""
    return NotAvailable(
        "Nobody is signed in on this machine.",
        reason="signed_out",
        hint="Sign in: `outfitswap licence activate`, or Credits in the window. The fabric engine needs no account.",
    )


class Identity:
    """The device's key and the session of one data folder; thread-safe, and shared with this user's other programs."""

    def __init__(self, folder: Path, vault: Vault, clock: HighWater) -> None:
        self._folder = folder
        self._vault = vault
        self._clock = clock
        self._turn = threading.RLock()
        self._key: Ed25519PrivateKey | None = None
        self._token = ""
        self._until = 0.0

    # The device

    def key(self, *, make: bool = False) -> Ed25519PrivateKey:
        """The device's key; `make` makes one when there is none. Raises NotAvailable ("secrets_lost")."""
        from outfitswap_desktop.licensing.wire.blobs import key_of

        with self._turn:
            if self._key is None:
                seed = self._vault.get(DEVICE)
                if seed is None or len(seed) != SEED_BYTES:
                    if not make:
                        raise NotAvailable(
                            "The key of this machine is not in the keyring, or the keyring is locked.",
                            reason="secrets_lost",
                            hint="Unlock the keyring and try again, or sign in again.",
                        )
                    seed = secrets.token_bytes(SEED_BYTES)
                    self._vault.put(DEVICE, seed)
                self._key = key_of(seed)
            return self._key

    def public(self) -> bytes:
        """The public half of the device's key, 32 bytes."""
        from outfitswap_desktop.licensing.wire.blobs import public_of

        return public_of(self.key())

    def proof(self, purpose: str) -> str:
        """A fresh proof that we hold the device's key, for one request."""
        from outfitswap_desktop.licensing.wire.device import make_proof

        return make_proof(
            self.key(make=purpose in ("sign-in", "offline")),
            purpose=purpose,
            fingerprint=machine.fingerprint(),
            label=machine.label(),
            os=machine.system(),
            app_version=__version__,
            now=self._clock.now(),
        )

    # The session

    def signed_in(self, tokens: Tokens) -> Place:
        """Keep a new session; says where its secret lies."""
        with self._turn:
            place = self._vault.put(SESSION, tokens.refresh_token.encode("ascii"))
            self._keep(tokens)
            return place

    def forget(self) -> str:
        """Forget the session; returns its refresh token, "" when there was none."""
        with self._turn:
            token = self._vault.get(SESSION)
            self._vault.delete(SESSION)
            self._token, self._until = "", 0.0
            return token.decode("ascii", "replace") if token is not None else ""

    def call(self, link: Link, ask: Callable[[str], T]) -> T:
        """`ask(token)`, once more with a new token where the first is not believed any more.

        Raises NotAvailable ("signed_out"), and what `ask` raises.
        """
        try:
            return ask(self.token(link))
        except Refused as problem:
            if problem.status != 401:
                raise
        return ask(self.token(link, renew=True))

    def token(self, link: Link, *, renew: bool = False) -> str:
        """An access token that still lives. Raises NotAvailable ("signed_out"), Unreachable."""
        with self._turn:
            if not renew and self._token and time.monotonic() < self._until:
                return self._token
            waited = time.monotonic()

            def wait() -> None:
                if time.monotonic() - waited > ANSWER_LIMIT:
                    raise _busy()

            # A refresh token works once: two programs that send the same one would end the session.
            with DeviceLock(self._folder, "licence-session").held(wait=wait):
                kept = self._vault.get(SESSION)
                if kept is None:
                    raise signed_out()
                tokens = self._refreshed(link, kept.decode("ascii", "replace"))
                self._vault.put(SESSION, tokens.refresh_token.encode("ascii"))
                self._keep(tokens)
                return self._token

    def _refreshed(self, link: Link, refresh_token: str) -> Tokens:
        from outfitswap_desktop.licensing.wire.messages import Tokens

        def ask() -> Tokens:
            form = {"grant_type": "refresh_token", "refresh_token": refresh_token, "device": self.proof("sign-in")}
            return link.ask("POST", "/v1/token", Tokens, form=form)

        try:
            try:
                return ask()
            except Unreachable:  # its answer may have been lost: for a moment the server gives it once more
                return ask()
        except Refused as problem:
            if problem.status not in ENDED:
                raise
            self._vault.delete(SESSION)
            raise signed_out() from problem

    def _keep(self, tokens: Tokens) -> None:
        self._token = tokens.access_token
        self._until = time.monotonic() + max(0.0, tokens.expires_in - EARLY_SECONDS)


def _busy() -> NotAvailable:
    return NotAvailable(
        "Another program of this user is signing in just now.", reason="sign_in_busy", hint="Try again in a moment."
    )
