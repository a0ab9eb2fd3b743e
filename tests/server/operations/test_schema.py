"""Schemathesis over the whole API: no server error, no answer that the document does not name, nothing open by mistake."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from typing import Any, Final

import pytest
import requests
import schemathesis
from fastapi import Response
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from outfitswap_desktop.licensing.wire.ids import new_id
from tests.server.operations.conftest import Crowd, Somebody

OPEN: Final = {
    "GET /.well-known/jwks.json",
    "GET /.well-known/outfitswap-keys",
    "GET /healthz",
    "GET /readyz",
    "GET /v1/auth/oauth/{provider}/callback",
    "GET /v1/auth/oauth/{provider}/start",
    "GET /v1/packs",
    "GET /v1/prices",
    "POST /v1/auth/login",
    "POST /v1/auth/password/forgot",
    "POST /v1/auth/password/reset",
    "POST /v1/auth/refresh",
    "POST /v1/auth/register",
    "POST /v1/device/code",
    "POST /v1/licences/redeem",
    "POST /v1/stripe/webhook",
    "POST /v1/token",
}
"""What may be asked without an access token: signing in itself, what everybody may see, and what proves itself otherwise."""
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
LONGEST_TARGET: Final = 65_535
"""Bytes of path and query that httptools.parse_url takes; its offsets are 16-bit numbers."""
NOT_PARSED: Final = b"Invalid HTTP request received."
"""What uvicorn itself answers, with status 400, when the parser gave a request up."""
PURPOSES: Final = {
    "/v1/leases": "lease",
    "/v1/leases/{lease_id}/reconcile": "reconcile",
    "/v1/leases/{lease_id}/close": "reconcile",
}


def not_parsed(answer: Any) -> bool:
    """Whether `answer` is the parser's refusal of an address that is really too long for it."""
    # Such a request never reaches the application, so the API's document cannot name its answer. Everything else is judged.
    refused = answer.status_code == 400 and answer.content == NOT_PARSED
    return refused and len(answer.request.path_url.encode()) > LONGEST_TARGET


class Tour:
    """Asks every operation of the API, as somebody, with what schemathesis makes and now and then with ids that exist."""

    def __init__(self, address: str, crowd: Crowd) -> None:
        self.address = address
        self.crowd = crowd
        self.session = requests.Session()
        self.schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        self.chance = random.Random(7)
        self.answers: Counter[str] = Counter()
        self.not_parsed = 0
        self.who = crowd()
        self.known = self._things(self.who)

    def run(self, *, examples: int) -> None:
        for found in self.schema.get_all_operations():
            operation = found.ok()
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                self._ask(operation, mode, examples)

    def _ask(self, operation: Any, mode: GenerationMode, examples: int) -> None:
        strategy = operation.as_strategy(generation_mode=mode)

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def one(case: Any) -> None:
            self._send(case, operation)

        if mode is GenerationMode.NEGATIVE and not (operation.body or operation.path_parameters or operation.query):
            return
        one()

    def _send(self, case: Any, operation: Any) -> None:
        self._renew()
        parameters = dict(case.path_parameters or {})
        for name in parameters:
            if name in self.known and self.chance.random() < 0.6:
                parameters[name] = self.known[name]
        case.path_parameters = parameters
        if isinstance(case.body, dict):
            if "proof" in case.body and self.chance.random() < 0.7:
                case.body["proof"] = self.who.proof(PURPOSES.get(operation.path, "lease"))
            if "device" in case.body and self.chance.random() < 0.7:
                case.body["device"] = self.who.proof("sign-in")
            if "engine" in case.body and self.chance.random() < 0.7:
                case.body |= {"engine": "sd15", "images": 2, "credits": 2}
        headers = {**self.who.headers, "Idempotency-Key": new_id()}
        answer = case.call(base_url=self.address, headers=headers, session=self.session, timeout=60)
        if not_parsed(answer):
            self.not_parsed += 1
            return
        self.answers[str(answer.status_code)] += 1
        case.validate_response(answer, checks=CHECKS)

    def _renew(self) -> None:
        """Sign in anew after what signs out."""
        if requests.get(f"{self.address}/v1/me", headers=self.who.headers, timeout=10).status_code != 200:
            self.who = self.crowd()
            self.known = self._things(self.who)

    def _things(self, who: Somebody) -> dict[str, str]:
        """Ids of a reservation, a lease, a device and a session that exist."""
        reservation, lease = new_id(), new_id()
        held = self._post(who, "/v1/reservations", id=reservation, credits=1, job_id="j", engine="sd15", images=1)
        assert held.status_code == 201, held.text
        taken = self._post(who, "/v1/leases", id=lease, credits=5, days=2, proof=who.proof("lease"))
        assert taken.status_code == 201, taken.text
        session = requests.get(f"{self.address}/v1/sessions", headers=who.headers, timeout=10).json()["sessions"][0][
            "id"
        ]
        return {"id": reservation, "lease_id": lease, "device_id": who.device_id, "session_id": session}

    def _post(self, who: Somebody, path: str, **body: object) -> requests.Response:
        headers = {**who.headers, "Idempotency-Key": new_id()}
        return requests.post(f"{self.address}{path}", json=body, headers=headers, timeout=10)


def test_every_answer_is_one_that_the_document_names(address: str, crowd: Crowd):
    tour = Tour(address, crowd)
    tour.run(examples=1)
    assert tour.answers["200"] > 10
    assert tour.answers["422"] > 5


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_every_answer_is_one_that_the_document_names_at_length(
    address: str, crowd: Crowd, capsys: pytest.CaptureFixture[str]
):
    tour = Tour(address, crowd)
    began = time.monotonic()
    try:
        tour.run(examples=150)
    finally:
        with capsys.disabled():
            told = dict(sorted(tour.answers.items()))
            print(f"\n{told}, not parsed: {tour.not_parsed}, {time.monotonic() - began:.0f} s")
    assert tour.answers["200"] > 500


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_only_an_address_too_long_for_the_parser_is_passed_over(address: str, crowd: Crowd):
    tour = Tour(address, crowd)
    operation = tour.schema["/v1/prices"]["GET"]
    for length, passed in ((LONGEST_TARGET, 0), (LONGEST_TARGET + 1, 1)):
        tour._send(operation.Case(query={"x": "x" * (length - len("/v1/prices?x="))}), operation)
        assert tour.not_parsed == passed
    assert tour.answers == {"200": 1}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_is_open_but_what_is_listed(client):
    document = client.get("/openapi.json").json()
    found = set()
    for path, methods in document["paths"].items():
        for method in methods:
            filled = re.sub(r"\{[^}]+\}", "01J00000000000000000000000", path)
            for headers in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": "Basic YTpi"}):
                answer = client.request(method, filled, headers=headers, follow_redirects=False)
                if answer.status_code != 401:
                    found.add(f"{method.upper()} {path}")
    assert found == OPEN


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_example_of_each_rule_is_found_when_it_is_broken(services, crowd):
    """The tour fails on an API with a server error, on answers that are not documented, and on one like the parser's."""
    from fastapi import FastAPI

    from outfitswap_desktop.server.app import make_app
    from tests.server.operations.conftest import listen_to

    for path, answer in (("/broken", lambda: 1 / 0), ("/teapot", _teapot), ("/mumble", _mumble)):
        app: FastAPI = make_app(services)
        app.add_api_route(path, answer, methods=["GET"])
        for address in listen_to(app):
            tour = Tour(address, crowd)
            operation = next(one.ok() for one in tour.schema.get_all_operations() if one.ok().path == path)
            with pytest.raises(FailureGroup):
                tour._ask(operation, GenerationMode.POSITIVE, 1)


def _teapot() -> None:
    from outfitswap_desktop.server.problems import Refusal

    raise Refusal(418, "teapot", title="A teapot", detail="No coffee.")


def _mumble() -> Response:
    return Response(NOT_PARSED, 400, media_type="text/plain")
