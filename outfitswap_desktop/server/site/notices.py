"""What a page says at its top after something was done: fixed sentences that an address names, so that it brings no text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NOTICES: Final[Mapping[str, str]] = {
    "verified": "Your e-mail address is confirmed.",
    "password": "Your new password is set and everything was signed out. Sign in with it now.",
    "password-set": "Your new password is set; other browsers and programs were signed out.",
    "signed-out": "You are signed out.",
    "mail-sent": "If there is something to confirm, an e-mail is on its way.",
    "device-renamed": "The device has its new name.",
    "device-removed": "The device is signed out and removed.",
    "session-ended": "That sign-in has ended.",
    "sessions-ended": "All other sign-ins have ended.",
    "name": "Your name is saved.",
    "key": "The licence key was added; its credits are in your account.",
    "key-known": "This licence key was added to your account before; nothing has changed.",
    "lease-closed": "The lease is closed; what was left is back in your account.",
    "receipts": "The receipts are booked.",
    "undone": "Your account stays; nothing will be deleted.",
    "cancelled": "The payment was cancelled; nothing was charged.",
}
TROUBLES: Final[Mapping[str, str]] = {
    "oauth_denied": "The other provider has not let you in.",
    "oauth_expired": "Signing in took too long; please start again.",
    "oauth_failed": "Signing in there did not work. Please try again, or sign in with your password.",
    "provider_unreachable": "The other provider does not answer. Try again later, or sign in with your password.",
    "unknown_provider": "That way to sign in is not offered here.",
    "no_email": "The other provider has not passed on your e-mail address. Allow it, and try again.",
    "email_taken": "This address has an account. Sign in with its password: the provider has not confirmed that it is yours.",
    "account_closed": "This account is closed. Make a new one to go on.",
    "too_many_requests": "Too many tries; please wait a few minutes.",
}
"""Why signing in elsewhere led back here (accounts.oauth_routes)."""
