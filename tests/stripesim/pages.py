"""The hosted check-out page of the imitation: plain HTML with Pay, Pay by bank, Decline and Abandon."""

from __future__ import annotations

from html import escape

from tests.stripesim.world import Thing

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pay</title><style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:3rem auto;padding:0 1rem}}
button{{font:inherit;display:block;width:100%;margin:.5rem 0;padding:.6rem}}
small{{color:#555}} .notice{{color:#a00}}
</style></head><body>
<h1>{amount}</h1>
<p>{lines}</p><p>{tax}</p>{notice}
{body}
<p><small id="submit-text">{text}</small></p>
<p><small>Test page: no money moves.</small></p>
</body></html>"""

_BUTTONS = """<form method="post">
<button name="how" value="card" id="pay">Pay</button>
<button name="how" value="bank" id="bank">Pay by bank (settles later)</button>
<button name="how" value="decline" id="decline">Decline</button>
<button name="how" value="abandon" id="abandon">Abandon</button>
</form>"""


def page(session: Thing, *, notice: str = "") -> str:
    """The page of a session, with a line in red where something went wrong."""
    lines = "; ".join(f"{line['quantity']} × {line['description']}" for line in session["_lines"])
    tax = session["total_details"]["amount_tax"]
    message = session["custom_text"].get("submit") or {}
    return _PAGE.format(
        amount=_money(session["amount_total"], session["currency"]),
        lines=escape(lines),
        tax=f"Tax included: {_money(tax, session['currency'])}" if tax else "No tax",
        notice=f'<p class="notice" id="notice">{escape(notice)}</p>' if notice else "",
        body=_BUTTONS if session["status"] == "open" else f"<p id='status'>This page is {session['status']}.</p>",
        text=escape(message.get("message", "") if isinstance(message, dict) else ""),
    )


def _money(minor: int, currency: str) -> str:
    return f"{minor / 100:.2f} {currency.upper()}"
