"""Draws the site's pages from their templates, with every value escaped, and says times, credits and money in words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from outfitswap_desktop.licensing.wire.ids import KEY_LOOKS

if TYPE_CHECKING:
    from outfitswap_desktop.licensing.wire.messages import HistoryEntry

FOLDER: Final = Path(__file__).parent
WITHOUT_PARTS: Final = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf")
)
"""Currencies whose smallest unit is the whole one (https://docs.stripe.com/currencies#zero-decimal)."""
SIGNS: Final[Mapping[str, str]] = {"eur": "€", "usd": "$", "gbp": "£"}
POSTINGS: Final[Mapping[str, str]] = {
    "purchase": "Bought",
    "promo": "Free credits",
    "licence": "Licence key",
    "grant": "Given by support",
    "revoke": "Taken back by support",
    "reserve": "Set aside for a picture",
    "commit": "Picture paid",
    "void": "Given back: no picture",
    "expire": "Given back: not heard of again",
    "expiry": "Ended unspent",
    "breakage": "Ended unspent",
    "lease": "Taken along",
    "lease_burn": "Spent offline",
    "lease_back": "Returned from a device",
    "refund": "Refunded",
    "refund_undone": "Refund came back",
    "dispute": "Disputed payment",
    "dispute_undone": "Dispute won",
}
"""What an owner reads for a kind of posting; another kind is read as it is."""

REASONS: Final[Mapping[str, str]] = {
    "cancelled": "Cancelled",
    "keyboardinterrupt": "Cancelled",
    "program_ended": "The program ended meanwhile",
}
"""Why a job made no picture, for those of the programs' words that an owner has use for."""


def count(number: int) -> str:
    """1,234 with the minus sign that typography has."""
    return f"{number:,}".replace("-", "\u2212")


def change(number: int) -> str:
    """A count with its sign."""
    return f"+{count(number)}" if number > 0 else count(number)


def credits(number: int) -> str:
    """ "1 credit", "2 credits"."""
    return f"{count(number)} {'credit' if number == 1 else 'credits'}"


def money(minor: int, currency: str) -> str:
    """An amount of `minor` smallest units: "€9.00", "1,200 JPY"."""
    code = currency.lower()
    amount = f"{minor:,}" if code in WITHOUT_PARTS else f"{minor // 100:,}.{minor % 100:02d}"
    return f"{SIGNS[code]}{amount}" if code in SIGNS else f"{amount} {code.upper()}"


def when(millis: int) -> Markup:
    """A time in UTC, to the minute."""
    at = datetime.fromtimestamp(millis / 1000, UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        at.strftime("%Y-%m-%dT%H:%MZ"), f"{at.day} {at:%b %Y, %H:%M}"
    )


def day(millis: int) -> Markup:
    """A day in UTC."""
    at = datetime.fromtimestamp(millis / 1000, UTC)
    return Markup('<time datetime="{}">{}</time>').format(at.strftime("%Y-%m-%d"), f"{at.day} {at:%b %Y}")


def browser(agent: str) -> str:
    """ "Firefox on Windows" for what a browser says of itself; it is a hint for the owner, no proof of anything."""
    known = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
    systems = (
        ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    )  # fmt: skip
    name = next((words for sign, words in known if sign in agent), "A browser")
    system = next((words for sign, words in systems if sign in agent), "")
    return f"{name} on {system}" if system else name


def posting(kind: str) -> str:
    """What an owner reads for a kind of posting."""
    return POSTINGS.get(kind, kind.replace("_", " ").capitalize())


def note(entry: HistoryEntry) -> str:
    """What else there is to say of a posting, in words; the job it was for where there is nothing."""
    if entry.used is not None:
        return f"{credits(entry.used)} used"
    said = {"promo": "", "void": REASONS.get(entry.memo, "")}.get(entry.kind, entry.memo)
    return said or (f"Job {entry.job_id[:8]}" if entry.job_id else "")


def draw(template: str, values: Mapping[str, Any]) -> str:
    """The page; raises jinja2.UndefinedError when a value is missing."""
    return environment().get_template(template).render(values)


@cache
def environment() -> Environment:
    """All templates, loaded at first use."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": count, "change": change, "credits": credits, "money": money, "when": when, "day": day, "posting": posting,
        "note": note, "browser": browser,
    }  # fmt: skip
    made.globals["key_looks"] = KEY_LOOKS
    made.globals["style"] = f"/site/{style()[0]}.css"
    return made


@cache
def style() -> tuple[str, str]:
    """The style sheet's name, which changes with what is in it, and its text."""
    text = (FOLDER / "site.css").read_text(encoding="utf-8")
    return f"look-{sha256(text.encode()).hexdigest()[:12]}", text


@cache
def icon() -> str:
    """The site's icon, SVG."""
    return (FOLDER / "icon.svg").read_text(encoding="utf-8")
