"""The whole road with diffusion engines: installed weights, `swap` on the command line, and the window."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop import cli, wiring
from outfitswap_desktop.engine.messages import Finished
from tests.ml import tiny, tiny_control, tiny_stock
from tests.ml.tiny_store import install, tiny_road, tiny_store

AGREED = ("--adult-consent", "self", "--adult-attested")
ENGINES = ("sd15", "sdxl", "klein", "qwen")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A home with all engines' weights, and with what sd15 can follow; written once."""
    home = tmp_path_factory.mktemp("weights")
    install(
        home,
        sd15=tiny.write_sd15,
        sdxl=tiny.write_sdxl,
        sdxl_vae=_write_sdxl_vae,
        klein=tiny_stock.write_klein,
        qwen=tiny_stock.write_qwen,
        controlnet_pose_sd15=lambda folder: tiny_control.write_controlnet(folder, "sd15"),
        controlnet_depth_sd15=lambda folder: tiny_control.write_controlnet(folder, "sd15", seed=12),
        depth_anything_small=tiny_control.write_depth,
        ip_adapter_sd15=_write_adapter,
    )
    return home


@pytest.fixture
def weights(written, own_home, monkeypatch):
    """The weights in this test's own home."""
    shutil.copytree(written, own_home, dirs_exist_ok=True)
    monkeypatch.setattr(wiring, "open_weights", lambda: tiny_store(own_home))


def _write_sdxl_vae(folder):
    """The half-precision decoder, whose one file is published without a variant's name."""
    tiny.write_vae(folder, scaling=0.13025)
    for path in folder.glob("*.fp16.safetensors"):
        path.rename(path.with_name(path.name.replace(".fp16", "")))


def _write_adapter(folder):
    tiny_control.write_adapter(folder, "sd15")


def swapped(capsys, photo, output, *options):
    code = cli.run(["swap", str(photo), "-o", str(output), "--json", *AGREED, *options])
    told = json.loads(capsys.readouterr().out)
    assert code == 0, told
    return told


def outside(photo, document):
    before = np.asarray(Image.open(photo).convert("RGB"), np.int16)
    after = np.asarray(Image.open(document["output"]).convert("RGB"), np.int16)
    mask = np.asarray(Image.open(document["mask"]))
    return int(np.abs(before - after).max(axis=2)[mask == 0].max()), int(np.count_nonzero(mask))


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_swaps_and_changes_nothing_outside(weights, capsys, tmp_path, astronaut_file, engine):
    asked = ("--prompt", "navy linen shirt", "--engine", engine, "--steps", "2", "--seed", "7")
    first = swapped(capsys, astronaut_file, tmp_path / "one.png", *asked)
    again = swapped(capsys, astronaut_file, tmp_path / "two.png", *asked)
    changed, area = outside(astronaut_file, first)
    assert first["engine"] == engine
    assert changed == 0
    assert area > 1000
    assert first["outside_mask_changed_pixels"] == 0
    pixels = [np.asarray(Image.open(document["output"])) for document in (first, again)]
    assert np.array_equal(*pixels), "the same seed makes the same pixels"
    receipt = json.loads(Path(first["receipt"]).read_text(encoding="utf-8"))
    assert receipt["made"]["plan"]["weights"]


def test_pose_depth_garment_and_variations(weights, capsys, tmp_path, astronaut_file):
    cloth = tmp_path / "cloth.png"
    rng = np.random.default_rng(5)
    Image.fromarray(rng.integers(60, 190, (300, 260, 3), dtype=np.uint8)).save(cloth)
    told = swapped(
        capsys, astronaut_file, tmp_path / "out.png", "--prompt", "red linen shirt", "--engine", "sd15", "--steps", "2",
        "--garment", str(cloth), "--pose", "0.7", "--depth", "0.5", "--garment-weight", "0.6", "--variations", "2",
    )  # fmt: skip
    assert [document["engine"] for document in told["variations"]] == ["sd15", "sd15"]
    pictures = [np.asarray(Image.open(document["output"])) for document in told["variations"]]
    assert not np.array_equal(*pictures)
    for document in told["variations"]:
        assert outside(astronaut_file, document)[0] == 0
        plan = json.loads(Path(document["receipt"]).read_text(encoding="utf-8"))["made"]["plan"]
        assert {one["name"] for one in plan["controls"]} == {"pose", "depth"}
        assert plan["garment"] is not None


def test_a_second_outfit_in_a_warm_engine_loads_and_encodes_nothing_twice(weights, astronaut_file, tmp_path):
    from outfitswap_desktop.api import Session

    agreed = {"adult_consent": "self", "adult_attested": True, "steps": 2}
    with Session("sd15") as session:
        session.swap(astronaut_file, "navy linen shirt", output=tmp_path / "one.png", **agreed)
        generator = session._runner._engines._loaded[1]
        before = replace(generator.counters)
        session.swap(astronaut_file, "navy linen shirt", seed=3, output=tmp_path / "two.png", **agreed)
        after = generator.counters
        same = ("loads", "load_seconds", "compiles", "text_encodes", "image_encodes", "latent_encodes")
        assert {name: getattr(after, name) for name in same} == {name: getattr(before, name) for name in same}
        assert after.decodes == before.decodes + 1
        session.swap(astronaut_file, "red linen shirt", output=tmp_path / "three.png", **agreed)
        assert session._runner._engines._loaded[1] is generator
        assert (after.loads, after.latent_encodes) == (before.loads, before.latent_encodes)
        assert after.text_encodes == before.text_encodes + 1, "the new words alone"


def test_an_engine_without_its_weights_says_how_to_get_them(own_home, capsys, tmp_path, astronaut_file):
    code = cli.run(
        ["swap", str(astronaut_file), "-p", "navy linen", "--engine", "sd15", "-o", str(tmp_path / "o.png"), "--json"]
    )
    error = json.loads(capsys.readouterr().out)["error"]
    assert code == 4
    assert error["reason"] == "weights_missing"
    assert "models get sd15" in error["hint"]


def test_auto_stays_with_the_embedded_engine_without_a_card(weights):
    engine, reason = wiring.choose_engine("auto")
    import torch

    if not torch.cuda.is_available():
        assert engine == "fabric"
        assert "minutes" in reason


@pytest.mark.parametrize("engine", ENGINES)
def test_the_window_paints_with_each_engine(weights, qtbot, astronaut_file, monkeypatch, engine):
    from tests.ui import windows

    monkeypatch.setattr(windows, "small_road", tiny_road)
    with windows.main_window(qtbot) as window:
        shop = windows.open_photo(qtbot, window, astronaut_file, consent="self", adult_attested=True)
        panel = shop.editor.outfit
        panel.set_outfit(replace(panel.outfit, words="navy linen shirt", engine=engine, steps=2))
        outcomes = []
        for _ in range(2 if engine == "sd15" else 1):
            with qtbot.waitSignal(shop.runs.ended, timeout=200_000) as ended:
                shop.run()
            outcomes.append(ended.args[1])
        assert all(isinstance(end, Finished) for end in outcomes), outcomes
        assert {end.answer.about["engine"] for end in outcomes} == {engine}
        assert all(end.answer.about["outside_mask_changed_pixels"] == 0 for end in outcomes)
