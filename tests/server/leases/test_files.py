"""Machines without a network: the request, the licence and the receipts as files, carried to a signed-in account."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from outfitswap_desktop.licensing.wire import offline
from outfitswap_desktop.licensing.wire.blobs import new_key, public_of
from outfitswap_desktop.licensing.wire.device import make_proof
from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.licensing.wire.receipts import Chain, begin, sign_receipt
from outfitswap_desktop.server.tables.accounts import devices
from tests.server.leases.conftest import Person

DAY = 86_400_000
ONE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what has nothing to do with the kind of the database."""


@dataclass
class Hermit:
    """A machine that never sees a network."""

    at: int
    key: object = field(default_factory=new_key)
    lease_id: str = field(default_factory=new_id)

    def proof(self, *, purpose: str = "offline") -> str:
        return make_proof(
            self.key, purpose=purpose, fingerprint="e" * 64, label="Keller", os="Linux", app_version="1", now=self.at
        )

    def request(self, *, credits: int = 10, days: int = 7, proof: str | None = None) -> str:
        return offline.make_request(
            self.key, proof=proof or self.proof(), lease_id=self.lease_id, credits=credits, days=days
        )

    def receipts(self, blobs: list[str], *, close: bool = False) -> str:
        return offline.make_receipts(self.key, blobs, proof=self.proof(), lease_id=self.lease_id, close=close)


def _upload(person: Person, text: str, *, what: str = "requests"):
    return person.client.post(f"/v1/offline/{what}", json={"file": text})


def _read(person: Person, hermit: Hermit, text: str) -> offline.OfflineLicence:
    return offline.read_licence(
        text,
        person.services.keys.root_public,
        at_least_version=1,
        now=hermit.at,
        device_public_key=public_of(hermit.key),
    )


def _jobs(hermit: Hermit, chain: Chain, number: int) -> tuple[Chain, list[str]]:
    blobs = []
    for place in range(number):
        for kind, digest in (("hold", ""), ("commit", "ef" * 32)):
            receipt = chain.next(kind, f"j{place}", credits=1, at=hermit.at, output_sha256=digest)
            chain = chain.after(receipt)
            blobs.append(sign_receipt(receipt, hermit.key))
    return chain, blobs


@pytest.fixture
def hermit(person) -> Hermit:
    return Hermit(person.clock())


def test_there_and_back_and_there_again(person, people, hermit) -> None:
    """A browser session, which is no device itself, answers for the machine; a week later its receipts come."""
    visitor = people(account_id=person.account_id, program=False)
    answer = _upload(visitor, hermit.request(credits=10))
    assert answer.status_code == 201
    licence = _read(person, hermit, answer.json()["file"])
    assert licence.lease.lease_id == hermit.lease_id
    assert licence.lease.credits == 10
    assert licence.keys.version == person.services.keys.key_list().version
    assert answer.json()["summary"]["device_label"] == "Keller"
    assert person.available() == 90
    chain, blobs = _jobs(hermit, begin(licence.lease), 4)
    hermit.at += 6 * DAY
    person.clock.forward(days=7)
    told = _upload(visitor, hermit.receipts(blobs), what="receipts").json()
    assert (told["accepted"], told["spent"], told["left"], told["head"]) == (8, 4, 6, chain.head)
    closing = hermit.receipts([], close=True)
    for _ in range(2):
        told = _upload(visitor, closing, what="receipts").json()
        assert (told["state"], told["spent"], told["duplicate"]) == ("closed", 4, 0)
    assert person.available() == 96
    hermit.lease_id = new_id()
    assert _upload(visitor, hermit.request(credits=20)).status_code == 201
    with person.services.database.reading() as tx:
        assert len(tx.execute(devices.select().where(devices.c.label == "Keller")).all()) == 1


def test_the_same_request_gives_the_same_lease(person, hermit) -> None:
    request = hermit.request()
    first, again = _upload(person, request), _upload(person, request)
    assert first.json()["file"] == again.json()["file"]
    assert person.available() == 90


@ONE
def test_one_request_is_for_one_account(person, people, hermit) -> None:
    request = hermit.request()
    assert _upload(person, request).status_code == 201
    thief = people()
    answer = _upload(thief, request)
    assert (answer.status_code, answer.json()["code"]) == (409, "id_in_use")
    assert thief.available() == 100


@ONE
def test_requests_are_not_believed_for_their_words(person, hermit) -> None:
    stranger = Hermit(hermit.at)
    cases = {
        hermit.request(proof=stranger.proof()): "request",
        hermit.request(proof=hermit.proof(purpose="lease")): "request",
        hermit.request()[:-4] + "AAA": "request",
        hermit.request() + hermit.request(): "request",
        "not a file at all": "request",
        "x" * 4_000_000: "request",
    }
    for text, code in cases.items():
        answer = _upload(person, text)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert _upload(person, "x" * (4 * 1024 * 1024 + 1)).status_code == 422
    assert person.available() == 100


@ONE
def test_a_request_is_good_for_thirty_days(person, hermit) -> None:
    request = hermit.request()
    person.clock.forward(days=30, seconds=1)
    assert _upload(person, request).json()["code"] == "device_clock"
    person.clock.forward(seconds=-1)
    assert _upload(person, request).status_code == 201


@ONE
def test_a_request_beyond_the_limits_leaves_no_device_behind(person, hermit) -> None:
    answer = _upload(person, hermit.request(credits=60))
    assert (answer.status_code, answer.json()["code"]) == (403, "lease_limit")
    with person.services.database.reading() as tx:
        assert tx.execute(devices.select().where(devices.c.label == "Keller")).first() is None


@ONE
def test_machines_are_devices_and_counted(person, people) -> None:
    for _ in range(2):
        assert _upload(person, Hermit(person.clock()).request(credits=1)).status_code == 201
    other = Hermit(person.clock())
    proof = make_proof(
        other.key, purpose="offline", fingerprint="a" * 64, label="Vierte", os="Linux", app_version="1", now=other.at
    )
    answer = _upload(person, other.request(credits=1, proof=proof))
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_devices")


@ONE
def test_files_of_receipts_are_checked_whole(person, people, hermit) -> None:
    licence = _read(person, hermit, _upload(person, hermit.request()).json()["file"])
    _, blobs = _jobs(hermit, begin(licence.lease), 2)
    stranger = Hermit(hermit.at, lease_id=hermit.lease_id)
    _, foreign = _jobs(stranger, begin(licence.lease), 1)
    other_lease = Hermit(hermit.at, key=hermit.key)
    cases = {
        hermit.receipts([*blobs, foreign[0]]): (400, "receipt"),
        hermit.receipts([*blobs[:-1], blobs[-1][:-1] + "B"]): (400, "receipt"),
        other_lease.receipts(blobs): (400, "other_lease"),
        other_lease.receipts([]): (404, "no_lease"),
        stranger.receipts([]): (403, "other_device"),
        hermit.request(): (400, "receipt"),
    }
    for text, expected in cases.items():
        answer = _upload(person, text, what="receipts")
        assert (answer.status_code, answer.json()["code"]) == expected
    assert _upload(people(), hermit.receipts(blobs), what="receipts").status_code == 404
    assert _upload(person, hermit.receipts(blobs), what="receipts").json()["spent"] == 2
