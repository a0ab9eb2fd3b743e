"""A real store with small random weights: hashes pinned in a catalogue of the test's own, taken in by the importer."""

import hashlib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.weights.catalogue import Catalogue, File, read_catalogue
from outfitswap_desktop.weights.importing import Importer
from outfitswap_desktop.weights.network import Network
from outfitswap_desktop.weights.store import WeightsStore

SOURCES = "tiny-sources"


def tiny_store(home: Path) -> WeightsStore:
    """The store of what `install` put into `home`; every process of a test makes the same one."""
    bundled = read_catalogue()
    weights = dict(bundled.weights)
    for folder in sorted((home / SOURCES).iterdir()):
        files = tuple(
            File(
                path.relative_to(folder).as_posix(),
                path.stat().st_size,
                hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        )
        weights[folder.name] = replace(weights[folder.name], files=files, revision="0" * 40)
    return WeightsStore(home / "weights", Catalogue(weights, bundled.classes))


def install(home: Path, **writers) -> WeightsStore:
    """Write each set of weights (underscores for hyphens) with its writer, and take it into the store."""
    for name, write in writers.items():
        folder = home / SOURCES / name.replace("_", "-")
        folder.mkdir(parents=True)
        write(folder)
    store = tiny_store(home)
    (home / "weights").mkdir(exist_ok=True)
    importer = Importer(store, Network(offline=True))
    for folder in sorted((home / SOURCES).iterdir()):
        store.accept(folder.name)
        look = importer.look(folder.name, folder, cancel=CancelToken())
        assert importer.take(look, cancel=CancelToken(), report=lambda _bytes: None) == "installed"
    return store


@contextmanager
def tiny_road():
    """The engine process' own parts, with the store of the test that began it."""
    from outfitswap_desktop import paths, wiring

    wiring.open_weights = lambda: tiny_store(paths.data_dir())
    with wiring.make_answers() as answers:
        yield answers
