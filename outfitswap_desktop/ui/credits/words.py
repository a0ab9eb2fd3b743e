"""Credits in words: states, amounts, days, prices, what a posting was, and what to do about a fault."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QCoreApplication, QDateTime, QLocale

from outfitswap_desktop.ui.wording import without_commands

if TYPE_CHECKING:
    from outfitswap_desktop.errors import KnownError
    from outfitswap_desktop.licensing.account import Status
    from outfitswap_desktop.licensing.wire import messages

WITHOUT_CENTS: Final = frozenset({
    *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf"),
})  # fmt: skip
"""Currencies whose smallest unit is the whole one (docs.stripe.com/currencies)."""
_WEEKDAY: Final = re.compile(r"[,\s]*d{3,4}[,\s]*")
SYMBOLS: Final = {"eur": "€", "usd": "$", "gbp": "£", "jpy": "¥"}
NAMES: Final = {
    "sd15": "Stable Diffusion 1.5",
    "sdxl": "Stable Diffusion XL",
    "klein": "FLUX.2 klein",
    "qwen": "Qwen Image Edit",
}
"""Engines by name; names of products are said alike in every language."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A state as the page says it: an icon with its tint, a heading of few words, and one sentence."""

    icon: str
    tint: str
    heading: str
    sentence: str


def credits_of(count: int) -> str:
    """An amount in words."""
    if abs(count) == 1:
        return QCoreApplication.translate("Credits", "{count} credit").format(count=number_of(count))
    return QCoreApplication.translate("Credits", "{count} credits").format(count=number_of(count))


def number_of(count: int) -> str:
    """A whole number as the user's language writes it."""
    return QLocale().toString(count)


def change_of(count: int) -> str:
    """A change with its sign; a true minus, as wide as the plus."""
    return f"+{number_of(count)}" if count > 0 else number_of(count).replace("-", "−")


def day_of(millis: int) -> str:
    """The day of a time, milliseconds since 1970, in full but for the day of the week."""
    whole = QLocale().dateFormat(QLocale.FormatType.LongFormat)
    return QLocale().toString(QDateTime.fromMSecsSinceEpoch(millis).date(), _WEEKDAY.sub("", whole))


def when_of(millis: int) -> str:
    """Day and time, short."""
    return QLocale().toString(QDateTime.fromMSecsSinceEpoch(millis), QLocale.FormatType.ShortFormat)


def price_of(minor: int, currency: str) -> str:
    """An amount of money from the currency's smallest unit."""
    code = currency.lower()
    symbol = SYMBOLS.get(code, f"{code.upper()} ")
    if code in WITHOUT_CENTS:
        return QLocale().toCurrencyString(minor, symbol)
    return QLocale().toCurrencyString(minor / 100, symbol, 2)


def engine_of(engine: str) -> str:
    """An engine's name for the user, short."""
    if engine == "fabric":
        return QCoreApplication.translate("Credits", "Fabric")
    return NAMES.get(engine, engine)


def nothing_charged() -> str:
    """All that is said where no credits' server is set."""
    return QCoreApplication.translate(
        "Credits", "This copy of OutfitSwap charges nothing: every engine runs, without an account and without credits."
    )


def standing_of(status: Status) -> Standing:
    """What a state means, in one sentence."""
    if status.state == "none":
        return Standing("ok", "good", "", nothing_charged())
    if status.state == "signed_out":
        said = QCoreApplication.translate(
            "Credits",
            "Sign in to run the engines for a graphics card. The fabric engine and all your results need no account.",
        )
        return Standing("lock", "dim", QCoreApplication.translate("Credits", "Signed out"), said)
    if status.state == "online":
        said = QCoreApplication.translate("Credits", "Each picture is paid when it is saved; what fails costs nothing.")
        return Standing("ok", "good", QCoreApplication.translate("Credits", "Online"), said)
    if status.state == "offline":
        heading = QCoreApplication.translate("Credits", "Offline")
        return Standing("about", "dim", heading, _offline(status))
    heading = QCoreApplication.translate("Credits", "Read-only for now")
    return Standing("warning", "warning", heading, _read_only(status))


def _offline(status: Status) -> str:
    if status.lease_left and status.lease_until is not None:
        said = QCoreApplication.translate(
            "Credits", "The server cannot be reached. Pictures are paid from the credits on this machine, until {day}."
        )
        return said.format(day=day_of(status.lease_until))
    return QCoreApplication.translate(
        "Credits",
        "The server cannot be reached, and no credits are on this machine: only the fabric engine runs until it can.",
    )


def _read_only(status: Status) -> str:
    rest = QCoreApplication.translate(
        "Credits", "Your results stay yours to see and export, and the fabric engine still runs."
    )
    return f"{why_of(status)} {rest}".strip()


def why_of(status: Status) -> str:
    """The sentence of a Status' reason; its own notice for a reason that this page does not know, "" for none."""
    known = {
        "clock_moved_back": QCoreApplication.translate(
            "Credits", "The clock of this machine went back. Set it right and connect to the network once."
        ),
        "device_suspect": QCoreApplication.translate(
            "Credits",
            "The credits on this machine were spent on a copy of it too. Sign out and in again to take some along.",
        ),
        "lease_closing": QCoreApplication.translate(
            "Credits", "The credits on this machine are being given back; that ends when the server can be reached."
        ),
        "lease_ended": QCoreApplication.translate(
            "Credits",
            "The days that credits were taken along for are over. What is left returns to your account by itself.",
        ),
        "no_credits": QCoreApplication.translate("Credits", "No credits are left. Buy some to go on."),
        "offline": QCoreApplication.translate(
            "Credits",
            "The server cannot be reached, and no credits are on this machine. Connect to the network to go on.",
        ),
        "low": QCoreApplication.translate(
            "Credits", "Few credits are left: not enough for ten pictures of the dearest engine."
        ),
        "plain_file": QCoreApplication.translate(
            "Credits", "This machine has no keyring: the sign-in is kept in a file that only you can read."
        ),
    }
    return known.get(status.reason) or without_commands(status.notice)


def kind_of(entry: messages.HistoryEntry) -> str:
    """What a posting was; its own word for a kind that this program does not know."""
    names = {
        "purchase": QCoreApplication.translate("Credits", "Bought"),
        "promo": QCoreApplication.translate("Credits", "Free credits"),
        "licence": QCoreApplication.translate("Credits", "Licence key"),
        "grant": QCoreApplication.translate("Credits", "Given by support"),
        "revoke": QCoreApplication.translate("Credits", "Taken back by support"),
        "reserve": QCoreApplication.translate("Credits", "Set aside for a picture"),
        "commit": QCoreApplication.translate("Credits", "Picture paid"),
        "void": QCoreApplication.translate("Credits", "Returned: no picture was made"),
        "expire": QCoreApplication.translate("Credits", "Returned: the job was never ended"),
        "lease": QCoreApplication.translate("Credits", "Taken along"),
        "lease_burn": QCoreApplication.translate("Credits", "Picture paid from credits taken along"),
        "lease_back": QCoreApplication.translate("Credits", "Given back"),
        "refund": QCoreApplication.translate("Credits", "Money returned"),
        "dispute": QCoreApplication.translate("Credits", "Payment disputed"),
        "refund_undone": QCoreApplication.translate("Credits", "Money not returned after all"),
        "dispute_undone": QCoreApplication.translate("Credits", "Dispute settled"),
        "breakage": QCoreApplication.translate("Credits", "Free credits ended"),
    }
    return names.get(entry.kind, entry.kind.replace("_", " ").capitalize())


def note_of(entry: messages.HistoryEntry) -> str:
    """What else there is to say of a posting: the end of an order's number as the site shows it, or what somebody wrote."""
    if entry.order_id is not None:
        return QCoreApplication.translate("Credits", "Order …{end}").format(end=entry.order_id[-6:])
    if entry.used is not None:
        return QCoreApplication.translate("Credits", "{credits} used").format(credits=credits_of(entry.used))
    if entry.kind == "void":
        cancelled = QCoreApplication.translate("Credits", "Cancelled")
        ended = QCoreApplication.translate("Credits", "The program ended meanwhile")
        known = {"cancelled": cancelled, "keyboardinterrupt": cancelled, "program_ended": ended}
        return known.get(entry.memo, "")  # other words are the program's own, and its kind says enough
    return "" if entry.kind == "promo" else entry.memo


def said_of(problem: KnownError) -> str:
    """What went wrong and the way out, in terms of this page."""
    hints = {
        "offline": QCoreApplication.translate("Credits", "Check the connection, then try again."),
        "sign_in_timed_out": QCoreApplication.translate(
            "Credits", "Start again, and finish in the browser within two minutes."
        ),
        "signed_out": QCoreApplication.translate("Credits", "Sign in again."),
        "lease_open": QCoreApplication.translate("Credits", "Give them back first."),
        "no_credits": QCoreApplication.translate("Credits", "Buy credits, or take fewer."),
        "clock_moved_back": QCoreApplication.translate("Credits", "Set the clock right, then try again."),
    }
    hint = hints.get(problem.reason) or without_commands(problem.hint)
    return f"{problem.message} {hint}".strip()
