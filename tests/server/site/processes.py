"""For tests: the server as a process of its own, and Chromium with or without scripts."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from outfitswap_desktop.server.database import Database
from outfitswap_desktop.server.payments import packs
from tests.stripesim.process import API_KEY, SECRET, running

ROOT = Path(__file__).resolve().parents[3]
QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-proxy-server",
)  # fmt: skip
PHONE = (390, 844)
DESKTOP = (1280, 900)


def free_port() -> int:
    """A port of the loopback that is free just now."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@contextmanager
def server(home: Path, *, port: int, **settings: str) -> Iterator[str]:
    """`outfitswap-server serve` on its embedded default below `home`; gives its address."""
    address = f"http://127.0.0.1:{port}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.endswith(("_PROXY", "_proxy"))},
        "OUTFITSWAP_SERVER_HOME": str(home),
        "PUBLIC_URL": address,
        "PORT": str(port),
        "METRICS_PORT": "0",
        "SWEEP_SECONDS": "1",
        "RATE_LIMITS": "false",
        **settings,
    }
    home.mkdir(parents=True, exist_ok=True)
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "outfitswap_desktop.server", "serve"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        _until_ready(address, process, home / "log")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=40)


@contextmanager
def selling(home: Path, **settings: str) -> Iterator[str]:
    """A `server` in front of an imitation of Stripe, with packs on its shelves; gives its address."""
    port = free_port()
    with (
        running(webhook_url=f"http://127.0.0.1:{port}/v1/stripe/webhook") as stripe,
        server(
            home,
            port=port,
            STRIPE_SECRET_KEY=API_KEY,
            STRIPE_WEBHOOK_SECRETS=SECRET,
            STRIPE_API_BASE=stripe.address,
            **settings,
        ) as address,
    ):
        database = Database(settings.get("DATABASE_URL", f"sqlite:///{home / 'server.db'}"))
        with database.transaction() as tx:
            packs.stock(tx)
        database.close()
        yield address


def _until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"The server has ended:\n{log.read_text()[-3000:]}")
        try:
            if httpx.get(f"{address}/readyz", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"The server does not become ready:\n{log.read_text()[-3000:]}")


@contextmanager
def chromium(
    profile: Path,
    *,
    scripts: bool = True,
    dark: bool = False,
    size: tuple[int, int] = DESKTOP,
    folder: Path | None = None,
) -> Iterator[webdriver.Chrome]:
    """A fresh Chromium through its driver; skips without one (fails under CI). Downloads go to `folder`."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        reason = "chromium or chromedriver is not installed (Debian: apt-get install chromium chromium-driver)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    options = Options()
    options.binary_location = binary
    for flag in QUIET:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={profile}")
    wishes: dict[str, object] = {} if scripts else {"profile.managed_default_content_settings.javascript": 2}
    if folder is not None:
        wishes |= {"download.default_directory": str(folder), "download.prompt_for_download": False}
    options.add_experimental_option("prefs", wishes)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(driver, env=_plain(os.environ)))
    try:
        resize(browser, size)
        wish_colours(browser, dark=dark)
        yield browser
    finally:
        browser.quit()


def resize(browser: webdriver.Chrome, size: tuple[int, int]) -> None:
    """Give the page this size in CSS pixels, as a phone or a window would."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600},
    )


def wish_colours(browser: webdriver.Chrome, *, dark: bool) -> None:
    """What prefers-color-scheme says."""
    wish = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [wish]})


def picture(browser: webdriver.Chrome, path: Path) -> None:
    """A PNG of the whole page."""
    import base64

    size = browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
    shot = browser.execute_cdp_cmd(
        "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(base64.b64decode(shot["data"]))


def _plain(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}
