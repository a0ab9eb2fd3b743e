"""What may be opened: whole folders whose files are what was recorded, with nothing beside them."""

import json
import os
import shutil
from pathlib import Path

import pytest

from outfitswap_desktop import paths
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.weights.catalogue import PAINTS, read_catalogue
from outfitswap_desktop.weights.fetch import Fetcher
from outfitswap_desktop.weights.lock import locked
from outfitswap_desktop.weights.names import choose, is_safe, matches
from outfitswap_desktop.weights.network import Network, read_network, write_network
from outfitswap_desktop.weights.store import default_store
from tests.weights.conftest import FILES, UNET

IDS = {
    *("sd15", "sdxl", "sdxl-vae", "klein", "qwen", "qwen-lightning", "ip-adapter-sd15", "ip-adapter-sdxl"),
    *("controlnet-pose-sd15", "controlnet-pose-sdxl", "controlnet-depth-sd15", "controlnet-depth-sdxl"),
    *("depth-anything-small", "dwpose", "yolo-clothing", "sam-vit-b", "mobile-sam", "insightface-buffalo", "yunet"),
    *("taesd", "taesdxl", "lcm-sd15", "lcm-sdxl"),
}


# the catalogue that comes with the program


def test_the_bundled_catalogue_has_what_the_engines_ask_for():
    catalogue = read_catalogue()
    assert set(catalogue.weights) == IDS
    assert catalogue.needs("sdxl") == ("sdxl", "sdxl-vae")
    assert {"ip-adapter-sdxl", "sam-vit-b", "lcm-sdxl"} <= set(catalogue.extras("sdxl"))
    assert catalogue.needs("nothing") == ()
    for weights in catalogue.weights.values():
        assert weights.purpose
        assert weights.licence.url.startswith("https://")
        assert weights.size or weights.about_bytes, "a size can be shown before the click"
        assert not (weights.paints and weights.importable)
        if weights.pickle:
            assert weights.role not in PAINTS


def test_what_forbids_or_restricts_asks():
    for weights in read_catalogue().weights.values():
        licence = weights.licence
        assert licence.ask == (licence.restrictions or not licence.commercial), weights.id
    assert not read_catalogue().get("insightface-buffalo").licence.commercial


def test_class_names_become_zones_of_ours():
    catalogue = read_catalogue()
    assert set(catalogue.classes.values()) <= {*(zone.value for zone in Zone), "ignore"}
    deep_fashion = {
        "short sleeve top": "top", "long_sleeved_shirt": "top", "Short-Sleeve-Outwear": "outer", "vest": "top",
        "sling": "top", "shorts": "bottom", "trousers": "bottom", "skirt": "bottom", "short sleeve dress": "dress",
        "long sleeve dress": "dress", "vest dress": "dress", "sling_dress": "dress", "long sleeve outwear": "outer",
    }  # fmt: skip
    assert {name: catalogue.zone_of(name) for name in deep_fashion} == deep_fashion
    assert [catalogue.zone_of(name) for name in ("Clothing", "Shoes", "Bags", "Accessories")] == [
        "full", "ignore", "ignore", "ignore",
    ]  # fmt: skip
    assert catalogue.zone_of("giraffe") is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('id = "tiny"', 'id = "../tiny"'), "plain name"),
        (('role = "guard"', 'role = "boss"'), "unknown role"),
        (('"guard.onnx"', '"../guard.onnx"'), "leaves the folder"),
        (('"hub:owner/strict"', '"ftp://owner"'), "neither"),
        (('engines = ["tiny"]\nabout', 'engines = ["tiny"]\nimportable = true\nabout'), "never importable"),
        (("[pins.plain]", "[pins.other]"), "without an entry"),
    ],
)
def test_a_catalogue_that_is_wrong_says_where(catalogue_file, change, said):
    text = catalogue_file.read_text(encoding="utf-8")
    assert change[0] in text
    catalogue_file.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(ValueError, match=said):
        read_catalogue(catalogue_file)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../b",
        "a//b",
        "./a",
        "C:/x",
        "a\\b",
        "NUL",
        "aux.txt",
        "a.",
        " a",
        "a\n",
        "x" * 300,
    ],
)
def test_names_that_leave_their_folder(path):
    assert not is_safe(path)


def test_patterns():
    assert matches("unet/config.json", "unet/*.json")
    assert not matches("unet/deep/config.json", "unet/*.json")
    assert not matches("unetxconfig.json", "unet/*.json")
    paths_ = ("a.fp16.bin", "a.bin", "b.bin")
    assert choose(paths_, ("a.fp16.bin|a.bin", "c.bin", "*.txt|b.bin")) == (("a.fp16.bin", "b.bin"), ("c.bin",))


# the store


def test_the_default_store_lies_in_the_programs_folder(own_home):
    store = default_store()
    assert store.folder == own_home / "weights" == paths.weights_dir()
    assert store.installed() == ()
    with pytest.raises(NotAvailable) as told:
        store.open("sdxl")
    assert (told.value.reason, told.value.exit_code) == ("weights_missing", 4)
    assert "outfitswap models get sdxl" in told.value.hint
    with pytest.raises(UsageProblem):
        store.open("../history")


def change_one_bit(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "changed": lambda folder: change_one_bit(folder / "unet/diffusion.fp16.safetensors"),
    "shorter": lambda folder: (folder / "vae/diffusion.safetensors").write_bytes(b"x"),
    "gone": lambda folder: (folder / "vae/diffusion.safetensors").unlink(),
    "stray": lambda folder: (folder / "unet/diffusion.safetensors").write_bytes(b"a fine-tune of somebody's"),
    "no record": lambda folder: (folder / "weights.json").unlink(),
    "half a record": lambda folder: (folder / "weights.json").write_text('{"format": 1, "id": "ti'),
    "another's record": lambda folder: (folder / "weights.json").write_text(
        (folder / "weights.json").read_text().replace('"tiny"', '"strict"')
    ),
    "record leaves": lambda folder: (folder / "weights.json").write_text(
        (folder / "weights.json").read_text().replace("unet/config.json", "../../config.json")
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_weights_are_not_opened_and_can_be_mended(hub, store, get, damage):
    folder = get("tiny").folder
    DAMAGES[damage](folder)
    assert store.state("tiny") == "damaged"
    with pytest.raises(NotAvailable) as told:
        store.open("tiny")
    assert told.value.reason == "weights_damaged"
    assert "--repair" in told.value.hint
    hub.seen.clear()
    found = get("tiny")
    assert store.state("tiny") == "installed"
    assert (found.folder / "unet/diffusion.fp16.safetensors").read_bytes() == UNET
    assert not (found.folder / "unet/diffusion.safetensors").exists()
    assert len(hub.downloads()) <= 1, "only what is damaged is fetched"


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
@pytest.mark.parametrize("whole", [False, True])
def test_links_out_of_the_folder_are_not_followed(store, get, tmp_path, whole):
    folder = get("tiny").folder
    outside = tmp_path / "outside"
    shutil.copytree(folder / "unet", outside)
    if whole:
        shutil.rmtree(folder / "unet")
        (folder / "unet").symlink_to(outside)
    else:
        (folder / "unet/diffusion.fp16.safetensors").unlink()
        (folder / "unet/diffusion.fp16.safetensors").symlink_to(outside / "diffusion.fp16.safetensors")
    assert store.state("tiny") == "damaged"
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    found = get("tiny")
    assert not (found.folder / "unet").is_symlink()
    assert not (found.folder / "unet/diffusion.fp16.safetensors").is_symlink()
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == before, "nothing is written through a link"


def test_a_changed_bit_with_the_old_time_is_found_by_verify(store, get):
    path = get("tiny").folder / "unet/diffusion.fp16.safetensors"
    status = path.stat()
    change_one_bit(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert store.damage("tiny") == {}, "the quick look cannot see it"
    told = []
    assert store.damage("tiny", full=True, report=told.append) == {"unet/diffusion.fp16.safetensors": "was changed"}
    assert sum(told) >= len(UNET)


def test_files_that_were_only_copied_are_hashed_once_and_then_trusted(store, get):
    folder = get("tiny").folder
    for path in FILES:
        if (folder / path).exists():
            os.utime(folder / path, (1, 1))
    assert store.state("tiny") == "installed"
    record = json.loads((folder / "weights.json").read_text())
    assert {values["modified"] for values in record["files"].values()} == {10**9}


def test_a_pin_that_came_later_counts(store, get, catalogue_file):
    from outfitswap_desktop.weights.store import WeightsStore

    get("plain")
    text = catalogue_file.read_text(encoding="utf-8")
    old = text.rpartition('sha256 = "')[2][:64]
    catalogue_file.write_text(text.replace(old, "0" * 64), encoding="utf-8")
    newer = WeightsStore(store.folder, read_catalogue(catalogue_file))
    assert newer.state("plain") == "damaged"
    assert "pins" in newer.faults("plain")[0]


def test_remove_keeps_hashes_and_licence_and_waits_for_nobody(store, get):
    store.accept("strict")
    get("strict")
    get("tiny")
    with locked(store.folder, "tiny"), pytest.raises(NotAvailable) as told:
        store.remove("tiny")
    assert told.value.reason == "weights_busy"
    assert store.remove("tiny") > len(UNET)
    assert store.state("tiny") == "missing"
    assert store.installed() == ("strict",)
    assert "tiny" in json.loads((store.folder / "known.json").read_text())
    store.remove("strict")
    assert store.accepted("strict")
    assert store.remove("strict") == 0


def test_a_licence_that_has_changed_is_asked_again(store, catalogue_file):
    from outfitswap_desktop.weights.store import WeightsStore

    store.accept("strict")
    text = catalogue_file.read_text(encoding="utf-8").replace("Research only", "Research only, 2nd edition")
    catalogue_file.write_text(text, encoding="utf-8")
    assert not WeightsStore(store.folder, read_catalogue(catalogue_file)).accepted("strict")


def test_an_index_that_leaves_its_folder(hub, store, get):
    from outfitswap_desktop.errors import KnownError

    index = json.dumps({"weight_map": {"a": "../../../secret.safetensors"}}).encode()
    hub.repositories["owner/tiny"]["unet/config.json"] = b"{}"
    hub.repositories["owner/tiny"]["vae/x.safetensors.index.json"] = index
    catalogue = store.catalogue
    tiny = catalogue.weights["tiny"]
    from dataclasses import replace

    from outfitswap_desktop.weights.catalogue import Catalogue

    store.catalogue = Catalogue({"tiny": replace(tiny, patterns=(*tiny.patterns, "vae/*.index.json"))})
    with pytest.raises(KnownError) as told:
        get("tiny")
    assert told.value.reason == "unsafe_index"
    assert store.state("tiny") == "partial"


def test_a_repository_that_names_files_outside_of_its_folder(hub, store, get):
    hub.repositories["owner/tiny"]["vae/CON.safetensors"] = b"x"
    with pytest.raises(NotAvailable) as told:
        get("tiny")
    assert told.value.reason == "source_changed"


# what the user sets


def test_network_settings(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert read_network(tmp_path) == Network()
    assert Network().endpoints == ("https://huggingface.co",)
    wanted = Network(offline=True, mirrors=("https://mirror.example",), proxy="http://proxy.example:3128")
    write_network(tmp_path, wanted)
    assert read_network(tmp_path) == wanted
    monkeypatch.setenv("HF_ENDPOINT", "https://mine.example/")
    assert wanted.endpoints == ("https://mine.example", "https://mirror.example")
    for bad in (Network(mirrors=("mirror",)), Network(proxy="ftp://x"), Network(mirrors=("https://",))):
        with pytest.raises(UsageProblem):
            write_network(tmp_path, bad)
    (tmp_path / "network.json").write_text('{"offline": "yes", "mirrors": [1, "x"], "proxy": 3}')
    assert read_network(tmp_path) == Network()


@pytest.mark.parametrize("weights_id", ["tiny", "plain"])
def test_a_proxy_of_the_users_is_taken_for_both_kinds_of_request(hub, store, mirror, get, weights_id, monkeypatch):
    """By the hub's client and by ours: the proxy here has the same files, so that all comes from it."""
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    get(weights_id, using=Fetcher(store, Network(proxy=mirror.url), timeout=2.0, pauses=()))
    assert mirror.downloads()
    assert not hub.seen
    assert "HTTPS_PROXY" not in os.environ


def test_the_home_of_the_tests_is_theirs(own_home):
    assert Path(os.environ["OUTFITSWAP_HOME"]) == own_home
