"""For the tests of the road that credits take: an engine that costs some, a shop for them, and whether all books agree."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass

from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait
from sqlalchemy import select

from outfitswap_desktop import paths
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.ledger import verify
from outfitswap_desktop.server.tables.ledger import reservations
from outfitswap_desktop.store.lease_journal import LeaseJournal
from tests.screen import until
from tests.server.site.processes import ROOT, chromium, picture, selling
from tests.server.site.test_in_chromium import Hand, newest_link

ADDRESS = "vera@example.com"
PRICE = 2
FREE = 20

SCRIPTED = '''
"""Loaded by Python itself at start: where the program would look for a graphics card, it finds an engine that costs credits."""
import importlib.abc, importlib.util, os, sys, time
from contextlib import contextmanager
from pathlib import Path

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name not in CHANGES:
            return None
        change = CHANGES.pop(name)
        spec = importlib.util.find_spec(name)
        execute = spec.loader.exec_module
        def patched(module):
            execute(module)
            change(module)
        spec.loader.exec_module = patched
        return spec

def paint():
    # says that it is at it: credits are set aside then
    marker = Path(os.environ["ROAD_PAINTING"])
    marker.touch()
    time.sleep(1.5)
    marker.unlink(missing_ok=True)

def install(panel):
    # the window asks which weights are installed
    panel.InstalledEngines.__init__.__kwdefaults__["look"] = lambda: frozenset({"sdxl"})

def paint_for_credits(wiring):
    choose = wiring.choose_engine
    engines = wiring._engines
    class Engines:
        def __init__(self, real):
            self.real = real
        def steps(self, request):
            if request.engine != "sdxl":
                return self.real.steps(request)
            from outfitswap_desktop.core.steps import Steps
            from tests.fakes import FakeSegmenter, InvertingGenerator
            return Steps(FakeSegmenter(), InvertingGenerator(name="sdxl", on_generate=paint)), "asked for"
        def __getattr__(self, name):
            return getattr(self.real, name)
    @contextmanager
    def with_one_more(embedded):
        with engines(embedded) as real:
            yield Engines(real)
    wiring.choose_engine = lambda name: ("sdxl", "asked for") if name == "sdxl" else choose(name)
    wiring._engines = with_one_more

CHANGES = {"outfitswap_desktop.wiring": paint_for_credits, "outfitswap_desktop.ui.outfit.installed": install}
sys.meta_path.insert(0, Finder())
'''


class Program:
    """The command line in processes of its own, and the addresses that it or the window asked the browser to open."""

    def __init__(self, folder, site):
        self.opened = folder / "opened"
        self.painting = folder / "painting"
        helpers = folder / "bin"
        helpers.mkdir(parents=True)
        browser = helpers / "xdg-open"
        browser.write_text(f'#!/bin/sh\necho "$1" >> "{self.opened}"\n')
        browser.chmod(0o755)
        (helpers / "sitecustomize.py").write_text(SCRIPTED)
        self.environment = {
            **os.environ,
            "OUTFITSWAP_LICENCE_SERVER": site,
            "PYTHONPATH": os.pathsep.join((str(helpers), str(ROOT))),
            "PATH": os.pathsep.join((str(helpers), os.environ["PATH"])),
            "BROWSER": f"{browser} %s",
            "QT_QPA_PLATFORM": "offscreen",
            "NO_PROXY": "127.0.0.1",
            "ROAD_PAINTING": str(self.painting),
        }

    def start(self, *words):
        """Begin a command in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "outfitswap_desktop", *words],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words, code=0):
        """A whole command; what its JSON says."""
        process = self.start(*words, "--json")
        said, told = process.communicate(timeout=300)
        assert process.returncode == code, (words, process.returncode, said[-2000:], told[-3000:])
        return json.loads(said)

    def batch(self, folder, output, outfits, *more):
        """The words of a batch with the engine that costs credits."""
        return (
            *("batch", str(folder), "--outfits", str(outfits), "-o", str(output), "--engine", "sdxl"),
            *("--adult-consent", "self", "--adult-attested", *more),
        )

    def asked_for(self, number):
        """The address that was asked to be opened as the `number`-th, from 1."""

        def found():
            lines = self.opened.read_text().splitlines() if self.opened.exists() else []
            return lines[number - 1] if len(lines) >= number else None

        return until(found, seconds=60, what="no page was opened")


@dataclass(frozen=True, slots=True)
class Shop:
    """A server with its database, an imitation of Stripe behind it, and a person with an account in Chromium."""

    site: str
    database: Database
    person: Hand

    def let_in(self, address, shot):
        """Answer in the browser what the program has opened it for."""
        driver = self.person.driver
        driver.get(address)
        assert "Sign in to OutfitSwap Desktop?" in self.person.text, self.person.text
        picture(driver, shot)
        page = driver.find_element(By.TAG_NAME, "html")
        driver.find_element(By.CSS_SELECTOR, "button[name=answer][value=yes]").click()
        WebDriverWait(driver, 30).until(staleness_of(page))
        until(lambda: "127.0.0.1" in driver.current_url and "/cb" in driver.current_url, seconds=30, what="not let in")

    def pay(self, address, shot):
        """Pay on the page that the program has opened; the picture shows the thanks."""
        self.person.driver.get(address)
        self.person.press_id("pay")
        self.person.wait(lambda: "Thank you" in self.person.text)
        picture(self.person.driver, shot)

    def held(self):
        """How many credits are set aside just now."""
        with self.database.reading() as tx:
            rows = tx.execute(select(reservations.c.credits).where(reservations.c.state == "held")).all()
        return sum(row.credits for row in rows)


@contextmanager
def shop(folder, database_url):
    """All of it in processes of its own; the person's address is confirmed, which gives the free credits."""
    home = folder / "server"
    with (
        selling(home, DATABASE_URL=database_url) as site,
        chromium(folder / "profile") as driver,
    ):
        database = Database(database_url)
        person = Hand(driver, site)
        person.account(ADDRESS, display_name="Vera")
        driver.get(newest_link(home, "/verify"))
        person.press("Confirm")
        try:
            yield Shop(site, database, person)
        finally:
            database.close()


def made(folder):
    """The finished pictures, by their receipts."""
    return list(folder.rglob("*.receipt.json"))


def while_painting(program_of, folder, *, after, alive):
    """Wait until `after` pictures are finished and the next one is being painted; `alive` says whether that can still come."""
    until(lambda: len(made(folder)) >= after or not alive(), seconds=300, what="the batch does not get on")
    program_of.painting.unlink(missing_ok=True)
    deadline = time.monotonic() + 60
    while not program_of.painting.exists():
        assert alive(), "it has ended"
        assert time.monotonic() < deadline, "nothing is painted"
        time.sleep(0.01)


def all_postings(program_of):
    """All postings of the account, from the program's history."""
    entries, cursor = [], None
    while True:
        page = program_of.run("licence", "history", *(("--cursor", cursor) if cursor else ()))
        entries += page["entries"]
        cursor = page["next"]
        if not cursor:
            return entries


def assert_books_agree(program_of, shop_of, *, bought, pictures, given_back):
    """The program's history, its journal, its results, the account in the browser and the server's books say the same.

    `pictures` were paid, at least `given_back` more were begun and not charged. Returns what is left.
    """
    left = FREE + bought - pictures * PRICE
    status = program_of.run("licence", "status")
    assert (status["available"], status["held"]) == (left, 0)
    postings = all_postings(program_of)
    assert sum(entry["credits"] for entry in postings) == left
    kinds = Counter(entry["kind"] for entry in postings)
    assert kinds["purchase"] == kinds["promo"] == 1
    assert kinds["commit"] == pictures
    assert kinds["void"] >= given_back
    assert kinds["reserve"] == kinds["commit"] + kinds["void"] + kinds["expire"]

    with sqlite3.connect(paths.history_file()) as history:
        results = dict(history.execute("SELECT hold, output_sha256 FROM entries").fetchall())
    with LeaseJournal(paths.licence_file()) as journal:
        assert journal.undecided(of_dead=False) == ()
        assert journal.untold() == ()
    with sqlite3.connect(paths.licence_file()) as journal:
        decided = journal.execute("SELECT id, state, output_sha256 FROM holds").fetchall()
    assert {hold: sha256 for hold, state, sha256 in decided if state == "committed"} == results
    assert len(results) == pictures

    with shop_of.database.reading() as tx:
        there = {row.id: row for row in tx.execute(select(reservations)).all()}
        report = verify.verify(tx)
    assert report.ok, report
    assert {hold for hold, row in there.items() if row.state == "committed"} == set(results)
    assert {hold for hold, row in there.items() if row.state == "voided"} == {
        hold for hold, state, _ in decided if state == "voided"
    }
    assert sum(row.spent for row in there.values()) == pictures * PRICE

    person = shop_of.person
    person.open("/account")
    assert person.driver.find_element(By.ID, "available").text.replace(",", "") == str(left)
    assert person.driver.find_element(By.ID, "held").text == "0"
    return left
