"""Addresses for ten minutes: the better known providers of such, for whom there are no free credits (everything else works)."""

from __future__ import annotations

from typing import Final

_LISTED: Final = """
    0-mail.com 10minutemail.com 10minutemail.net 10minutemail.org 1secmail.com 1secmail.net 1secmail.org 20minutemail.com
    anonbox.net burnermail.io byom.de crazymailing.com deadaddress.com discard.email discardmail.com
    discardmail.de disposable.com disposableinbox.com dispostable.com dropmail.me easytrashmail.com emailondeck.com
    emailsensei.com emltmp.com fakeinbox.com fakemail.net fakemailgenerator.com filzmail.com getairmail.com getnada.com
    grr.la guerrillamail.biz guerrillamail.com guerrillamail.de guerrillamail.info guerrillamail.net guerrillamail.org
    guerrillamailblock.com harakirimail.com inboxbear.com inboxkitten.com incognitomail.org jetable.org kurzepost.de
    linshiyouxiang.net mail-temp.com mail-temporaire.fr mail.tm mailcatch.com maildrop.cc mailexpire.com mailinator.com
    mailinator.net mailinator2.com mailnesia.com mailnull.com mailpoof.com mailsac.com mailtemp.info meltmail.com
    mintemail.com mohmal.com moakt.com mt2015.com muellmail.com mytemp.email mytrashmail.com nada.email nowmymail.com
    objectmail.com one-time.email pokemail.net sharklasers.com
    spam4.me spambog.com spambox.us spamex.com spamfree24.org spamgourmet.com spamspot.com tempail.com tempinbox.com
    temp-mail.io temp-mail.org tempmail.com tempmail.dev tempmail.net tempmail.plus tempmailo.com tempr.email
    throwawaymail.com tmail.ws tmpmail.net tmpmail.org trash-mail.com trash-mail.de trashmail.com trashmail.de
    trashmail.me trashmail.net wegwerfemail.de wegwerfmail.de wegwerfmail.net wegwerfmail.org yopmail.com yopmail.fr
    yopmail.net zeroe.ml
"""
DOMAINS: Final = frozenset(_LISTED.split())


def is_disposable(email: str) -> bool:
    """Whether the address is of such a provider, its sub-domains included."""
    parts = email.casefold().rpartition("@")[2].split(".")
    return any(".".join(parts[start:]) in DOMAINS for start in range(len(parts) - 1))
