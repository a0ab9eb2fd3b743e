"""A face of the credits that stands in for licensing.account: its own little account, and faults when a test asks for them."""

import threading
import time
from dataclasses import replace
from pathlib import Path

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.licensing.account import Licensing, Status
from outfitswap_desktop.licensing.wire import messages
from outfitswap_desktop.licensing.wire.ids import new_id

DAY = 86_400_000
NOW = 1_796_000_000_000
"""2026-11-30, in the afternoon."""
PRICES = {"sd15": 1, "sdxl": 2, "klein": 2, "qwen": 3}
SIGNED_OUT = Status(
    "signed_out", server="https://credits.example", device="Studio PC", prices=PRICES, reason="signed_out"
)
ONLINE = Status(
    "online", server="https://credits.example", account="anna@example.org", device="Studio PC", available=118, held=4,
    as_of=NOW, prices=PRICES,
)  # fmt: skip
LEASED = replace(ONLINE, available=98, leased=52, lease_left=40, lease_until=NOW + 7 * DAY)
OFFLINE = replace(LEASED, state="offline", reason="offline")
STUCK = replace(ONLINE, state="read_only", reason="offline", held=0)
NONE = Status("none")
PACKS = tuple(
    messages.Pack(id=f"p{credits}", title=f"{credits} credits", credits=credits, amount_minor=minor, currency="eur")
    for credits, minor in ((50, 500), (200, 1800), (1000, 7900))
)


def posting(kind, credits, at, *, memo="", **more):
    return messages.HistoryEntry(id=new_id(), at=at, kind=kind, credits=credits, ref="r", memo=memo, **more)


def postings():
    rows = [
        ("purchase", 200, 40, "200 credits"),
        ("promo", 20, 39, "Welcome"),
        ("reserve", -2, 38, "Stable Diffusion XL"),
        ("reserve", -2, 30, "Stable Diffusion XL"),
        ("void", 2, 29, "The job was cancelled"),
        ("lease", -40, 20, "Studio PC, 7 days"),
        ("reserve", -3, 6, "Qwen Image Edit"),
        ("reserve", -3, 5, "Qwen Image Edit"),
    ]
    return tuple(posting(kind, change, NOW - ago * 3_600_000, memo=memo) for kind, change, ago, memo in rows)[::-1]


class FakeLicensing(Licensing):
    """Not opened like the real one. `now` is its Status; `faults[name]` is raised by a method; `calls` says what was asked."""

    def __init__(self, now=ONLINE):
        self.now = now
        self.calls, self.faults, self.threads = [], {}, set()
        self.approved = threading.Event()
        self.entries = postings()
        self.orders = {}
        self.promo = 18

    def _said(self, name, *values):
        self.calls.append((name, *values))
        self.threads.add(threading.current_thread())
        if name in self.faults:
            raise self.faults[name]

    def asked(self, name):
        return [call for call in self.calls if call[0] == name]

    def status(self):
        self._said("status")
        return self.now

    def refresh(self):
        self._said("refresh")
        return self.now

    def sign_in_with_browser(self, *, open_url, cancel):
        self._said("browser")
        open_url("https://credits.example/authorize?state=abc")
        return self._wait(cancel)

    def _wait(self, cancel):
        while not self.approved.wait(0.01):
            if cancel():
                raise NotAvailable("Signing in was cancelled.", reason="sign_in_cancelled")
        self.now = ONLINE
        return self.now

    def start_device_code(self):
        self._said("code")
        return messages.DeviceCode(
            device_code="d" * 40, user_code="WDJB-MJHT", verification_uri="https://credits.example/device",
            verification_uri_complete="https://credits.example/device?code=WDJB-MJHT", expires_in=600, interval=5,
        )  # fmt: skip

    def wait_for_device_code(self, code, *, cancel):
        self._said("wait", code.user_code)
        return self._wait(cancel)

    def redeem(self, key):
        self._said("redeem", key)
        self.now = replace(ONLINE, account="01M82TM6XK3DRGX6205SZESRPD")
        return self.now

    def sign_out(self):
        self._said("sign_out")
        self.now = SIGNED_OUT
        return self.now

    def write_request(self, path):
        self._said("request", path)
        Path(path).write_text("OSQ1.x.y\n")
        return path

    def import_file(self, path):
        self._said("import", path)
        self.now = OFFLINE
        return self.now

    def write_receipts(self, path):
        self._said("receipts", path)
        Path(path).write_text("OSR1.x.y\n")
        return path

    def take_along(self, credits, days):
        self._said("take", credits, days)
        self.now = replace(
            self.now, available=self.now.available - credits, leased=credits, lease_left=credits,
            lease_until=NOW + days * DAY,
        )  # fmt: skip
        return self.now

    def give_back(self):
        self._said("give_back")
        self.now = replace(
            self.now, available=self.now.available + self.now.lease_left, leased=0, lease_left=0, lease_until=None
        )
        return self.now

    def history(self, cursor=None):
        self._said("history", cursor)
        start = int(cursor or 0)
        return messages.History(entries=self.entries[start : start + 5], next=str(start + 5) if start == 0 else None)

    def balance(self):
        self._said("balance")
        if self.now.state in ("offline", "read_only"):
            raise NotAvailable("The server cannot be reached.", reason="offline")
        leases = tuple(
            messages.Lease(
                id=new_id(), device_id=new_id(), device_label=label, credits=credits, spent=spent,
                not_after=NOW + 9 * DAY, grace_until=NOW + 39 * DAY, state="open",
            )
            for label, credits, spent in (("Studio PC", 52, 12), ("Laptop", 30, 11))[0 if self.now.leased else 1 :]
        )  # fmt: skip
        promo = min(self.promo, self.now.available)
        return messages.Balance(
            available=self.now.available, paid=self.now.available - promo, promo=promo, held=self.now.held,
            leased=self.now.leased, debt=0, leases=leases, at=NOW,
            expiring=(messages.Expiring(credits=promo, at=NOW + 12 * DAY),) if promo else (),
        )  # fmt: skip

    def packs(self):
        self._said("packs")
        return PACKS

    def buy(self, pack_id, *, open_url):
        self._said("buy", pack_id)
        pack = next(pack for pack in PACKS if pack.id == pack_id)
        order = messages.Order(
            id=new_id(), pack_id=pack.id, credits=pack.credits, amount_minor=pack.amount_minor, currency="eur",
            state="open", checkout_url="https://pay.example/c/1", created_at=NOW,
        )  # fmt: skip
        self.orders[order.id] = order
        open_url(order.checkout_url)
        return order

    def order(self, order_id):
        self._said("order", order_id)
        return self.orders[order_id]

    def settle_order(self, state):
        """The customer pays, or does not."""
        (known,) = self.orders
        order = self.orders[known]
        self.orders[known] = order.model_copy(update={"state": state, "checkout_url": None})
        if state == "paid":
            self.now = replace(self.now, available=self.now.available + order.credits, low=False)

    def close(self):
        self._said("close")

    def gate(self):
        raise NotImplementedError


class Slow(FakeLicensing):
    """Answers late."""

    def refresh(self):
        time.sleep(0.2)
        return super().refresh()
