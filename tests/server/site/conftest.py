"""A person at a browser without scripts: follows links, fills in the forms of the page as they are, and reads e-mails."""

from __future__ import annotations

import email
import re
from email import policy
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI, Response
from fastapi.testclient import TestClient

from outfitswap_desktop.server.accounts import people, sessions
from outfitswap_desktop.server.operations import outbox
from outfitswap_desktop.server.services import Services
from outfitswap_desktop.server.site.cookies import Cookies

EMAIL = "anna@example.com"
PASSWORD = "a long enough password"


@cache
def hashed() -> str:
    """The hash of PASSWORD."""
    return PasswordHasher().hash(PASSWORD)


class Forms(HTMLParser):
    """The forms of a page, by where they lead: the values that their fields have."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self.links: list[str] = []
        self._at: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._at = found.get("action", "")
            self.forms.setdefault(self._at, {})
        elif tag == "input" and self._at is not None and "name" in found:
            self.forms[self._at][found["name"]] = found.get("value", "")
        elif tag == "a" and "href" in found:
            self.links.append(found["href"])

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._at = None


class Browser:
    """Keeps cookies and the page that is open; never follows by itself to another host."""

    def __init__(self, client: TestClient, services: Services) -> None:
        self.client = client
        self.services = services
        self.client.headers["accept"] = "text/html"

    def open(self, path: str, *, status: int = 200) -> str:
        """The page at `path`."""
        return self._read(self.client.get(path), status)

    def send(
        self, action: str, *, status: int = 200, files: dict[str, tuple[str, bytes]] | None = None, **values: str
    ) -> str:
        """Fill in the form of the open page that leads to `action`, send it, and see the page after it."""
        fields = {**Forms(self.page).forms[action], **values}
        return self._read(self.client.post(action, data=fields, files=files), status)

    def register(self, address: str = EMAIL, password: str = PASSWORD) -> None:
        """Make an account and sign in."""
        self.open("/register")
        self.send("/register", email=address, password=password, display_name="")
        self.sign_in(address, password)

    def enter(self, address: str = EMAIL) -> None:
        """Have an account and be signed in, without the work of passwords."""
        now, cookies = self.services.clock(), Cookies(self.services)
        with self.services.database.transaction() as tx:
            account_id = people.create(tx, email=address, password_hash=hashed(), now=now)
            session_id = sessions.open_for_site(
                tx, self.services, account_id, agent="Firefox/140.0 Linux", ip="", now=now
            )
        response = Response()
        cookies.set_session(response, session_id)
        value = response.headers["set-cookie"].split("=", 1)[1].split(";", 1)[0]
        self.client.cookies.set(cookies.session_name, value, domain="testserver.local", path="/")

    def sign_in(self, address: str = EMAIL, password: str = PASSWORD, *, status: int = 200) -> str:
        """Sign in on the form."""
        self.open("/sign-in")
        return self.send("/sign-in", email=address, password=password, status=status)

    def mails(self) -> list[str]:
        """The texts of all e-mails so far, in order."""
        outbox.flush(self.services, now=self.services.clock())
        folder: Path = self.services.settings.home / "mail"
        found = [
            email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.glob("*.eml"))
        ]
        return [str(each["To"]) + "\n" + str(each.get_content()) for each in found]

    def link(self, page: str) -> str:
        """The newest link to `page` in an e-mail, as a path."""
        (*_, newest) = (found for mail in self.mails() for found in re.findall(r"https?://\S+", mail) if page in found)
        parts = urlsplit(newest)
        return f"{parts.path}?{parts.query}"

    def _read(self, answer, status: int) -> str:
        assert answer.status_code == status, (answer.status_code, answer.text[:3000])
        self.answer = answer
        self.page = answer.text
        return self.page


@pytest.fixture
def browser(services: Services, application: FastAPI) -> Browser:
    return Browser(TestClient(application), services)
