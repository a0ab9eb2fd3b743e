"""Credits from end to end: the real program under Xvfb, the real server, an imitation of Stripe, and Chromium.

One person signs in through the browser, buys, and lets a batch run that is killed, resumed and cancelled; nothing is charged
twice or for nothing. The engine that costs credits is scripted, everything else is real. Screenshots lie in the folder that
OUTFITSWAP_SCREENSHOTS names, else in the test's own.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import psutil
import pytest
from PIL import ImageGrab
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait

from outfitswap_desktop import paths
from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.ledger import verify
from outfitswap_desktop.server.payments import packs
from outfitswap_desktop.ui.pages.agreed import keep_agreed
from tests.server.site.processes import ROOT, chromium, free_port, picture, server
from tests.server.site.test_in_chromium import Hand as Site
from tests.server.site.test_in_chromium import newest_link
from tests.stripesim.process import API_KEY, SECRET, running
from tests.test_xvfb import Hand, display, program, tools, until  # noqa: F401

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900), pytest.mark.xdist_group("chromium")]
ADDRESS = "vera@example.com"
PRICE = 2
BOUGHT = 300
FREE = 20
BATCH = 20

SCRIPTED = '''
"""Loaded by Python itself at start: where the program would look for a graphics card, it finds an engine that costs credits."""
import importlib.abc, importlib.util, os, sys, time
from contextlib import contextmanager
from pathlib import Path

NAME = "outfitswap_desktop.wiring"

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != NAME:
            return None
        sys.meta_path.remove(self)
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

def change(wiring):
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

    def while_painting(self, process, folder, *, after):
        """Wait until `after` pictures are finished and the next one is being painted."""

        def far_enough():
            return len(made(folder)) >= after or process.poll() is not None

        until(far_enough, seconds=300, what="the batch does not get on")
        self.painting.unlink(missing_ok=True)
        deadline = time.monotonic() + 60
        while not self.painting.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def asked_for(self, number):
        """The address that was asked to be opened as the `number`-th, from 1."""

        def found():
            lines = self.opened.read_text().splitlines() if self.opened.exists() else []
            return lines[number - 1] if len(lines) >= number else None

        return until(found, seconds=60, what="no page was opened")


@contextmanager
def window_of(display, program_of, own_home):  # noqa: F811
    """The window under Xvfb, with the program's own environment."""
    before = dict(os.environ)
    os.environ.update(
        {
            name: program_of.environment[name]
            for name in ("OUTFITSWAP_LICENCE_SERVER", "PYTHONPATH", "PATH", "BROWSER", "ROAD_PAINTING")
        }
    )
    try:
        with program(display, own_home) as (process, environment, _):
            yield Hand(environment, process.pid)
    finally:
        os.environ.clear()
        os.environ.update(before)


def open_credits(hand, display, shot):  # noqa: F811
    """The page of the credits; a picture of the screen is taken in either case."""
    until(lambda: psutil.Process(hand._pid).children(), seconds=60, what="no engine process")
    time.sleep(2)
    try:
        hand.command("credits")
        until(lambda: hand.find("^Credits"), seconds=30, what="no page of credits")
        time.sleep(3)
    finally:
        ImageGrab.grab(xdisplay=display).save(shot)


def made(folder):
    """The finished pictures of a batch, by their receipts."""
    return list(folder.rglob("*.receipt.json"))


def write_outfits(path, cloth):
    first = "navy red green white black grey brown beige teal olive"
    second = "maroon purple pink orange yellow cream khaki coral mint plum"
    path.write_text("".join(f"{colour} {cloth} shirt\n" for colour in f"{first} {second}".split()))
    return path


def total(program_of):
    """All postings of the account, from the program's history."""
    entries, cursor = [], None
    while True:
        page = program_of.run("licence", "history", *(("--cursor", cursor) if cursor else ()))
        entries += page["entries"]
        cursor = page["next"]
        if not cursor:
            return entries


def test_sign_in_buy_batch_kill_restart_cancel(display, own_home, tmp_path, astronaut_file):  # noqa: F811
    named = os.environ.get("OUTFITSWAP_SCREENSHOTS")
    shots = Path(named) if named else tmp_path / "shots"
    shots.mkdir(parents=True, exist_ok=True)
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(astronaut_file, photos / "one.png")
    keep_agreed(paths.data_dir(), today=date.today())
    home, port = tmp_path / "server", free_port()
    with (
        running(webhook_url=f"http://127.0.0.1:{port}/v1/stripe/webhook") as stripe,
        server(
            home, port=port, STRIPE_SECRET_KEY=API_KEY, STRIPE_WEBHOOK_SECRETS=SECRET, STRIPE_API_BASE=stripe.address
        ) as site,
        chromium(tmp_path / "profile") as driver,
    ):
        database = Database(f"sqlite:///{home / 'server.db'}")
        with database.transaction() as tx:
            packs.stock(tx)
        program_of = Program(tmp_path / "helpers", site)
        person = Site(driver, site)
        person.account(ADDRESS, display_name="Vera")
        driver.get(newest_link(home, "/verify"))
        person.press("Confirm")

        # sign in: the window asks, the browser answers
        with window_of(display, program_of, own_home) as hand:
            open_credits(hand, display, shots / "road-1-signed-out.png")
            dialog = hand.find("^Credits")
            hand._tool("windowfocus", "--sync", dialog)  # there is no window manager that would do it
            hand._tool("key", "space")
            driver.get(program_of.asked_for(1))
            assert "Sign in to OutfitSwap Desktop?" in person.text, person.text
            picture(driver, shots / "road-2-authorize.png")
            page = driver.find_element(By.TAG_NAME, "html")
            driver.find_element(By.CSS_SELECTOR, "button[name=answer][value=yes]").click()
            WebDriverWait(driver, 30).until(staleness_of(page))
            until(
                lambda: "127.0.0.1" in driver.current_url and "/cb" in driver.current_url, seconds=30, what="not let in"
            )
            time.sleep(4)
            ImageGrab.grab(xdisplay=display).save(shots / "road-3-signed-in.png")
        status = program_of.run("licence", "status")
        assert (status["state"], status["available"]) == ("online", FREE)

        # buy: the program asks, the person pays in the browser
        order = program_of.run("licence", "buy", "medium")
        assert order["state"] == "open"
        driver.get(program_of.asked_for(2))
        person.press_id("pay")
        person.wait(lambda: "Thank you" in person.text)
        picture(driver, shots / "road-4-paid.png")
        assert program_of.run("licence", "status")["available"] == FREE + BOUGHT

        # a batch of 20, killed in the middle and resumed
        outfits = write_outfits(tmp_path / "outfits.txt", "linen")
        results = tmp_path / "results"
        words = program_of.batch(photos, results, outfits)
        first = program_of.start(*words)
        program_of.while_painting(first, results, after=6)
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
        early = len(made(results))
        assert 6 <= early < BATCH
        program_of.run(*program_of.batch(photos, results, outfits, "--resume"))
        after = program_of.run("licence", "status")
        assert (after["available"], after["held"]) == (FREE + BOUGHT - BATCH * PRICE, 0)

        # another one, cancelled: what is finished is paid, what is not is not
        others = write_outfits(tmp_path / "others.txt", "denim")
        cancelled = tmp_path / "cancelled"
        second = program_of.start(*program_of.batch(photos, cancelled, others))
        program_of.while_painting(second, cancelled, after=3)
        second.send_signal(signal.SIGINT)
        said, told = second.communicate(timeout=120)
        assert second.returncode == 130, (second.returncode, said[-1500:], told[-1500:])
        finished = len(made(cancelled))
        assert 3 <= finished < BATCH
        left = FREE + BOUGHT - (BATCH + finished) * PRICE
        after = program_of.run("licence", "status")
        assert (after["available"], after["held"]) == (left, 0)

        # the history adds up: for the program, in the browser, and in the ledger itself
        entries = total(program_of)
        assert sum(entry["credits"] for entry in entries) == left
        kinds = [entry["kind"] for entry in entries]
        assert kinds.count("purchase") == kinds.count("promo") == 1
        assert kinds.count("commit") == BATCH + finished
        assert kinds.count("void") >= 2  # the picture at which it was killed, and the one at which it was cancelled
        assert kinds.count("reserve") == kinds.count("commit") + kinds.count("void") + kinds.count("expire")
        person.open("/account")
        assert driver.find_element(By.ID, "available").text == str(left)
        assert driver.find_element(By.ID, "held").text == "0"
        picture(driver, shots / "road-5-account.png")
        person.open("/history")
        picture(driver, shots / "road-6-history.png")
        with window_of(display, program_of, own_home) as hand:
            open_credits(hand, display, shots / "road-7-credits.png")
        with database.reading() as tx:
            report = verify.verify(tx)
        database.close()
        assert report.ok, report
