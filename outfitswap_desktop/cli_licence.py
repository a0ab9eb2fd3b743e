"""`outfitswap licence`: signing in, what is left, taking credits along, buying, and files for machines without a network."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitswap_desktop.cli_options import SETTINGS, JsonOption, help_when_alone
from outfitswap_desktop.errors import UsageProblem
from outfitswap_desktop.terminal import cancel_on_interrupt, say, show, show_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outfitswap_desktop.licensing.account import Licensing, Status

licence_app = typer.Typer(help="Credits: sign in, see what is left, take some along, buy.", **SETTINGS)


@licence_app.callback()
def _licence(context: typer.Context) -> None:
    help_when_alone(context)


@licence_app.command("activate")
def licence_activate(
    *,
    server: Annotated[str, typer.Option("--server", help="Address of the credits' server, once.")] = "",
    root_key: Annotated[
        str, typer.Option("--root-key", help="Its public root key, for machines without network.")
    ] = "",
    browser: Annotated[
        bool, typer.Option("--browser", help="Sign in with this machine's browser (the default).")
    ] = False,
    device_code: Annotated[bool, typer.Option("--device-code", help="Sign in on another machine.")] = False,
    key: Annotated[str, typer.Option("--key", help="Use a licence key.")] = "",
    file: Annotated[Path | None, typer.Option("--file", help="Take in a .oslic file from the site.")] = None,
    json: JsonOption = False,
) -> None:
    """Sign this machine in: with the browser, a code, a licence key or a file."""
    ways = [browser, device_code, bool(key), file is not None]
    if sum(ways) > 1:
        raise UsageProblem(
            "One way to sign in at a time.", reason="usage", hint="Give one of --browser, --device-code, --key, --file."
        )
    with _opened() as licensing:
        if server or root_key:
            licensing.use_server(server or licensing.status().server, root_key=root_key)
        if file is not None:
            status = licensing.import_file(file)
        elif key:
            status = licensing.redeem(key)
        elif device_code:
            status = _by_code(licensing)
        elif any(ways) or not root_key:
            status = _by_browser(licensing)
        else:
            status = licensing.status()
        _tell(licensing, status, json=json)


def _by_browser(licensing: Licensing) -> Status:
    with cancel_on_interrupt() as cancel:
        status = licensing.sign_in_with_browser(open_url=_open, cancel=cancel.is_set)
        cancel.check()
    return status


def _by_code(licensing: Licensing) -> Status:
    code = licensing.start_device_code()
    say(f"Open {code.verification_uri} on any machine and enter {code.user_code}")
    with cancel_on_interrupt() as cancel:
        return licensing.wait_for_device_code(code, cancel=cancel.is_set)


@licence_app.command("status")
def licence_status(json: JsonOption = False) -> None:
    """Show who is signed in and what is left; tells the server what waits."""
    with _opened() as licensing:
        _tell(licensing, licensing.refresh(), json=json)


@licence_app.command("take")
def licence_take(
    credits: Annotated[int, typer.Argument(min=1, max=1_000_000, help="How many credits.")],
    days: Annotated[int, typer.Option("--days", min=1, max=30, help="For how many days without network.")] = 7,
    json: JsonOption = False,
) -> None:
    """Take credits along for work without a network."""
    with _opened() as licensing:
        _tell(licensing, licensing.take_along(credits, days), json=json)


@licence_app.command("return")
def licence_return(json: JsonOption = False) -> None:
    """Give back what was taken along."""
    with _opened() as licensing:
        _tell(licensing, licensing.give_back(), json=json)


@licence_app.command("release")
def licence_release(json: JsonOption = False) -> None:
    """Sign this machine out; what was taken along is given back first."""
    with _opened() as licensing:
        _tell(licensing, licensing.sign_out(), json=json)


@licence_app.command("history")
def licence_history(
    cursor: Annotated[str, typer.Option("--cursor", help="Where the page before ended.")] = "",
    json: JsonOption = False,
) -> None:
    """List what came in and what was spent, newest first."""
    with _opened() as licensing:
        page = licensing.history(cursor or None)
    if json:
        show_json(page.model_dump(mode="json"))
        return
    for entry in page.entries:
        show(f"{_day(entry.at)}  {entry.credits:>+7}  {entry.kind:<16}  {entry.memo or entry.job_id or ''}".rstrip())
    if not page.entries:
        say("Nothing yet.")
    elif page.next:
        say(f"note: more with --cursor {page.next}")


@licence_app.command("buy")
def licence_buy(
    pack: Annotated[str, typer.Argument(help="Which pack; without one they are listed.")] = "", json: JsonOption = False
) -> None:
    """Buy credits: opens the page to pay on."""
    with _opened() as licensing:
        if pack:
            order = licensing.buy(pack, open_url=_open)
            answer: dict[str, Any] = order.model_dump(mode="json")
            lines = [f"{order.credits} credits, {_price(order.amount_minor, order.currency)}: {order.checkout_url}"]
        else:
            packs = licensing.packs()
            answer = {"packs": [one.model_dump(mode="json") for one in packs]}
            lines = [
                f"{one.id:<16} {one.credits:>6} credits  {_price(one.amount_minor, one.currency):>12}  {one.title}"
                for one in packs
            ]
    if json:
        show_json(answer)
        return
    for line in lines:
        show(line)
    if not lines:
        say("There is nothing for sale just now.")


@licence_app.command("request")
def licence_request(
    file: Annotated[Path, typer.Argument(help="The .osreq file to write; carry it to the site.")],
    credits: Annotated[int, typer.Option("--credits", min=1, max=1_000_000, help="How many credits.")] = 100,
    days: Annotated[int, typer.Option("--days", min=1, max=30, help="For how many days.")] = 30,
    json: JsonOption = False,
) -> None:
    """Ask for credits from a machine without a network."""
    with _opened() as licensing:
        _wrote(licensing.write_request(file, credits=credits, days=days), json=json)


@licence_app.command("receipts")
def licence_receipts(
    file: Annotated[Path, typer.Argument(help="The .osrcp file to write; carry it to the site.")],
    close: Annotated[bool, typer.Option("--close", help="Also give back what is left.")] = False,
    json: JsonOption = False,
) -> None:
    """Write what was spent, for the site."""
    with _opened() as licensing:
        _wrote(licensing.write_receipts(file, close=close), json=json)


def _opened() -> Any:
    """The credits, closed at the end of a block."""
    from contextlib import contextmanager

    from outfitswap_desktop.wiring import open_licensing

    @contextmanager
    def block() -> Iterator[Licensing]:
        licensing = open_licensing()
        try:
            yield licensing
        finally:
            licensing.close()

    return block()


def _open(url: str) -> None:
    """Open a page in the system's browser, and say where it is should that not work."""
    import webbrowser

    say(f"Opening {url}")
    webbrowser.open(url)


def _wrote(path: Path, *, json: bool) -> None:
    if json:
        show_json({"file": str(path)})
    else:
        show(str(path))


def _tell(licensing: Licensing, status: Status, *, json: bool) -> None:
    root = licensing.root_fingerprint()
    if json:
        show_json({**asdict(status), "prices": dict(status.prices), "root_key_fingerprint": root})
        return
    if status.state == "none":
        show("No credits' server is set: nothing is charged, and every engine runs.")
        return
    rows = [("state", status.state.replace("_", " ")), ("server", status.server), ("account", status.account or "-")]
    if status.available is not None:
        rows.append(("credits", f"{status.available}, {status.held} held, {status.leased} taken along"))
    if status.lease_until is not None:
        rows.append(("along here", f"{status.lease_left} until {_day(status.lease_until)}"))
    rows += [("prices", ", ".join(f"{name} {price}" for name, price in status.prices.items()) or "-")]
    if root:
        rows.append(("root key", root))
    for name, value in rows:
        show(f"{name:<12} {value}")
    if status.notice:
        say(f"note: {status.notice}")


def _day(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M}"


def _price(amount_minor: int, currency: str) -> str:
    """An amount as people read it; currencies without a smaller unit are not told apart here."""
    return f"{amount_minor / 100:.2f} {currency.upper()}"
