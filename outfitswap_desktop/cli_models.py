"""`outfitswap models`: which weights there are, fetching and checking them, and taking in files of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from outfitswap_desktop.cli_options import SETTINGS, JsonOption, help_when_alone
from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.terminal import ask_typed, can_ask, cancel_on_interrupt, progress, say, show, show_json

if TYPE_CHECKING:
    from outfitswap_desktop.core.job import CancelToken, Report
    from outfitswap_desktop.weights.catalogue import Weights
    from outfitswap_desktop.weights.fetch import Fetcher, Fetching, Plan
    from outfitswap_desktop.weights.store import WeightsStore

models_app = typer.Typer(help="Weights for the engines that run on a graphics card.", **SETTINGS)

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="See `outfitswap models list`.", show_default=False)]
SomeIds = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Default: all that it fits.")]
AcceptOption = Annotated[
    bool, typer.Option("--accept-licence", help="Accept the licence of each; read it first, `list` says where it is.")
]


@models_app.callback()
def _models(context: typer.Context) -> None:
    help_when_alone(context)


@models_app.command("list")
def models_list(json: JsonOption = False) -> None:
    """List all weights: state, size, licence, whether they are pinned, what for.

    Pinned: size and hash of every file come with this program. Not yet: they are recorded at the first download.
    """
    from outfitswap_desktop.weights.fetch import free_bytes
    from outfitswap_desktop.weights.network import read_network
    from outfitswap_desktop.weights.store import default_store

    store = default_store()
    rows = [_row(store, weights) for weights in store.catalogue.weights.values()]
    if json:
        free, offline = free_bytes(store.folder), read_network(store.folder).offline
        show_json({"weights": rows, "folder": str(store.folder), "free_bytes": free, "offline": offline})
        return
    for row in rows:
        about = "~" if row["size_is_estimate"] else ""
        size = f"{about}{_bytes(row['bytes'])}"
        pinned = "pinned" if row["pinned"] else "not pinned yet"
        note = "" if row["licence"]["commercial"] else ", not for commercial work"
        show(f"{row['state']:<10} {row['id']:<22} {size:>9}  {pinned:<14}  {row['licence']['name']}{note}")
        show(f"{'':<10} {'':<22} {'':>9}  {row['purpose']}")
    say(f"note: in {store.folder}, {_bytes(free_bytes(store.folder))} free.")


def _row(store: WeightsStore, weights: Weights) -> dict[str, Any]:
    accepted = store.acceptance(weights.id)
    archive = weights.archive.size if weights.archive is not None else None
    licence = weights.licence
    return {
        "id": weights.id,
        "title": weights.title,
        "purpose": weights.purpose,
        "role": weights.role,
        "state": store.state(weights.id),
        "bytes": store.size(weights.id) or archive or weights.size or weights.about_bytes,
        "size_is_estimate": not store.size(weights.id) and weights.size is None,
        "licence": {
            "name": licence.name,
            "url": licence.url,
            "commercial": licence.commercial,
            "restrictions": licence.restrictions,
            "asks": licence.ask,
            "accepted": accepted.date if accepted is not None and store.accepted(weights.id) else None,
        },
        "pinned": weights.pinned,
        "source": weights.source,
        "revision": weights.revision,
        "engines": list(weights.engines),
        "optional": weights.optional,
        "min_vram_gb": weights.min_vram_gb,
        "importable": weights.importable,
    }


@models_app.command("get")
def models_get(
    ids: Ids,
    accept: AcceptOption = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Take what nobody has published a hash of; never for what paints.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would cost.")] = False,
    json: JsonOption = False,
) -> None:
    """Fetch weights, or what is missing of them; what was begun goes on where it stopped."""
    from outfitswap_desktop.weights.store import default_store

    store = default_store()
    wanted = [store.catalogue.get(each) for each in dict.fromkeys(ids)]
    fetcher = _fetcher(store)
    if dry_run:
        with cancel_on_interrupt() as cancel:
            plans = [fetcher.plan(weights.id, cancel=cancel) for weights in wanted]
        _say_plans(plans, json=json)
        return
    for weights in wanted:
        _accept(store, weights, accept=accept, quiet=json)
    answers = []
    with cancel_on_interrupt() as cancel:
        for weights in wanted:
            with _fetching(weights.id, quiet=json) as report:
                found = fetcher.fetch(weights.id, report=report, cancel=cancel, trust=yes)
            answers.append(
                {
                    "id": found.id,
                    "folder": str(found.folder),
                    "revision": found.revision or None,
                    "bytes": store.size(found.id),
                    "files": dict(found.hashes),
                }
            )
            if not json:
                show(str(found.folder))
                _say_what_else(store, weights)
    if json:
        show_json({"weights": answers})


def _say_what_else(store: WeightsStore, weights: Weights) -> None:
    for engine in weights.engines:
        lacking = store.lacking(engine)
        if lacking and weights.id in store.catalogue.needs(engine):
            say(f"note: the engine {engine} needs {', '.join(lacking)} too.")


def _say_plans(plans: list[Plan], *, json: bool) -> None:
    if json:
        rows = [
            {
                "id": p.id,
                "revision": p.revision or None,
                "basis": p.basis,
                "bytes": p.total,
                "left": p.left,
                "fits": p.fits,
            }
            for p in plans
        ]
        show_json({"weights": rows, "free_bytes": min((p.free for p in plans), default=None)})
        return
    for plan in plans:
        fits = "" if plan.fits else ", more than fits"
        show(f"{plan.id}: {_bytes(plan.left)} to fetch, {_bytes(plan.free)} free{fits}")


def _accept(store: WeightsStore, weights: Weights, *, accept: bool, quiet: bool) -> None:
    """Record the acceptance that was given, or ask for it; without one, fetching refuses."""
    if store.accepted(weights.id):
        return
    licence = weights.licence
    if accept:
        store.accept(weights.id)
    elif can_ask() and not quiet:
        what = "does not allow commercial use" if not licence.commercial else "restricts what it may be used for"
        say(f"{weights.title}: the licence {licence.name} {what}.")
        say(f"Its text: {licence.url}")
        if ask_typed("Type accept when you have read it and agree:").casefold() == "accept":
            store.accept(weights.id)


@models_app.command("verify")
def models_verify(
    ids: SomeIds = None,
    repair: Annotated[bool, typer.Option("--repair", help="Fetch what is damaged, and only that.")] = False,
    json: JsonOption = False,
) -> None:
    """Hash every file again and name what is damaged. The exit code is 4 when something is and stays so."""
    from outfitswap_desktop.weights.store import default_store

    store = default_store()
    chosen = list(dict.fromkeys(ids or [each for each in store.catalogue.weights if store.place(each).is_dir()]))
    rows: list[dict[str, Any]] = []
    with cancel_on_interrupt() as cancel:
        for weights_id in chosen:
            damage = _verified(store, weights_id, cancel=cancel, quiet=json)
            repaired = bool(damage) and repair
            if repaired:
                with _fetching(weights_id, quiet=json) as report:
                    _fetcher(store).fetch(weights_id, report=report, cancel=cancel)
            rows.append({"id": weights_id, "damage": damage, "repaired": repaired, "state": store.state(weights_id)})
    broken = [row["id"] for row in rows if row["damage"] and not row["repaired"]]
    if json:
        show_json({"weights": rows})
    for row in () if json else rows:
        show(f"{row['id']}: {'repaired' if row['repaired'] else 'damaged' if row['damage'] else 'as it should be'}")
        for path, what in row["damage"].items():
            show(f"  {path} {what}")
    if broken and not json:
        say("note: mend them with `outfitswap models verify --repair`.")
    if broken:
        raise typer.Exit(NotAvailable.exit_code)


def _verified(store: WeightsStore, weights_id: str, *, cancel: CancelToken, quiet: bool) -> dict[str, str]:
    if not store.place(weights_id).is_dir():
        store.open(weights_id)  # raises the sentence for what is missing
    total, done = max(1, store.size(weights_id)), 0
    with progress(quiet=quiet) as show_progress:

        def read(size: int) -> None:
            nonlocal done
            cancel.check()
            done += size
            _report(show_progress, "check", done / total, f"checking {weights_id}")

        return store.damage(weights_id, full=True, report=read)


@models_app.command("import")
def models_import(  # noqa: PLR0917  typer turns parameters into options
    weights_id: Annotated[str, typer.Argument(metavar="ID", help="What the files are.", show_default=False)],
    source: Annotated[Path, typer.Argument(metavar="FILE|FOLDER", help="Where they lie.", show_default=False)],
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Take a detector or refiner that is not the published one, if its file is sound."),
    ] = False,
    ask_hub: Annotated[
        bool, typer.Option("--ask-hub", help="Ask the weights' own repository for hashes that are not known here.")
    ] = False,
    accept: AcceptOption = False,
    json: JsonOption = False,
) -> None:
    """Take in files of one's own.

    What paints is known by its hash, wherever it comes from. A detector or refiner may be another one: its file is read,
    never run, and --yes takes it.
    """
    from outfitswap_desktop.weights.importing import Importer
    from outfitswap_desktop.weights.network import read_network
    from outfitswap_desktop.weights.store import default_store

    store = default_store()
    weights = store.catalogue.get(weights_id)
    importer = Importer(store, read_network(store.folder))
    with cancel_on_interrupt() as cancel, progress(quiet=json) as report:
        look = importer.look(weights_id, source, cancel=cancel, ask=ask_hub)
        _accept(store, weights, accept=accept, quiet=json)
        if look.asked and not yes and not json and can_ask():
            say(look.asked)
            yes = ask_typed("Type yes to take it:").casefold() == "yes"
        total, done = max(1, look.size), 0

        def copied(size: int) -> None:
            nonlocal done
            done += size
            _report(report, "save", done / total, f"copying {weights_id}")

        state = importer.take(look, yes=yes, cancel=cancel, report=copied)
    answer = {
        "id": weights_id,
        "state": state,
        "by": look.by,
        "files": sorted(look.found),
        "missing": list(look.missing),
    }
    if json:
        show_json({**answer, "folder": str(store.place(weights_id))})
        return
    show(str(store.place(weights_id) if state == "installed" else store.part(weights_id)))
    if look.missing:
        say(f"note: {len(look.missing)} files are missing; `outfitswap models get {weights_id}` fetches only them.")


@models_app.command("remove")
def models_remove(ids: Ids, json: JsonOption = False) -> None:
    """Delete weights from this machine; they can be fetched again."""
    from outfitswap_desktop.weights.store import default_store

    store = default_store()
    wanted = [store.catalogue.get(each).id for each in dict.fromkeys(ids)]
    freed = {weights_id: store.remove(weights_id) for weights_id in wanted}
    if json:
        show_json({"weights": [{"id": weights_id, "freed": size} for weights_id, size in freed.items()]})
        return
    for weights_id, size in freed.items():
        show(f"{weights_id}: {_bytes(size)} freed")


@models_app.command("network")
def models_network(
    offline: Annotated[
        bool | None, typer.Option("--offline/--online", help="Forbid or allow downloads.", show_default=False)
    ] = None,
    mirrors: Annotated[
        list[str] | None,
        typer.Option("--mirror", help='Address of a copy of the hub, tried after it; may be given again. "" for none.'),
    ] = None,
    proxy: Annotated[
        str | None, typer.Option("--proxy", help='Address of a proxy; "" for what the environment says.')
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show or set how downloads reach the network. A mirror never changes a hash."""
    from dataclasses import replace

    from outfitswap_desktop.weights.network import read_network, write_network
    from outfitswap_desktop.weights.store import default_store

    store = default_store()
    network = read_network(store.folder)
    if offline is not None:
        network = replace(network, offline=offline)
    if mirrors is not None:
        network = replace(network, mirrors=tuple(each for each in mirrors if each))
    if proxy is not None:
        network = replace(network, proxy=proxy)
    if (offline, mirrors, proxy) != (None, None, None):
        write_network(store.folder, network)
    answer = {"offline": network.offline, "hub": network.hub, "mirrors": list(network.mirrors), "proxy": network.proxy}
    if json:
        show_json(answer)
        return
    show(f"offline  {'yes' if network.offline else 'no'}")
    show(f"hub      {network.hub}")
    show(f"mirrors  {', '.join(network.mirrors) or 'none'}")
    show(f"proxy    {network.proxy or 'as the environment says'}")


@models_app.command("pin")
def models_pin(
    ids: SomeIds = None,
    catalogue: Annotated[
        Path | None, typer.Option("--catalogue", help="The TOML file to write. Default: the one of this installation.")
    ] = None,
    revision: Annotated[str, typer.Option("--revision", help="Commit, tag or branch, for a single ID.")] = "",
    json: JsonOption = False,
) -> None:
    """For the maintainer: write revisions, sizes and hashes of the repositories' files into the catalogue."""
    from outfitswap_desktop import paths
    from outfitswap_desktop.weights.catalogue import read_catalogue
    from outfitswap_desktop.weights.network import read_network
    from outfitswap_desktop.weights.pinning import find_pin, present_pins, write_pins
    from outfitswap_desktop.weights.store import default_store

    path = catalogue if catalogue is not None else paths.resource("catalogue.toml")
    entries, store = read_catalogue(path), default_store()
    chosen = [entries.get(each) for each in ids] if ids else [w for w in entries.weights.values() if w.repository]
    if revision and len(chosen) != 1:
        raise UsageProblem("A revision fits one ID only.", reason="bad_revision", hint="Name the ID before it.")
    network, pins, done = read_network(store.folder), present_pins(path), []
    with cancel_on_interrupt() as cancel:
        for weights in chosen:
            pins[weights.id] = find_pin(weights, store.folder, network, cancel=cancel, revision=revision or None)
            write_pins(path, entries, pins)  # after each: a failure later keeps what was found
            done.append({"id": weights.id, **pins[weights.id]})
            if not json:
                show(f"{weights.id}: {pins[weights.id].get('revision', '')} {len(pins[weights.id]['files'])} files")
    if json:
        show_json({"catalogue": str(path), "weights": done})


def _fetcher(store: WeightsStore) -> Fetcher:
    from outfitswap_desktop.weights.fetch import Fetcher
    from outfitswap_desktop.weights.network import read_network

    return Fetcher(store, read_network(store.folder))


@contextmanager
def _fetching(weights_id: str, *, quiet: bool) -> Iterator[Any]:
    words = {
        "waiting": "another program is fetching",
        "asking": "asking for",
        "checking": "checking",
        "fetching": "fetching",
        "finishing": "finishing",
    }
    with progress(quiet=quiet) as report:

        def told(now: Fetching) -> None:
            _report(report, "save", now.fraction, f"{words[now.stage]} {weights_id}")

        yield told


def _report(report: Report, stage: str, fraction: float, detail: str) -> None:
    from outfitswap_desktop.core.job import Progress

    report(Progress(stage, min(1.0, fraction), detail))


def _bytes(size: int | None) -> str:
    if size is None:
        return "unknown"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
