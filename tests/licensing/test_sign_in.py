"""Signing in: PKCE over the loopback, codes for other machines, keys; what is tried from outside is refused."""

from __future__ import annotations

import threading
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from outfitswap_desktop.errors import KnownError, UsageProblem
from outfitswap_desktop.licensing.address import checked
from outfitswap_desktop.server.accounts import device_codes, grants, people


def person(world, name):
    with world.services.database.transaction() as tx:
        return people.create(tx, email=f"{name}@example.org", now=world.clock(), verified=True)


def asked_of(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def in_background(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_the_browser_brings_the_code_back(world):
    licensing, _ = world.machine()
    account = person(world, "browser")
    pages = []

    def browse(url):
        query = asked_of(url)
        back = query["redirect_uri"]
        asked = grants.start_authorization(**query)
        with world.services.database.transaction() as tx:
            onward = grants.approve(tx, asked, account, now=world.clock())

        def visit():
            with httpx.Client() as client:
                for strange in (
                    back.replace("/cb", "/"),
                    back.replace("/cb", "/cb/x") + "?" + urlsplit(onward).query,
                    f"{back}?{urlencode({'code': 'stolen', 'state': 'x' * 32})}",
                    f"{back}?code=stolen",
                ):
                    pages.append(client.get(strange).status_code)
                pages.append(client.get(onward).status_code)

        in_background(visit)

    status = licensing.sign_in_with_browser(open_url=browse, cancel=lambda: False)
    assert (status.state, status.account) == ("online", "browser@example.org")
    assert pages[:4] == [404] * 4
    assert licensing.root_fingerprint()


@pytest.mark.parametrize(("said", "reason"), [("deny", "sign_in_refused"), ("cancel", "sign_in_cancelled")])
def test_a_no_in_the_browser_or_here(world, said, reason):
    licensing, _ = world.machine()

    def browse(url):
        if said == "deny":
            onward = grants.deny(grants.start_authorization(**asked_of(url)))
            in_background(lambda: httpx.get(onward))

    with pytest.raises(KnownError) as caught:
        licensing.sign_in_with_browser(open_url=browse, cancel=lambda: said == "cancel")
    assert caught.value.reason == reason
    assert licensing.status().state == "signed_out"


def test_a_code_on_another_machine(world):
    licensing, _ = world.machine()
    account = person(world, "code")
    code = licensing.start_device_code().model_copy(update={"interval": 0})
    with world.services.database.transaction() as tx:
        assert device_codes.approve(tx, code.user_code, account, now=world.clock())
    assert licensing.wait_for_device_code(code, cancel=lambda: False).account == "code@example.org"


def test_a_code_that_nobody_enters(world):
    licensing, _ = world.machine()
    code = licensing.start_device_code().model_copy(update={"interval": 0, "expires_in": 0})
    with pytest.raises(KnownError) as caught:
        licensing.wait_for_device_code(code, cancel=lambda: False)
    assert caught.value.reason == "sign_in_timed_out"


def test_keys(world):
    licensing, _ = world.machine()
    with pytest.raises(UsageProblem):
        licensing.redeem("x")
    with pytest.raises(KnownError) as caught:
        licensing.redeem("OSW1-00000-00000-00000-00000-0")
    assert caught.value.reason == "unknown_licence"
    assert licensing.redeem(world.key(5)).available == 5
    assert licensing.redeem(world.key(7)).available == 12


def test_a_session_that_was_ended_elsewhere(world, desk):
    licensing, _ = desk
    from outfitswap_desktop.server.accounts import sessions

    account = licensing._parts.journal.facts()["account"]
    with world.services.database.transaction() as tx:
        sessions.revoke_all(tx, world.services, account, now=world.clock())
    assert licensing.refresh().state == "signed_out"
    assert licensing.status().reason == "signed_out"


def test_programs_of_one_user_renew_the_session_in_turn(world, desk):
    """A refresh token works once: eight programs that need a new one at the same moment get one each."""
    states: list[str] = []
    programs = [world.machine()[0] for _ in range(8)]
    threads = [in_background(lambda one=one: states.append(one.refresh().state)) for one in programs]
    for thread in threads:
        thread.join(60)
    assert states == ["online"] * 8


def test_after_signing_out_nothing_is_left(world, desk, tmp_path):
    licensing, _ = desk
    licensing.sign_out()
    assert licensing.status().state == "signed_out"
    again, _ = world.machine()
    assert again.status().available is None
    with pytest.raises(KnownError) as caught:
        again.history()
    assert caught.value.reason == "signed_out"


@pytest.mark.parametrize("bad", [
    "http://example.org", "ftp://127.0.0.1", "https://", "example.org", "https://a@example.org", "https://e.org/?x=1", "",
])  # fmt: skip
def test_only_https_and_this_machine_will_do(bad):
    with pytest.raises(UsageProblem):
        checked(bad)


def test_addresses_have_one_form():
    assert checked("https://credits.example.org/") == "https://credits.example.org"
    assert checked("http://127.0.0.1:8000") == "http://127.0.0.1:8000"
