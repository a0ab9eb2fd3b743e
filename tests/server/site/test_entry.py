"""Signing up, in and out, and what pages do not tell."""

import re

import pytest
from fastapi.testclient import TestClient

from outfitswap_desktop.server.app import make_app
from outfitswap_desktop.server.site.visit import here
from tests.server.site.conftest import EMAIL, PASSWORD, Browser


def test_a_person_makes_an_account_confirms_the_address_and_signs_in_and_out(browser):
    browser.open("/register")
    page = browser.send("/register", email=EMAIL, password=PASSWORD, display_name="Anna <b>")
    assert "Look into your mailbox" in page
    page = browser.sign_in()
    assert "Hello Anna &lt;b&gt;" in page
    assert "Please confirm your address" in page
    link = browser.link("/verify")
    assert "Confirm" in browser.open(link)
    page = browser.send("/verify")
    assert "Your e-mail address is confirmed." in page
    assert "Please confirm your address" not in page
    assert "no longer works" in browser.open(link, status=400)
    browser.open("/account")
    assert "You are signed out" in browser.send("/sign-out")
    assert "Sign in" in browser.open("/account")
    assert browser.answer.url.path == "/sign-in"


def test_a_link_that_confirms_asks_who_opens_it(browser):
    """Somebody may have made an account with a stranger's address, and wait for the stranger to confirm it."""
    browser.register()
    link = browser.link("/verify")
    browser.send("/sign-out")
    assert "Sign in" in browser.open(link)
    assert browser.answer.url.path == "/sign-in"
    assert "Confirm" in browser.send("/sign-in", email=EMAIL, password=PASSWORD)
    assert "Your e-mail address is confirmed." in browser.send("/verify")


def test_a_link_that_confirms_is_of_no_use_in_another_account(browser):
    browser.register()
    link = browser.link("/verify")
    browser.send("/sign-out")
    browser.register("other@example.com")
    assert "belongs to another account" in browser.open(link, status=403)
    browser.open(browser.link("/verify"))
    token = link.partition("token=")[2]
    assert "no longer works" in browser.send("/verify", token=token, status=400)


def test_a_wrong_password_and_an_unknown_address_look_the_same(browser):
    browser.register()
    browser.send("/sign-out")
    wrong = browser.sign_in(password="not the password", status=401)
    unknown = browser.sign_in("nobody@example.com", "not the password", status=401)
    assert "E-mail address or password is not right" in wrong
    assert _without_what_differs(wrong) == _without_what_differs(unknown)
    assert "Not signed in" not in browser.sign_in()


def test_making_an_account_twice_looks_the_same_and_changes_nothing(browser):
    browser.open("/register")
    first = browser.send("/register", email=EMAIL, password=PASSWORD, display_name="")
    browser.open("/register")
    second = browser.send("/register", email=EMAIL, password="another password", display_name="Mallory")
    assert first == second
    assert "Overview" in browser.sign_in(password=PASSWORD)
    browser.send("/sign-out")
    browser.sign_in(password="another password", status=401)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"email": "no address", "password": PASSWORD}, "Please check the e-mail address."),
        ({"email": EMAIL, "password": "short"}, "at least 10 characters"),
        ({"email": EMAIL, "password": "x" * 201}, "at most 200"),
    ],
)
def test_what_is_wrong_with_a_form_is_said_and_what_was_typed_stays(browser, values, words):
    browser.open("/register?next=/packs")
    page = browser.send("/register", status=422, display_name="Anna", **values)
    assert words in page
    assert 'value="Anna"' in page
    assert 'value="/packs"' in page
    assert values["password"] not in page


def test_a_forgotten_password_is_set_anew_and_everything_is_signed_out(browser, services):
    browser.register()
    with TestClient(make_app(services)) as client:
        other = Browser(client, services)
        other.sign_in()
        browser.open("/forgot")
        assert "an e-mail with a link is on its way" in browser.send("/forgot", email=EMAIL)
        link = browser.link("/reset")
        browser.open(link)
        assert "at least 10 characters" in browser.send("/reset", password="short", status=422)
        browser.open(link)
        assert "Your new password is set" in browser.send("/reset", password="quite another one")
        other.open("/account")
        assert other.answer.url.path == "/sign-in"
    browser.sign_in(password=PASSWORD, status=401)
    browser.sign_in(password="quite another one")
    browser.open(link, status=400)


def test_an_unknown_address_gets_the_same_page_and_no_e_mail(browser):
    browser.register()
    pages = []
    for address in (EMAIL, "nobody@example.com"):
        browser.open("/forgot")
        pages.append(browser.send("/forgot", email=address).replace(address, "…"))
    assert pages[0] == pages[1]
    assert not [mail for mail in browser.mails() if mail.startswith("nobody")]


def test_after_signing_in_one_is_where_one_wanted_to_be(browser):
    browser.register()
    browser.send("/sign-out")
    browser.open("/history?cursor=")
    assert browser.answer.url.path == "/sign-in"
    browser.send("/sign-in", email=EMAIL, password=PASSWORD)
    assert browser.answer.url.path == "/history"


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/\tx",
        "\\\\evil",
        "/a\nb",
        "/" * 3000,
    ],
)
def test_next_never_leads_elsewhere(target):
    assert here(target, otherwise="/account") == "/account"


def test_a_session_that_was_ended_elsewhere_is_over_here(browser, services):
    browser.register()
    with TestClient(make_app(services)) as client:
        other = Browser(client, services)
        other.sign_in()
        page = other.open("/devices")
        assert page.count("End</button>") == 1
        other.send("/sessions/end-others")
        assert "All other sign-ins have ended." in other.page
        browser.open("/account")
        assert browser.answer.url.path == "/sign-in"
        other.open("/account")
        assert other.answer.url.path == "/account"


def test_a_session_lives_on_while_it_is_used_and_ends_when_it_is_not(browser, clock):
    browser.register()
    for _ in range(4):
        clock.forward(days=10)
        browser.open("/account")
        assert browser.answer.url.path == "/account"
    clock.forward(days=15)
    browser.open("/account")
    assert browser.answer.url.path == "/sign-in"


def _without_what_differs(page: str) -> str:
    return re.sub(r'value="[^"]*"', "", page)
