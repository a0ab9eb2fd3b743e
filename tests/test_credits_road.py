"""Credits from end to end: the real program under Xvfb, a real server on both databases, Stripe's imitation, Chromium.

One person signs in through the browser, buys, and lets a batch run that is killed, resumed, and another that is cancelled:
nothing is charged twice or for nothing. The engine that costs credits is scripted, everything else is real. The window is
driven by mouse and keys, and by what a screen reader is told of it. Screenshots lie in the folder that
OUTFITSWAP_SCREENSHOTS names, else in the test's own.
"""

import itertools
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import psutil
import pytest

from outfitswap_desktop import paths
from outfitswap_desktop.store.queue import Queue
from outfitswap_desktop.ui.pages.agreed import keep_agreed
from tests.credits_road import ADDRESS, FREE, PRICE, Program, assert_books_agree, made, shop, while_painting
from tests.screen import Person, accessibility, until
from tests.server.conftest import database_url, postgresql, sqlite_template, template  # noqa: F401
from tests.server.site.processes import ROOT, picture
from tests.test_xvfb import display, tools  # noqa: F401
from tests.test_xvfb import running as alive

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900), pytest.mark.xdist_group("chromium")]
BATCH = 20
CANCELLED = 10
AT_ONCE = 5
"""Variations of one click."""
STALLED = 2.0
"""Seconds without an answer after which somebody before the window would wonder; on a quiet machine it is 0.15 at most."""


class Shots:
    """Names for screenshots, in their order."""

    def __init__(self, folder, name):
        self._numbers = itertools.count(1)
        self._folder = folder
        self._name = name
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, what):
        return self._folder / f"road-{self._name}-{next(self._numbers):02}-{what}.png"


@pytest.fixture
def shots(request, tmp_path):
    named = os.environ.get("OUTFITSWAP_SCREENSHOTS")
    which = request.node.originalname.removeprefix("test_from_the_").replace("_", "-")
    return Shots(Path(named) if named else tmp_path / "shots", f"{which}-{request.node.callspec.id}")


@contextmanager
def window(display, program_of, spoken):  # noqa: F811
    """The program's window, a process group of its own: (process, Person before it). Nothing of it stays."""
    environment = {**program_of.environment, **spoken, "DISPLAY": display, "LANG": "en_US.UTF-8"}
    environment.pop("QT_QPA_PLATFORM", None)
    environment.pop("WAYLAND_DISPLAY", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "outfitswap_desktop"], env=environment, cwd=ROOT, start_new_session=True
    )
    person = None
    try:
        person = Person(environment, process.pid)
        person.find("Sample photo", seconds=120)
        until(lambda: psutil.Process(process.pid).children(), seconds=60, what="no engine process")
        person.eyes.slowest = 0.0  # until here it was starting
        yield process, person
        assert person.eyes.slowest < STALLED, "the window did not answer for a while"
    finally:
        if process.poll() is None:
            kill(process)
        if person is not None:
            person.eyes.close()


def kill(process):
    """SIGKILL for the window and all that it has begun, each with its group."""
    family = psutil.Process(process.pid).children(recursive=True)
    for group in {os.getpgid(one) for one in (process.pid, *(child.pid for child in family))} - {os.getpgid(0)}:
        os.killpg(group, signal.SIGKILL)
    process.wait(timeout=20)
    until(lambda: not any(alive(child) for child in family), seconds=20, what="something is left")


def credits_page(person):
    """Open the page by the command palette."""
    person.keys("ctrl+k")
    person.find("Commands", "dialog")
    person.types("credits")
    person.keys("Return", window="^Commands")
    person.find("Credits — OutfitSwap", "dialog")


def order_pictures(person, words, count):
    """Ask for so many pictures, as the edit page lets one."""
    person.keys("ctrl+1", "ctrl+l", "ctrl+a")
    person.types(words)
    person.sees("These words are fine.")
    person.click("Swap outfit", "push button")
    for _ in range(count // AT_ONCE - 1):
        person.keys("ctrl+Return")


def states():
    """How many jobs of the queue stand how."""
    with Queue(paths.queue_file()) as queue:
        return queue.counts()


def test_from_the_window(display, tmp_path, shots, database_url):  # noqa: F811
    keep_agreed(paths.data_dir(), today=date.today())
    with shop(tmp_path, database_url) as shop_of, accessibility(tmp_path) as spoken:
        program_of = Program(tmp_path / "helpers", shop_of.site)
        results = paths.results_dir()
        with window(display, program_of, spoken) as (process, person):
            sign_in(person, program_of, shop_of, shots)
            bought = buy(person, program_of, shop_of, shots)
            person.click("Close", "push button", last=True)
            person.keys("ctrl+shift+o")
            prepare(person, shots)
            person.click("Queue", "check box")
            person.click("Pause", "check box")
            order_pictures(person, "navy linen shirt", BATCH)
            person.keys("ctrl+4")
            person.sees(f"{BATCH} waiting, paused")
            person.picture(shots("queue-full"))
            person.click("Go on", "check box")
            person.sees("1 running, ")
            until(lambda: len(made(results)) >= 3, seconds=120, what="nothing is made")
            person.picture(shots("queue-runs"))
            while_painting(program_of, results, after=6, alive=lambda: process.poll() is None)
            kill(process)
        early = len(made(results))
        assert 6 <= early < BATCH
        assert shop_of.held() == PRICE
        with Queue(paths.queue_file()) as queue:
            queue.paused = True  # no job asks the server meanwhile: the window alone does

        with window(display, program_of, spoken) as (process, person):
            person.click("Go on with it", "push button")
            person.find("Top", "check box", seconds=180)
            person.keys("ctrl+4")
            until(lambda: states().get("interrupted") == 1, seconds=60, what="the killed job is not found")
            person.sees(f"{BATCH - early} waiting, paused", f"Credits: {FREE + bought - early * PRICE:,} credits")
            assert shop_of.held() == 0
            person.click("Interrupted", "cell")
            person.picture(shots("queue-after-kill"))
            person.click("Do again", "push button")
            person.click("Go on", "check box")
            until(lambda: states() == {"done": BATCH}, seconds=300, what="the queue does not end")
            person.sees("0 waiting", f"{FREE + bought - BATCH * PRICE:,} credits")
            person.picture(shots("queue-done"))

            person.click("Clear ended", "push button")
            order_pictures(person, "black denim shirt", CANCELLED)
            person.keys("ctrl+4")
            while_painting(program_of, results, after=BATCH + 2, alive=lambda: process.poll() is None)
            person.click("Cancel all", "push button")
            until(lambda: not {"queued", "running"} & set(states()), seconds=60, what="not cancelled")
            finished = len(made(results)) - BATCH
            assert states() == {"done": finished, "cancelled": CANCELLED - finished}
            left = FREE + bought - (BATCH + finished) * PRICE
            person.sees(f"{left:,} credits")
            person.picture(shots("queue-cancelled"))
            credits_page(person)
            person.sees(f"In your account: {left:,}", "Set aside for running jobs: 0")
            person.picture(shots("history"))
            person.click("Close", "push button", last=True)
            person.keys("ctrl+q")
            assert process.wait(timeout=60) == 0
        there = assert_books_agree(
            program_of, shop_of, bought=bought, pictures=BATCH + finished, given_back=2
        )  # the picture at which it was killed, and the one at which it was cancelled
        assert there == left
        picture(shop_of.person.driver, shots("account"))
        shop_of.person.open("/history")
        picture(shop_of.person.driver, shots("site-history"))


def sign_in(person, program_of, shop_of, shots):
    """The window asks, the browser answers."""
    credits_page(person)
    person.sees("Signed out")
    person.picture(shots("signed-out"))
    person.click("Sign in", "push button")
    shop_of.let_in(program_of.asked_for(1), shots("authorize"))
    person.sees("You are signed in.", ADDRESS, f"In your account: {FREE}")
    person.picture(shots("signed-in"))


def buy(person, program_of, shop_of, shots):
    """The window shows the packs, the browser pays, and the window notices. How many credits it were."""
    person.click("Buy credits…", "push button")
    person.find("300 credits for €24.00", "radio button")
    person.click("1,000 credits", "label")
    assert person.find("1,000 credits for €69.00", "radio button").checked
    person.picture(shots("packs"))
    person.click("Pay in the browser", "push button")
    page = program_of.asked_for(2)
    person.sees("Waiting for the payment of 1,000 credits")
    person.picture(shots("waiting"))
    shop_of.pay(page, shots("paid-in-browser"))
    person.sees("Paid: 1,000 credits")
    person.picture(shots("paid"))
    person.click("Close", "push button", last=True)
    person.sees("In your account: 1,020", "1,000 bought, 20 free")
    person.picture(shots("balance"))
    return 1000


def prepare(person, shots):
    """The sample photo is open: the engine that costs credits, and some variations."""
    person.find("Top", "check box", seconds=180)
    person.click("More: seed, variations, engine", "check box")
    person.click("Best for this machine", "combo box")
    person.keys("Down", "Down", "Return")
    person.click("Variations", "spin box")
    person.keys("ctrl+a")
    person.types(f"{AT_ONCE}")
    person.keys("Tab")
    person.sees(f"Costs {PRICE * AT_ONCE} credits.")
    person.picture(shots("edit"))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_from_the_command_line(tmp_path, astronaut_file, shots, database_url):  # noqa: F811
    """The same by commands alone."""
    photos = tmp_path / "photos"
    photos.mkdir()
    shutil.copy(astronaut_file, photos / "one.png")
    with shop(tmp_path, database_url) as shop_of:
        program_of = Program(tmp_path / "helpers", shop_of.site)
        process = program_of.start("licence", "activate", "--browser", "--json")
        shop_of.let_in(program_of.asked_for(1), shots("authorize"))
        said, told = process.communicate(timeout=60)
        assert process.returncode == 0, (said, told)
        status = program_of.run("licence", "status")
        assert (status["state"], status["available"]) == ("online", FREE)
        assert program_of.run("licence", "buy", "medium")["state"] == "open"
        shop_of.pay(program_of.asked_for(2), shots("paid"))

        results, words = tmp_path / "results", write_outfits(tmp_path / "outfits.txt", "linen")
        first = program_of.start(*program_of.batch(photos, results, words))
        while_painting(program_of, results, after=6, alive=lambda: first.poll() is None)
        os.killpg(first.pid, signal.SIGKILL)
        first.communicate()
        assert 6 <= len(made(results)) < BATCH
        program_of.run(*program_of.batch(photos, results, words, "--resume"))
        assert len(made(results)) == BATCH

        results, words = tmp_path / "cancelled", write_outfits(tmp_path / "others.txt", "denim")
        second = program_of.start(*program_of.batch(photos, results, words))
        while_painting(program_of, results, after=3, alive=lambda: second.poll() is None)
        second.send_signal(signal.SIGINT)
        said, told = second.communicate(timeout=120)
        assert second.returncode == 130, (second.returncode, said[-1500:], told[-1500:])
        finished = len(made(results))
        assert 3 <= finished < BATCH
        assert_books_agree(program_of, shop_of, bought=300, pictures=BATCH + finished, given_back=2)


def write_outfits(path, cloth):
    first = "navy red green white black grey brown beige teal olive"
    second = "maroon purple pink orange yellow cream khaki coral mint plum"
    path.write_text("".join(f"{colour} {cloth} shirt\n" for colour in f"{first} {second}".split()))
    return path
