"""Archives, and pins that the maintainer writes."""

import zipfile

import pytest

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.weights.catalogue import PINS_BEGIN, read_catalogue
from outfitswap_desktop.weights.network import Network
from outfitswap_desktop.weights.pinning import find_pin, present_pins, write_pins
from outfitswap_desktop.weights.store import WeightsStore
from tests.weights.conftest import FILES, SAM, Never
from tests.weights.hub import COMMIT, sha256

DET = b"\x08\x07" + b"detector" * 1000


def test_pins_are_written_below_the_line_and_nothing_else_changes(hub, store, catalogue_file, get):
    before = catalogue_file.read_text(encoding="utf-8")
    catalogue = read_catalogue(catalogue_file)
    assert not catalogue.get("tiny").pinned
    pin = find_pin(catalogue.get("tiny"), store.folder, Network(), cancel=Never())
    write_pins(catalogue_file, catalogue, {**present_pins(catalogue_file), "tiny": pin})
    after = read_catalogue(catalogue_file)
    assert catalogue_file.read_text(encoding="utf-8").partition(PINS_BEGIN)[0] == before.partition(PINS_BEGIN)[0]
    tiny = after.get("tiny")
    assert tiny.pinned
    assert tiny.revision == COMMIT
    assert {file.path: (file.size, file.sha256) for file in tiny.files} == {
        path: (len(content), sha256(content))
        for path, content in FILES.items()
        if path not in ("README.md", "unet/diffusion.safetensors")
    }
    assert after.get("plain") == catalogue.get("plain")
    assert not after.get("strict").pinned
    hub.seen.clear()
    pinned = WeightsStore(store.folder, after)
    from outfitswap_desktop.weights.fetch import Fetcher

    found = Fetcher(pinned, Network()).fetch("tiny", report=lambda _now: None, cancel=Never())
    assert found.revision == COMMIT
    assert not [seen for seen in hub.seen if "/api/" in seen.path], "a pin needs nobody's word"


def test_pinned_weights_come_from_a_mirror_while_the_hub_is_away(hub, mirror, store, catalogue_file):
    from outfitswap_desktop.weights.fetch import Fetcher

    catalogue = read_catalogue(catalogue_file)
    pin = find_pin(catalogue.get("tiny"), store.folder, Network(), cancel=Never())
    write_pins(catalogue_file, catalogue, {**present_pins(catalogue_file), "tiny": pin})
    hub.close()
    pinned = WeightsStore(store.folder, read_catalogue(catalogue_file))
    fetcher = Fetcher(pinned, Network(mirrors=(mirror.url,)), timeout=2.0, pauses=())
    assert fetcher.fetch("tiny", report=lambda _now: None, cancel=Never()).revision == COMMIT


def test_an_address_is_pinned_by_what_was_recorded(store, catalogue, get):
    with pytest.raises(NotAvailable) as told:
        find_pin(catalogue.get("unknown"), store.folder, Network(), cancel=Never())
    assert told.value.reason == "hash_unknown"
    get("unknown", trust=True)
    pin = find_pin(catalogue.get("unknown"), store.folder, Network(), cancel=Never())
    assert pin == {"files": {"unknown.pth": {"size": len(SAM), "sha256": sha256(SAM)}}}


def packed(hub, tmp_path, content=DET, name="pack/det.onnx", method=zipfile.ZIP_DEFLATED):
    path = tmp_path / "pack.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr(name, content)
        archive.writestr("pack/names_of_people.onnx", b"not wanted")
        archive.writestr("../outside.txt", b"not wanted")
    hub.plain["/files/pack.zip"] = path.read_bytes()
    return path.read_bytes()


def pin_archive(catalogue_file, whole, content=DET):
    text = catalogue_file.read_text(encoding="utf-8")
    text += (
        f'\n[pins.zipped]\narchive = {{ size = {len(whole)}, sha256 = "{sha256(whole)}" }}\n'
        f'files."det.onnx" = {{ size = {len(content)}, sha256 = "{sha256(content)}" }}\n'
    )
    catalogue_file.write_text(text, encoding="utf-8")
    return read_catalogue(catalogue_file)


def test_only_what_is_wanted_is_taken_out_of_an_archive(hub, store, catalogue_file, tmp_path):
    from outfitswap_desktop.weights.fetch import Fetcher

    whole = packed(hub, tmp_path)
    one = WeightsStore(store.folder, pin_archive(catalogue_file, whole))
    plan = Fetcher(one, Network()).plan("zipped")
    assert plan.total == len(whole)
    found = Fetcher(one, Network()).fetch("zipped", report=lambda _now: None, cancel=Never())
    assert {p.name for p in found.folder.rglob("*") if p.is_file()} == {"det.onnx", "weights.json"}
    assert (found.folder / "det.onnx").read_bytes() == DET
    assert not (store.folder.parent / "outside.txt").exists()
    (found.folder / "det.onnx").write_bytes(b"broken")
    Fetcher(one, Network()).fetch("zipped", report=lambda _now: None, cancel=Never())
    assert one.state("zipped") == "installed"


@pytest.mark.parametrize("content", [b"\0" * 30_000_000, DET[:-1] + b"x", DET[:-1]])
def test_members_that_are_not_what_was_announced(hub, store, catalogue_file, tmp_path, content):
    """A bomb, a wrong hash, a short one: the archive's own hash is right, its member is not what is pinned."""
    from outfitswap_desktop.weights.fetch import Fetcher

    whole = packed(hub, tmp_path, content)
    one = WeightsStore(store.folder, pin_archive(catalogue_file, whole))
    with pytest.raises(NotAvailable) as told:
        Fetcher(one, Network()).fetch("zipped", report=lambda _now: None, cancel=Never())
    assert told.value.reason == "wrong_hash"
    assert one.state("zipped") == "partial"
    assert sum(p.stat().st_size for p in one.part("zipped").rglob("*") if p.is_file()) < len(whole) + 10_000


def test_an_archive_that_is_none(hub, store, catalogue_file):
    from outfitswap_desktop.weights.fetch import Fetcher

    hub.plain["/files/pack.zip"] = b"PK\x03\x04 not a zip"
    one = WeightsStore(store.folder, pin_archive(catalogue_file, hub.plain["/files/pack.zip"]))
    with pytest.raises(NotAvailable) as told:
        Fetcher(one, Network()).fetch("zipped", report=lambda _now: None, cancel=Never())
    assert told.value.reason == "bad_archive"
