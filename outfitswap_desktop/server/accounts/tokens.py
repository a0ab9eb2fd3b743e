"""Access tokens: JWTs of 15 minutes, signed with Ed25519, checked against the keys that this server publishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry, extract_compact

ALGORITHM: Final = "Ed25519"
"""EdDSA over Curve25519 under its fully specified name (RFC 9864, which deprecates "EdDSA")."""
AUDIENCE: Final = "outfitswap"
LIFETIME_S: Final = 15 * 60
_LONGEST: Final = 2048
_REGISTRY: Final = JWSRegistry(algorithms=[ALGORITHM])


class TokenKeys(Protocol):
    """What is needed of the server's signing keys (server.keys)."""

    def active(self, purpose: Literal["token"]) -> tuple[str, Ed25519PrivateKey]:
        """Name and private half of the key that signs now."""
        ...

    def verifiers(self, purpose: Literal["token"]) -> Mapping[str, Ed25519PublicKey]:
        """Public halves of all keys whose signatures still count, by name."""
        ...


class BadToken(Exception):
    """Not an access token of this server, or no longer."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says. `expires_at` in milliseconds."""

    account_id: str
    session_id: str
    device_id: str | None
    expires_at: int


def issue(keys: TokenKeys, claims: Claims, *, issuer: str, now: int) -> str:
    """A signed token with `claims`, made at `now` (ms)."""
    kid, private = keys.active("token")
    payload: dict[str, Any] = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": claims.account_id,
        "sid": claims.session_id,
        "iat": now // 1000,
        "exp": claims.expires_at // 1000,
    }
    if claims.device_id is not None:
        payload["did"] = claims.device_id
    return jwt.encode({"alg": ALGORITHM, "kid": kid}, payload, OKPKey.import_key(private), registry=_REGISTRY)


def read(keys: TokenKeys, token: str, *, issuer: str, now: int) -> Claims:
    """The claims of `token`; raises BadToken.

    Only `ALGORITHM` is accepted, whatever the token's header names; `kid` picks among the published keys and is nothing else;
    keys that a header brings along (jwk, jku, x5u) are not looked at.
    """
    if len(token) > _LONGEST:
        raise BadToken("too long")
    try:
        header = extract_compact(token.encode("ascii")).headers()
        kid = header.get("kid")
        public = keys.verifiers("token").get(kid) if isinstance(kid, str) else None
        if public is None or header.get("alg") != ALGORITHM or "crit" in header:
            raise BadToken("header")
        claims = jwt.decode(token, OKPKey.import_key(public), registry=_REGISTRY).claims
        jwt.JWTClaimsRegistry(
            now=now // 1000,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": AUDIENCE},
            sub={"essential": True},
            sid={"essential": True},
            iat={"essential": True},
            exp={"essential": True},
        ).validate(claims)
    except (JoseError, ValueError, TypeError, AttributeError) as error:
        raise BadToken(str(error)) from error
    account, session, device, expires = (claims.get(name) for name in ("sub", "sid", "did", "exp"))
    if not (isinstance(account, str) and isinstance(session, str) and isinstance(expires, int)):
        raise BadToken("claims")
    if not (device is None or isinstance(device, str)) or now >= expires * 1000:
        raise BadToken("claims")
    return Claims(account, session, device, expires * 1000)


def key_set(keys: TokenKeys) -> dict[str, Any]:
    """The public keys as a JWK set (RFC 7517)."""
    return {
        "keys": [
            {**OKPKey.import_key(public).as_dict(private=False), "kid": kid, "use": "sig", "alg": ALGORITHM}
            for kid, public in keys.verifiers("token").items()
        ]
    }
