"""The site in a real browser, in front of a real server and the imitation of Stripe; screenshots to be looked at.

They lie in the folder that OUTFITSWAP_SCREENSHOTS names, else in the test's own.
"""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import presence_of_element_located, staleness_of
from selenium.webdriver.support.wait import WebDriverWait

from outfitswap_desktop.server.accounts.grants import CLIENT_ID, challenge_of
from tests.server.site.processes import DESKTOP, PHONE, chromium, picture, resize, selling, wish_colours

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("chromium")]
PASSWORD = "a long enough password"
LOOKS = [
    ("desktop-light", DESKTOP, False),
    ("desktop-dark", DESKTOP, True),
    ("phone-light", PHONE, False),
    ("phone-dark", PHONE, True),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("server") / "home"


@pytest.fixture(scope="module")
def site(home):
    with selling(home, FREE_CREDITS="20") as address:
        yield address


@pytest.fixture
def shots(tmp_path):
    named = os.environ.get("OUTFITSWAP_SCREENSHOTS")
    return Path(named) if named else tmp_path / "shots"


class Hand:
    """Clicks and types; sees texts and where it is."""

    def __init__(self, driver, site):
        self.driver = driver
        self.site = site

    def open(self, path):
        self.driver.get(path if path.startswith("http") else self.site + path)

    def fill(self, **values):
        for name, value in values.items():
            field = self._found(By.CSS_SELECTOR, f"main [name={name}]:not([type=hidden])")
            field.clear()
            field.send_keys(value)

    def press(self, words, *, leads_on=True):
        self._click(self._found(By.XPATH, f"//button[normalize-space()='{words}']"), leads_on=leads_on)

    def press_at(self, number, words):
        self._click(self.driver.find_elements(By.XPATH, f"//button[normalize-space()='{words}']")[number])

    def press_id(self, name):
        self._click(self._found(By.ID, name))

    def follow(self, words):
        self._click(self._found(By.LINK_TEXT, words))

    def _click(self, what, *, leads_on=True):
        """Click, and wait until the page after it is there: the driver does not always."""
        page = self.driver.find_element(By.TAG_NAME, "html")
        what.click()
        if leads_on:
            self._until(staleness_of(page))
            self._found(By.CSS_SELECTOR, "body")

    def _found(self, by, name):
        return self._until(presence_of_element_located((by, name)))

    def _until(self, true):
        """While a page is being replaced the driver may say anything, also that a node belongs to no document."""
        return WebDriverWait(self.driver, 20, ignored_exceptions=(WebDriverException,)).until(true)

    @property
    def text(self):
        return self._until(lambda driver: [driver.find_element(By.TAG_NAME, "body").text])[0]

    @property
    def path(self):
        return urlsplit(self.driver.current_url).path

    def wait(self, found, *, seconds=20.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if found():
                    return
            except WebDriverException:
                pass  # the page is being replaced
            time.sleep(0.1)
        raise AssertionError(f"{self.driver.current_url}\n{self.text}")

    def account(self, address, **more):
        """Make an account and sign in."""
        self.open("/register")
        self.fill(email=address, password=PASSWORD, **more)
        self.press("Make the account")
        self.follow("Sign in")
        self.fill(email=address, password=PASSWORD)
        self.press("Sign in")
        assert self.path == "/account", self.text


def newest_link(home, page):
    """The newest link to `page` that was mailed or waits to be."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        mails = sorted((home / "mail").glob("*.eml"), key=lambda path: path.name)
        for mail in reversed(mails):
            for word in mail.read_text().replace("=\n", "").replace("=3D", "=").split():
                if word.startswith("http") and page in word:
                    return word
        time.sleep(0.2)
    raise AssertionError("no such e-mail")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_a_person_signs_up_buys_and_looks_after_the_account(site, home, tmp_path, scripts):
    loaded = tmp_path / "loads"
    loaded.mkdir()
    with chromium(tmp_path / "profile", scripts=scripts, folder=loaded) as driver:
        hand = Hand(driver, site)
        address = f"anna-{scripts}@example.com"
        hand.account(address, display_name="Anna")
        assert "Please confirm your address" in hand.text
        driver.get(newest_link(home, "/verify"))
        hand.press("Confirm")
        assert "Your e-mail address is confirmed." in hand.text

        hand.follow("Buy credits")
        hand.press_at(1, "Buy")
        hand.wait(lambda: driver.find_elements(By.ID, "pay"))
        hand.press_id("decline")
        hand.wait(lambda: driver.find_elements(By.ID, "notice"))
        hand.press_id("pay")
        hand.wait(lambda: "Thank you" in hand.text)
        assert hand.path.startswith("/orders/")
        hand.follow("To the overview")
        assert driver.find_element(By.ID, "available").text == "300"

        hand.follow("History")
        assert "Bought" in hand.text
        assert "+300" in hand.text
        hand.follow("Settings")
        hand.fill(display_name="Anna B.")
        hand.press("Save the name")
        assert "Your name is saved." in hand.text
        hand.press("Download my data", leads_on=False)
        # Chromium lays down an empty file of the final name until the download has ended.
        hand.wait(lambda: [file for file in loaded.glob("*.json") if file.stat().st_size])
        kept = json.loads(next(iter(loaded.glob("*.json"))).read_text())
        assert kept["tables"]["account_pii"][0]["email_ci"] == address.lower()

        hand.follow("Devices")
        assert "this browser" in hand.text
        hand.press("Sign out")
        assert "You are signed out" in hand.text
        hand.open("/history")
        assert hand.path == "/sign-in"


def test_an_account_is_deleted_and_kept_after_all(site, tmp_path):
    with chromium(tmp_path / "profile") as driver:
        hand = Hand(driver, site)
        hand.account("berta@example.com")
        hand.open("/settings")
        hand.fill(password="not this one")
        hand.press("Delete my account")
        assert "Nothing was deleted. This is not your password." in hand.text
        hand.fill(password=PASSWORD)
        hand.press("Delete my account")
        assert "Your account is being deleted" in hand.text
        hand.open("/sign-in")
        hand.fill(email="berta@example.com", password=PASSWORD)
        hand.press("Sign in")
        assert "Keep my account" in hand.text
        hand.press("Keep my account")
        assert "nothing will be deleted" in hand.text
        hand.open("/history")
        assert hand.path == "/history"


class Loopback:
    """Where a program waits for the browser: hears one request at /cb."""

    def __init__(self):
        heard = self.heard = []

        class Listener(BaseHTTPRequestHandler):
            def do_GET(self):
                heard.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"You may close this page.")

            def log_message(self, *_):
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Listener)
        self.uri = f"http://127.0.0.1:{self._server.server_port}/cb"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def test_a_program_is_let_in_through_the_browser(site, tmp_path):
    """The answer to the form is a redirect to 127.0.0.1, which the page's form-action must allow."""
    waiting = Loopback()
    verifier = "v" * 50
    query = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": waiting.uri,
        "state": "s" * 24,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    try:
        with chromium(tmp_path / "profile") as driver:
            hand = Hand(driver, site)
            hand.account("carla@example.com")
            hand.press("Sign out")
            hand.open(f"/authorize?{urlencode(query)}")
            assert hand.path == "/sign-in"
            hand.fill(email="carla@example.com", password=PASSWORD)
            hand.press("Sign in")
            assert "Sign in to OutfitSwap Desktop?" in hand.text
            assert "carla@example.com" in hand.text
            hand.press("Sign in")
            hand.wait(lambda: "You may close this page." in hand.text)
            answer = parse_qs(urlsplit(waiting.heard[0]).query)
            assert answer["state"] == ["s" * 24]
            assert len(answer["code"][0]) > 40

            hand.open(f"/authorize?{urlencode(query)}")
            hand.press("Cancel")
            hand.wait(lambda: len([path for path in waiting.heard if path.startswith("/cb")]) > 1)
            said = parse_qs(urlsplit([path for path in waiting.heard if path.startswith("/cb")][1]).query)
            assert said["error"] == ["access_denied"]

            hand.open(f"/authorize?{urlencode({**query, 'redirect_uri': 'http://127.0.0.1.evil.example:5000/cb'})}")
            assert "redirect_uri is not as it should be" in hand.text
    finally:
        waiting.close()


def test_every_page_fits_phone_and_desktop_in_light_and_dark(site, home, tmp_path, shots):
    with chromium(tmp_path / "profile") as driver:
        hand = Hand(driver, site)

        def look(name):
            for words, size, dark in LOOKS:
                resize(driver, size)
                wish_colours(driver, dark=dark)
                metrics = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})
                assert metrics["cssContentSize"]["width"] <= size[0], (name, words)
                picture(driver, shots / f"{name}-{words}.png")
            resize(driver, DESKTOP)

        for name, path in {
            "home": "/",
            "sign-in": "/sign-in",
            "register": "/register",
            "terms": "/legal/terms",
        }.items():
            hand.open(path)
            look(name)
        hand.account("dora@example.com", display_name="Dora")
        look("account-new")
        driver.get(newest_link(home, "/verify"))
        look("verify")
        hand.press("Confirm")
        hand.open("/packs")
        look("packs")
        driver.find_elements(By.XPATH, "//button[normalize-space()='Buy']")[0].click()
        hand.wait(lambda: driver.find_elements(By.ID, "pay"))
        hand.press_id("pay")
        hand.wait(lambda: "Thank you" in hand.text)
        look("order-paid")
        for name in ("account", "history", "devices", "offline", "settings", "device"):
            hand.open(f"/{name}")
            look(name)
        hand.open("/nowhere")
        look("nowhere")


def test_nothing_breaks_the_content_security_policy(site, tmp_path):
    """Chromium says so in its log; a page that would be caught shows that it does."""
    with chromium(tmp_path / "profile") as driver:
        hand = Hand(driver, site)
        hand.account("emil@example.com")
        for path in (
            "/",
            "/account",
            "/packs",
            "/history",
            "/devices",
            "/offline",
            "/settings",
            "/device",
            "/legal/privacy",
        ):
            hand.open(path)
            assert [line for line in driver.get_log("browser") if line["level"] == "SEVERE"] == [], path
        style = "document.body.appendChild(document.createElement('style')).textContent = 'body { color: red }'"
        driver.execute_script(style)
        assert any("Content Security Policy" in line["message"] for line in driver.get_log("browser"))
