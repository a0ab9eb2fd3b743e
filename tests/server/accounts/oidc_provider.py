"""An OpenID Connect provider as a process of its own: discovery, authorization code with PKCE, RS256 keys, and faults on order.

`python -m tests.server.accounts.oidc_provider`; the first line it prints is its address. POST /orders says who signs in next
and what goes wrong.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = "outfitswap-client"
CLIENT_SECRET = "not a secret: 100% & + a test"


def make_app(issuer: str) -> Any:
    app = FastAPI()
    keys = {"one": RSAKey.generate_key(2048, {"kid": "one"})}
    codes: dict[str, dict[str, Any]] = {}
    orders: dict[str, Any] = {}
    calls: list[str] = []

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Any:
        calls.append("discovery")
        return {
            "issuer": orders.get("discovered_issuer", issuer),
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "code_challenge_methods_supported": ["S256"],
        }

    @app.get("/jwks")
    def jwks() -> Any:
        calls.append("jwks")
        return {"keys": [key.as_dict(private=False) for key in keys.values()]}

    @app.get("/authorize")
    def authorize(request: Request) -> Any:
        query = dict(request.query_params)
        if query.get("client_id") != CLIENT_ID or query.get("response_type") != "code":
            return JSONResponse({"error": "invalid_request"}, 400)
        if query.get("code_challenge_method") != "S256" or "openid" not in query.get("scope", "").split():
            return JSONResponse({"error": "invalid_request"}, 400)
        if orders.get("denies"):
            sent = {"error": "access_denied", "state": query["state"]}
        else:
            code = secrets.token_urlsafe(16)
            codes[code] = query
            sent = {"code": code, "state": query["state"]}
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(sent)}", 302)

    @app.post("/token")
    async def token(request: Request) -> Any:
        form = {name: str(text) for name, text in (await request.form()).items()}
        kind, _, basic = request.headers.get("authorization", "").partition(" ")
        known = {f"{CLIENT_ID}:{CLIENT_SECRET}"}
        if kind.lower() != "basic" or base64.b64decode(basic).decode() not in known:
            return JSONResponse({"error": "invalid_client"}, 401)
        if orders.get("breaks"):
            return JSONResponse({"error": "server_error"}, 500)
        asked = codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if asked is None or challenge != asked["code_challenge"] or form.get("redirect_uri") != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked.get("nonce")}
        claims |= {"sub": "1001", "email": "ada@example.org", "email_verified": True, "name": "Ada"}
        claims |= orders.get("claims", {})
        claims = {name: value for name, value in claims.items() if value is not None}
        answer = {"access_token": secrets.token_urlsafe(), "token_type": "Bearer", "expires_in": 300}
        if not orders.get("no_id_token"):
            answer["id_token"] = sign(claims, orders.get("signing", "RS256"))
        return answer

    def sign(claims: dict[str, Any], how: str) -> str:
        if how == "RS256":
            kid = list(keys)[-1]
            return jwt.encode({"alg": "RS256", "kid": kid}, claims, keys[kid], algorithms=["RS256"])
        if how == "stranger":
            key = RSAKey.generate_key(2048)
            return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key, algorithms=["RS256"])
        alg, secret = {"none": ("none", None), "client_secret": ("HS256", CLIENT_SECRET.encode())}.get(
            how, ("HS256", b"")
        )
        if how == "public_key":
            secret = keys["one"].as_pem(private=False)
        text = f"{_part({'alg': alg, 'kid': 'one'})}.{_part(claims)}"
        return f"{text}." if secret is None else f"{text}.{_b64(hmac.digest(secret, text.encode(), 'sha256'))}"

    @app.post("/orders")
    async def take(request: Request) -> Any:
        orders.clear()
        orders.update(await request.json())
        if orders.pop("new_key", False):
            keys.clear()
            kid = secrets.token_hex(4)
            keys[kid] = RSAKey.generate_key(2048, {"kid": kid})
        seen = list(calls)
        calls.clear()
        return {"calls": seen}

    return app


@contextmanager
def running() -> Iterator[str]:
    """The provider's address while it runs."""
    root = Path(__file__).resolve().parents[3]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.server.accounts.oidc_provider"], stdout=subprocess.PIPE, text=True, cwd=root
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        for _ in range(200):
            try:
                httpx.get(f"{address}/jwks")
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def _part(value: Any) -> str:
    return _b64(json.dumps(value).encode())


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


if __name__ == "__main__":
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    here = f"http://127.0.0.1:{listening.getsockname()[1]}"
    print(here, flush=True)
    uvicorn.Server(uvicorn.Config(make_app(here), log_level="error")).run(sockets=[listening])
