"""Devices, keys, files, codes, export and deletion, as an owner does them on the site."""

import re

import pytest

from outfitswap_desktop.licensing.wire import device, offline
from outfitswap_desktop.licensing.wire.blobs import new_key, public_of
from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.server.accounts import device_codes, licences, people
from outfitswap_desktop.server.accounts.grants import CLIENT_ID, challenge_of
from outfitswap_desktop.server.ledger import credits
from tests.server.site.conftest import EMAIL, PASSWORD, Forms


@pytest.fixture
def owner(browser):
    browser.enter()
    return browser


def account(services):
    with services.database.reading() as tx:
        return people.find_by_email(tx, EMAIL)


def give(services, number):
    mine = account(services)
    with services.database.transaction() as tx:
        credits.give(
            tx, mine, bucket="paid", credits=number, kind="purchase", ref=new_id(), actor="test", now=services.clock()
        )


def request_file(services, key, *, number=20):
    proof = device.make_proof(
        key,
        purpose="offline",
        fingerprint="f" * 64,
        label="Studio <1>",
        os="Windows 11",
        app_version="0.1.0",
        now=services.clock(),
    )
    return offline.make_request(key, proof=proof, lease_id=new_id(), credits=number, days=7)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_machine_without_a_network_gets_a_lease_by_file(owner, services, clock, frozen):
    give(services, 100)
    clock.forward(days=10)
    owner.open("/account")
    clock.forward(days=10)
    key = new_key()
    owner.open("/offline")
    text = request_file(services, key)
    answer = owner.send("/offline/request", files={"file": ("studio.osreq", text.encode())})
    assert owner.answer.headers["content-disposition"].endswith('.oslic"')
    found = offline.read_licence(
        answer, services.keys.root_public, at_least_version=1, now=clock(), device_public_key=public_of(key)
    )
    assert found.lease.credits == 20
    page = owner.open("/offline")
    assert "Studio &lt;1&gt;" in page
    assert "80" in re.search(r'id="available">([^<]*)', owner.open("/account")).group(1)
    proof = device.make_proof(
        key, purpose="offline", fingerprint="f" * 64, label="Studio", os="Windows 11", app_version="0.1.0", now=clock()
    )
    back = offline.make_receipts(key, [], proof=proof, lease_id=found.lease.lease_id, close=True)
    if frozen:
        with services.database.transaction() as tx:
            people.freeze(tx, people.find_by_email(tx, EMAIL), now=clock())
    owner.open("/offline")
    assert "The lease is closed" in owner.send("/offline/receipts", files={"file": ("studio.osrcp", back.encode())})
    assert ">100<" in owner.open("/account")


@pytest.mark.parametrize("content", [b"", b"nothing", b"\xff\xfe\x00", b"OSQ1.a.b", b"x" * 100_000])
def test_another_file_is_refused_with_a_sentence(owner, content):
    for name in ("request", "receipts"):
        owner.open("/offline")
        page = owner.send(f"/offline/{name}", files={"file": ("a.bin", content)}, status=400)
        assert 'role="alert"' in page


def test_a_licence_key_is_added_once(owner, services):
    with services.database.transaction() as tx:
        (key,) = licences.issue(tx, services, count=1, credits=50, now=services.clock())
    owner.open("/settings")
    assert "This licence key is not known" not in owner.page
    assert "compare it" in owner.send("/redeem", key="OSW1-AAAAA-AAAAA-AAAAA-AAAAA-A", status=404)
    owner.open("/settings")
    page = owner.send("/redeem", key=key.lower())
    assert "its credits are in your account" in page
    assert ">50<" in page
    owner.open("/settings")
    page = owner.send("/redeem", key=key)
    assert "nothing has changed" in page
    assert ">50<" in page


def test_a_device_is_renamed_and_removed(owner, services):
    give(services, 100)
    owner.open("/offline")
    owner.send("/offline/request", files={"file": ("a.osreq", request_file(services, new_key(), number=5).encode())})
    page = owner.open("/devices")
    (rename,) = (action for action in Forms(page).forms if action.endswith("/rename"))
    assert "&lt;b&gt;Desk" in owner.send(rename, label=" <b>Desk  two ")
    assert "removed" in owner.send(rename.replace("rename", "remove"))
    assert "1 of" not in owner.page


def test_a_program_is_let_in_by_its_code(owner, services):
    def code():
        with services.database.transaction() as tx:
            return device_codes.start(tx, services, client="Studio PC", now=services.clock())

    asked = code()
    page = owner.open(asked.verification_uri_complete.removeprefix("http://testserver"))
    assert asked.user_code in page
    assert "Studio PC" in page
    assert "The program is signed in" in owner.send("/device/approve", answer="yes")
    with services.database.transaction() as tx:
        assert device_codes.poll(tx, asked.device_code, now=services.clock()) == account(services)
    refused = code()
    owner.open(f"/device?user_code={refused.user_code.lower().replace('-', ' ')}")
    assert "was not signed in" in owner.send("/device/approve", answer="no")
    with services.database.transaction() as tx:
        assert device_codes.poll(tx, refused.device_code, now=services.clock()).code == "access_denied"
    assert "No program waits" in owner.open("/device?code=BBBB-BBBB", status=404)


def test_a_program_is_let_in_by_the_browser_only_at_its_own_address(owner, services):
    asked = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": "http://127.0.0.1:51234/cb",
        "state": "s" * 24,
        "code_challenge": challenge_of("v" * 50),
        "code_challenge_method": "S256",
    }
    page = owner.client.get("/authorize", params=asked)
    assert "form-action 'self' http://127.0.0.1:51234;" in page.headers["content-security-policy"]
    values = Forms(page.text).forms["/authorize"]
    there = owner.client.post("/authorize", data={**values, "answer": "yes"}, follow_redirects=False)
    assert there.status_code == 303
    assert there.headers["location"].startswith("http://127.0.0.1:51234/cb?code=")
    for name, bad in (
        ("redirect_uri", "http://evil.example:51234/cb"),
        ("redirect_uri", "http://127.0.0.1:51234/other"),
        ("redirect_uri", "https://127.0.0.1:51234/cb"),
        ("code_challenge_method", "plain"),
        ("client_id", "other"),
        ("state", "short"),
        ("response_type", "token"),
    ):
        answer = owner.client.get("/authorize", params={**asked, name: bad}, follow_redirects=False)
        assert answer.status_code == 400, name
        answer = owner.client.post("/authorize", data={**values, "answer": "yes", name: bad}, follow_redirects=False)
        assert answer.status_code == 400, name
        assert "location" not in answer.headers


def test_an_account_is_exported_deleted_and_kept(owner, services, clock):
    give(services, 30)
    owner.open("/settings")
    kept = owner.client.post("/export", data=Forms(owner.page).forms["/export"])
    assert kept.headers["content-disposition"].startswith("attachment")
    assert EMAIL in kept.text
    owner.open("/settings")
    assert "This is not your password" in owner.send("/delete", password="wrong password", status=403)
    owner.open("/settings")
    assert "is being deleted" in owner.send("/delete", password=PASSWORD)
    assert "Keep my account" in owner.sign_in(status=403)
    owner.open("/packs", status=403)
    assert "nothing will be deleted" in owner.send("/delete/undo")
    assert ">30<" in owner.page


def test_history_is_paged(owner, services):
    for number in range(1, 56):
        give(services, number)
    page = owner.open("/history")
    assert page.count("Bought") == 50
    (older,) = (link for link in Forms(page).links if "cursor=" in link)
    page = owner.open(older)
    assert page.count("Bought") == 5
    owner.open("/history?cursor=nonsense", status=422)


def test_an_order_of_somebody_else_is_not_there(owner):
    owner.open(f"/orders/{new_id()}", status=404)
    owner.open("/orders/nonsense", status=404)
    assert "Nothing is sold here" in owner.open("/packs")
