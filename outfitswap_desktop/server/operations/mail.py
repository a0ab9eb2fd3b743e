"""The e-mails' texts and their way out: by SMTP, or as files where no mail server is set."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from outfitswap_desktop.server.config import Settings

_TIMEOUT: Final = 20
"""Seconds for each answer of the mail server."""

_PAGES: Final[Mapping[str, str]] = {
    "verify_email": "/verify?token=",
    "reset_password": "/reset?token=",
    "account_closing": "/account",
}
"""Where on the site the link of an e-mail leads, when its payload brings a token instead of a link."""

TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "verify_email": (
        "Confirm your address",
        "Open this page to confirm that this address is yours; it may ask you to sign in:\n\n{link}\n\n"
        "It works once, for a limited time. If you did not make an account, ignore this message.",
    ),
    "reset_password": (
        "Set a new password",
        "Open this page to set a new password; all devices are signed out then:\n\n{link}\n\n"
        "It works once, for a limited time. If you did not ask for it, ignore this message: nothing has changed.",
    ),
    "already_registered": (
        "You have an account already",
        "Somebody, probably you, tried to make an account with this address, which has one already.\n\n"
        "Sign in, or set a new password, at {site}",
    ),
    "account_closing": (
        "Your account will be deleted",
        "As you asked, your account and all data that names you will be deleted in seven days.\n\n"
        "Until then you can undo it: sign in at {link}",
    ),
    "account_closed": (
        "Your account was deleted",
        "Your account and all data that names you were deleted. What the law has us keep of purchases names no person.",
    ),
    "lease_fork": (
        "Credits were spent twice offline",
        "Two different records of the same offline credits have arrived for one of your devices{device_words}. "
        "This happens when a machine is copied or set back to an older state.\n\n"
        "Nothing was charged twice. The device can take no credits along until you sign in on it again; working online "
        "goes on. If you know nothing of it, look at your devices: {site}/devices",
    ),
    "purchase": (
        "Thank you for your purchase",
        "{credits} credits are in your account.\n\nYour history is at {site}/history",
    ),
    "refund": (
        "Your refund",
        "A purchase was refunded; {credits} credits were taken back.\n\nYour history is at {site}/history",
    ),
    "new_device": (
        "A new device was signed in",
        "A new device{device_words} was signed in to your account. If that was not you, remove it and set a new password: "
        "{site}/devices",
    ),
}
"""Subject and text by kind; a payload's members fill the fields."""


class Undeliverable(Exception):
    """The mail server does not take it now; one sentence."""


def compose(kind: str, payload: Mapping[str, Any], *, to: str, sender: str, public_url: str) -> EmailMessage:
    """The e-mail of `kind`; raises KeyError for an unknown kind or a missing member of `payload`."""
    subject, words = TEXTS[kind]
    token = payload.get("token")
    link = payload.get("link") or public_url + _PAGES.get(kind, "/") + (quote(str(token)) if token else "")
    if "{link}" in words and kind not in {"account_closing"} and not (token or payload.get("link")):
        raise KeyError("token")
    device = payload.get("device") or payload.get("device_label")
    fields = {**payload, "link": link, "site": public_url, "device_words": f" ({device})" if device else ""}
    mail = EmailMessage()
    mail["Subject"] = f"OutfitSwap: {subject}"
    mail["From"] = sender
    mail["To"] = to
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = make_msgid(domain=urlsplit(public_url).hostname or "localhost")
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(words.format_map(fields) + "\n")
    return mail


def deliver(mail: EmailMessage, settings: Settings, *, name: str) -> None:
    """Hand `mail` to the mail server that is set, or write it as `home`/mail/`name`.eml; raises Undeliverable."""
    url = settings.smtp_url.get_secret_value()
    if not url:
        folder = settings.home / "mail"
        folder.mkdir(exist_ok=True, mode=0o700)
        part = folder / f"{name}.part"
        part.write_bytes(bytes(mail))
        part.replace(folder / f"{name}.eml")
        return
    try:
        _submit(mail, url)
    except (OSError, smtplib.SMTPException) as problem:
        raise Undeliverable(type(problem).__name__) from problem


def _submit(mail: EmailMessage, url: str) -> None:
    parts = urlsplit(url)
    host, secure = parts.hostname or "localhost", parts.scheme == "smtps"
    context = ssl.create_default_context()
    connection = (
        smtplib.SMTP_SSL(host, parts.port or 465, timeout=_TIMEOUT, context=context)
        if secure
        else smtplib.SMTP(host, parts.port or 587, timeout=_TIMEOUT)
    )
    with connection as server:
        server.ehlo()
        if not secure and server.has_extn("starttls"):
            server.starttls(context=context)
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(mail)
