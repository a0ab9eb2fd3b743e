"""Access tokens: what is not signed by this server, for it and now, is nobody's."""

from __future__ import annotations

import base64
import hmac
import json
from itertools import product

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import OKPKey

from outfitswap_desktop.server.accounts import tokens
from tests.server.accounts.conftest import SQLITE

pytestmark = SQLITE


@pytest.fixture
def ada(settled):
    return settled()


@pytest.fixture
def good(ada):
    return ada.tokens["access_token"]


@pytest.fixture
def key(services):
    return services.keys.active("token")


def part(value) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def parts(token):
    return [json.loads(base64.urlsafe_b64decode(each + "==")) for each in token.split(".")[:2]]


def signed(private: Ed25519PrivateKey, header, claims) -> str:
    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{part(private.sign(text.encode()))}"


def refused(client, services, token) -> bool:
    with pytest.raises(tokens.BadToken):
        tokens.read(services.keys, token, issuer=services.settings.public_url, now=services.clock())
    try:
        answer = client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    except UnicodeEncodeError:
        return True
    return answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"


def test_what_a_good_one_says(good, ada, services, clock):
    header, claims = parts(good)
    assert header == {"typ": "JWT", "alg": "Ed25519", "kid": services.keys.active("token")[0]}
    assert claims["iss"] == "http://testserver"
    assert claims["aud"] == "outfitswap"
    assert claims["sub"] == ada.account_id
    assert claims["exp"] - claims["iat"] == 900
    clock.forward(seconds=899)
    assert ada("GET", "/v1/me").status_code == 200
    clock.forward(seconds=1)
    assert ada("GET", "/v1/me").status_code == 401


def test_anybody_can_check_one_with_the_published_keys(client, good):
    from joserfc import jwt
    from joserfc.jwk import KeySet

    keys = KeySet.import_key_set(client.get("/.well-known/jwks.json").json())
    assert jwt.decode(good, keys, algorithms=["Ed25519"]).claims["aud"] == "outfitswap"
    assert all("d" not in each for each in client.get("/.well-known/jwks.json").json()["keys"])


def test_no_algorithm(client, services, good):
    header, claims = parts(good)
    for alg, kid in product(("none", "None", "NONE", "nOnE", "", None), (header["kid"], None)):
        head = f"{part({'alg': alg, 'kid': kid, 'typ': 'JWT'})}.{part(claims)}."
        assert refused(client, services, head)
        assert refused(client, services, head + good.rsplit(".", 1)[1])


def test_the_public_key_taken_for_a_shared_secret(client, services, good, key):
    kid, private = key
    public = private.public_key()
    secrets = (
        public.public_bytes(Encoding.Raw, PublicFormat.Raw),
        public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        OKPKey.import_key(public).as_dict(private=False)["x"].encode(),
        b"",
    )
    for secret in secrets:
        for alg, hashed in (("HS256", "sha256"), ("HS512", "sha512")):
            text = f"{part({'alg': alg, 'kid': kid})}.{part(parts(good)[1])}"
            assert refused(client, services, f"{text}.{part(hmac.digest(secret, text.encode(), hashed))}")


def test_another_algorithms_name_over_a_good_signature(client, services, good, key):
    for alg in ("EdDSA", "HS256", "RS256", "ES256", "Ed448", "ed25519"):
        assert refused(client, services, signed(key[1], {**parts(good)[0], "alg": alg}, parts(good)[1]))


NAMES = [
    *("../../../../dev/null", "/dev/null", "..", "", "' OR 1=1 --", "%2e%2e%2f", "token\x00"),
    *(None, 0, True, [], {}, ["a"]),
    "http://127.0.0.1/k",
]


def test_the_key_s_name_is_only_a_name(client, services, good, key):
    for kid in NAMES:
        assert refused(client, services, signed(key[1], {**parts(good)[0], "kid": kid}, parts(good)[1]))


def test_a_key_that_the_token_brings_along(client, services, good):
    own = Ed25519PrivateKey.generate()
    public = OKPKey.import_key(own.public_key()).as_dict(private=False)
    header, claims = parts(good)
    for more in (
        {"jwk": public},
        {"jwk": public, "kid": None},
        {"jku": "http://127.0.0.1:1/keys", "kid": "mine"},
        {"x5u": "http://127.0.0.1:1/", "x5c": ["AA=="]},
    ):
        assert refused(client, services, signed(own, {**header, **more}, claims))


def test_a_lease_s_key_signs_no_tokens(client, services, good):
    kid, private = services.keys.active("lease")
    assert refused(client, services, signed(private, {**parts(good)[0], "kid": kid}, parts(good)[1]))


CHANGES = [
    *({"iss": "https://elsewhere.example"}, {"iss": None}, {"iss": ["http://testserver"]}),
    *({"aud": "somebody-else"}, {"aud": None}, {"aud": []}, {"aud": ["x"]}),
    *({"exp": 1}, {"exp": None}, {"exp": "99999999999"}, {"exp": 1e11}, {"exp": True}, {"exp": -1}, {"exp": {}}),
    *({"nbf": 99_999_999_999}, {"iat": 99_999_999_999}, {"iat": None}, {"nbf": "now"}),
    *({"sub": None}, {"sub": 7}, {"sub": ""}, {"sid": None}, {"sid": 7}, {"sid": ["a"]}, {"did": 7}),
]


def test_claims_that_are_not_ours(client, services, good, key):
    header, claims = parts(good)
    assert not services.limiter.on
    for change in CHANGES:
        changed = {name: value for name, value in {**claims, **change}.items() if value is not None}
        assert refused(client, services, signed(key[1], header, changed)), change


def test_a_signed_token_for_another_account_s_session(client, services, good, key, settled):
    bob = settled("bob@example.org")
    header, claims = parts(good)
    answer = client.get(
        "/v1/me", headers={"Authorization": "Bearer " + signed(key[1], header, {**claims, "sub": bob.account_id})}
    )
    assert answer.status_code == 401


def test_headers_that_must_be_understood(client, services, good, key):
    for header in ({"crit": ["x"], "x": 1}, {"b64": False, "crit": ["b64"]}, {"crit": []}):
        assert refused(client, services, signed(key[1], {**parts(good)[0], **header}, parts(good)[1]))


def test_every_character_counts(client, services, good):
    body, last = good.rsplit(".", 1)
    for place in range(len(body) + 1 + len(last) - 1):  # of the last character two bits are no part of the signature
        letter = "A" if good[place] != "A" else "B"
        with pytest.raises(tokens.BadToken):
            tokens.read(
                services.keys,
                good[:place] + letter + good[place + 1 :],
                issuer=services.settings.public_url,
                now=services.clock(),
            )


NONSENSE = ["", ".", "..", "...", "a.b.c", "....", "e30.e30.", "\u00e9.\u00e9.\u00e9", "A" * 5000, "null.null.null"]


def test_what_is_no_token(client, services):
    for text in NONSENSE:
        assert refused(client, services, text)


def test_other_headers(client, good):
    for header in ("", "Bearer", "Bearer ", "Basic {}", "Token {}", "{}", "Bearer {} x", "bearer  "):
        assert client.get("/v1/me", headers={"Authorization": header.format(good)}).status_code == 401


def test_a_new_key_signs_and_a_revoked_one_counts_no_more(client, services, ada, good, clock):
    services.keys.activate(services.keys.new("token"))
    assert ada("GET", "/v1/me").status_code == 200
    fresh = client.post("/v1/auth/refresh", json={"token": ada.tokens["refresh_token"]}).json()["access_token"]
    assert parts(fresh)[0]["kid"] != parts(good)[0]["kid"]
    services.keys.revoke(parts(good)[0]["kid"])
    clock.forward(seconds=6)
    assert client.get("/v1/me", headers={"Authorization": f"Bearer {fresh}"}).status_code == 200
    assert refused(client, services, good)


def test_another_server_s_tokens(services, good):
    with pytest.raises(tokens.BadToken):
        tokens.read(services.keys, good, issuer="https://other.example", now=services.clock())
