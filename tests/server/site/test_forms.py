"""What protects the site's forms, cookies and pages."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from outfitswap_desktop.licensing.wire.ids import new_id
from outfitswap_desktop.licensing.wire.messages import HistoryEntry
from outfitswap_desktop.server.accounts import people, sessions
from outfitswap_desktop.server.app import make_app
from outfitswap_desktop.server.config import Settings
from outfitswap_desktop.server.services import open_services
from outfitswap_desktop.server.site import entry, handover, legal, overview, owner, shop
from outfitswap_desktop.server.site.cookies import Cookies
from outfitswap_desktop.server.site.pages import drawing
from outfitswap_desktop.server.site.visit import LARGEST_FORM, Page
from tests.server.site.conftest import EMAIL, PASSWORD, Browser, Forms

OPEN_TO_ALL = {
    "/", "/sign-in", "/register", "/verify", "/forgot", "/reset", "/packs", "/legal/{name}", "/deleted", "/site/icon.svg",
    "/site/{name}.css", "/robots.txt", "/authorize", "/orders/{order_id}",
}  # fmt: skip
"""Pages that need no sign-in (/authorize asks for it once its question is in order)."""


def routes(method):
    parts = (shop, entry, handover, overview, owner, legal)
    return [
        route for part in parts for route in part.router().routes if isinstance(route, Page) and method in route.methods
    ]


def filled(path):
    return re.sub(r"\{\w+\}", "01ARZ3NDEKTSV4RRFFQ69G5FAV", path)


def test_every_form_is_refused_without_its_token(browser):
    browser.enter()
    posts = routes("POST")
    assert len(posts) > 15
    for route in posts:
        files = {"file": ("a.osreq", b"x")} if route.path.startswith("/offline") else None
        for values in ({}, {"csrf": ""}, {"csrf": "made.up.token"}):
            answer = browser.client.post(filled(route.path), data=values, files=files, follow_redirects=False)
            assert (answer.status_code, "form_expired" in answer.text) == (403, True), route.path
    browser.open("/account")
    assert browser.answer.url.path == "/account"


def test_every_page_but_a_known_few_leads_strangers_to_the_sign_in_page(browser):
    pages = routes("GET")
    assert {route.path for route in pages} > OPEN_TO_ALL
    for route in pages:
        answer = browser.client.get(filled(route.path), follow_redirects=False)
        away = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
        assert away == (route.path not in OPEN_TO_ALL), (route.path, answer.status_code)


def test_a_token_is_bound_to_the_session_and_ends(browser, services, clock):
    browser.open("/sign-in")
    before = Forms(browser.page).forms["/sign-in"]["csrf"]
    browser.enter()
    browser.open("/settings")
    mine = Forms(browser.page).forms["/settings/name"]["csrf"]
    with TestClient(make_app(services)) as client:
        other = Browser(client, services)
        other.enter("berta@example.com")
        other.open("/settings")
        other.send("/settings/name", csrf=mine, display_name="x", status=403)
    browser.send("/settings/name", csrf=before, display_name="x", status=403)
    browser.open("/settings")
    clock.forward(seconds=13 * 3600)
    assert "has expired" in browser.send("/settings/name", display_name="x", status=403)
    browser.open("/settings")
    assert 'value="Anna"' in browser.send("/settings/name", display_name="Anna")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_from_another_site_is_refused_even_with_a_token(browser, headers):
    browser.enter()
    browser.open("/settings")
    values = Forms(browser.page).forms["/settings/name"]
    assert browser.client.post("/settings/name", data=values, headers=headers).status_code == 403
    ours = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    assert browser.client.post("/settings/name", data=values, headers=ours).status_code == 200


def test_a_session_cookie_cannot_be_made_or_changed(browser, services):
    browser.enter()
    cookies = Cookies(services)
    name = cookies.session_name
    good = browser.client.cookies[name]
    for bad in (
        good[:-1],
        good[:-2] + "AA",
        "7Z" + good[2:],
        good.split(".", maxsplit=1)[0],
        "",
        good + "x",
        "é",
        "x" * 5000,
    ):
        assert cookies.read_session(bad) is None, bad
    visit = browser.client.cookies.get(cookies.visit_name) or ""
    assert cookies.read_session(visit) is None
    assert cookies.read_session(good).id == good.split(".", maxsplit=1)[0]


def test_a_program_s_session_is_not_one_of_the_site(browser, services):
    browser.enter()
    with services.database.transaction() as tx:
        account_id = people.find_by_email(tx, EMAIL)
        sessions.open_session(
            tx, services, account_id, device_id=None, kind="program", agent="", ip="", now=services.clock()
        )
        (program,) = (
            each for each in sessions.listed(tx, account_id, this=None, now=services.clock()) if each.kind == "program"
        )
    forged = Cookies(services)._sessions.write(program.id)
    browser.client.cookies.set(Cookies(services).session_name, forged, domain="testserver.local", path="/")
    browser.open("/account")
    assert browser.answer.url.path == "/sign-in"


def test_every_answer_forbids_scripts_and_frames(browser):
    browser.enter()
    for path in ("/account", "/packs", "/nowhere", "/legal/terms", "/orders/nonsense", "/sign-in"):
        answer = browser.client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in answer.headers


def test_templates_have_no_script_style_or_unescaped_value():
    found = list(drawing.FOLDER.glob("*.html"))
    assert len(found) > 15
    for path in found:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<script|<style|\bstyle=|\son\w+=|javascript:|\|\s*safe\b|autoescape|https?://", text), (
            path.name
        )
        for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", text, flags=re.DOTALL):
            assert 'name="csrf"' in form, (path.name, form)


@pytest.mark.parametrize("nasty", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}"])
def test_what_people_type_is_shown_as_they_typed_it(browser, nasty):
    browser.enter()
    browser.open("/settings")
    browser.send("/settings/name", display_name=nasty)
    for page in (
        browser.open("/account"),
        browser.open("/settings"),
        browser.open(f"/device?code={nasty[:12]}", status=404),
    ):
        assert "<script>alert" not in page
        assert "<img" not in page.replace('<img src="/site/icon.svg"', "")
        assert "49" not in re.sub(r'value="[^"]*"|look-\w+', "", page)


def test_over_https_cookies_are_secure_and_the_browser_stays_there(tmp_path, database_url, clock):
    settings = Settings(
        database_url=database_url,
        outfitswap_server_home=tmp_path / "home",
        public_url="https://credits.example",
        rate_limits=False,
        metrics_port=0,
    )
    services = open_services(settings, clock=clock)
    with TestClient(make_app(services), base_url="https://credits.example") as client:
        browser = Browser(client, services)
        browser.open("/sign-in")
        visit = browser.answer.headers["set-cookie"]
        assert browser.answer.headers["strict-transport-security"].startswith("max-age=")
        browser.register()
        assert visit.startswith("__Host-outfitswap-visit=")
        assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in visit.split(";")}
        assert "__Host-outfitswap-session" in client.cookies
    services.close()


def test_too_large_a_form_is_refused_before_it_is_read(browser):
    browser.enter()
    answer = browser.client.post("/offline/request", content=b"", headers={"content-length": str(LARGEST_FORM + 1)})
    assert answer.status_code == 413
    assert browser.client.post("/offline/request", content=(b"x" for _ in range(3))).status_code == 413


def test_a_frozen_account_may_look_and_take_its_data_but_change_nothing(browser, services):
    browser.enter()
    with services.database.transaction() as tx:
        people.freeze(tx, people.find_by_email(tx, EMAIL), now=services.clock())
    assert "This account is frozen" in browser.open("/account")
    browser.open("/settings")
    browser.send("/settings/name", display_name="x", status=403)
    browser.open("/settings")
    assert browser.client.post("/export", data=Forms(browser.page).forms["/export"]).json()["account_id"]


def test_a_programs_paths_stay_for_programs(browser):
    assert browser.client.get("/v1/nowhere").json()["code"] == "not_found"
    assert browser.client.get("/nowhere", headers={"accept": "application/json"}).json()["code"] == "not_found"
    assert "There is no such page" in browser.open("/nowhere", status=404)


def test_the_legal_texts_are_the_operators(browser, services):
    assert "must put a text here" in browser.open("/legal/terms")
    folder: Path = services.settings.home / "legal"
    folder.mkdir()
    (folder / "terms.txt").write_text("One <b>.\n\nTwo.")
    page = browser.open("/legal/terms")
    assert "<p>One &lt;b&gt;.</p>" in page
    assert "must put" not in page
    browser.open("/legal/../../etc/passwd", status=404)
    browser.open("/legal/other", status=404)
    assert PASSWORD not in page


@pytest.mark.parametrize(
    ("kind", "memo", "job", "used", "said"),
    [
        ("commit", "2 used", "a72ece4712", 2, "2 credits used"),
        ("commit", "1 used", "a72ece4712", 1, "1 credit used"),
        ("void", "program_ended", "a72ece4712", None, "The program ended meanwhile"),
        ("void", "cancelled", "a72ece4712", None, "Cancelled"),
        ("void", "mask_empty", "a72ece4712", None, "Job a72ece47"),
        ("reserve", "", "a72ece4712", None, "Job a72ece47"),
        ("promo", "Free credits", None, None, ""),
        ("grant", "For your patience", None, None, "For your patience"),
    ],
)
def test_notes_of_the_history_are_words_for_its_owner(kind, memo, job, used, said):
    entry = HistoryEntry(id=new_id(), at=0, kind=kind, credits=0, ref="r", memo=memo, job_id=job, used=used)
    assert drawing.note(entry) == said
