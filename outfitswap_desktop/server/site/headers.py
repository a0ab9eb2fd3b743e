"""What every page of the site forbids the browser: scripts, foreign content, framing, keeping."""

from __future__ import annotations

from typing import Final

from fastapi import Response

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Referrer-Policy: with "no-referrer" browsers would send "Origin: null" with our own forms."""
_YEAR: Final = 31_536_000


def protect(response: Response, *, https: bool, form_target: str = "") -> None:
    """Put the headers on; `form_target` is one more origin that a form of this page may lead to.

    A browser asks form-action for the redirects after a form, too.
    """
    for name, value in _ALWAYS.items():
        response.headers.setdefault(name, value)
    targets = " ".join(("'self'", form_target)).strip()
    response.headers.setdefault(
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'self'; img-src 'self'; form-action {targets}; "
        "base-uri 'none'; frame-ancestors 'none'",
    )
    response.headers.setdefault("Cache-Control", "no-store")
    if https:
        response.headers.setdefault("Strict-Transport-Security", f"max-age={_YEAR}")
