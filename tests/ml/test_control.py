"""Conditions of the unet engines out of tiny weights in their published layouts: what is made, and what is not made twice."""

import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from outfitswap_desktop.core.job import Wishes
from outfitswap_desktop.core.regions import JOINTS, BodyAxis, BodyPose
from outfitswap_desktop.core.steps import GenerationRequest
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.control.conditions import ADAPTERS, Controls
from outfitswap_desktop.ml.control.depth import DepthEstimator, filled, without_garment
from outfitswap_desktop.ml.control.garment import squared
from outfitswap_desktop.ml.recipes import recipes
from tests.ml.tiny import SD15_UNET, FolderStore, write_sd15
from tests.ml.tiny_control import (
    CELLS,
    ENCODER_WIDTH,
    UNETS,
    write_adapter,
    write_controlnet,
    write_depth,
    write_dwpose,
)

HEIGHT, WIDTH = 192, 128
SPOTS = {
    "nose": (64, 20),
    "neck": (64, 45),
    "right_shoulder": (45, 45),
    "left_shoulder": (83, 45),
    "right_hip": (52, 100),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """All weights of this room's, in folders by id; tests take what they want of them."""
    root = tmp_path_factory.mktemp("weights")
    write_controlnet(root / "controlnet-pose-sd15", "sd15", half=True)
    write_controlnet(root / "controlnet-pose-sdxl", "sdxl")
    write_controlnet(root / "controlnet-depth-sd15", "sd15", seed=12)
    write_depth(root / "depth-anything-small")
    for name in UNETS:
        write_adapter(root / f"ip-adapter-{name}", name)
    write_dwpose(root / "dwpose", [(8, 4, CELLS - 8, CELLS - 4, 0.9)])
    return root


def store_of(weights, tmp_path, *ids) -> FolderStore:
    for weights_id in ids:
        shutil.copytree(weights / weights_id, tmp_path / weights_id)
    return FolderStore(tmp_path)


def source(store) -> Controls:
    return Controls(store, device="cpu", dtype="float32")


def request(seed=0, **changes) -> GenerationRequest:
    noise = np.random.default_rng(seed)
    image = noise.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[40:150, 30:100] = 255
    cut = np.zeros_like(alpha)
    cut[45:140, 35:95] = 255
    pose = BodyPose(tuple((*SPOTS.get(name, (0, 0)), 0.9 if name in SPOTS else 0.0) for name in JOINTS))
    made = GenerationRequest(image, alpha, Zone.TOP, "navy linen shirt", pose=pose, cut=cut)
    return dataclasses.replace(made, **changes)


def picture(seed=5) -> np.ndarray:
    garment = np.full((150, 100, 3), 240, np.uint8)
    garment[30:110, 20:80] = np.random.default_rng(seed).integers(0, 200, (80, 60, 3), dtype=np.uint8)
    return garment


def residuals(control, unet_config, rows=1):
    import torch

    extra = None
    if "addition_embed_type" in unet_config:
        extra = {"text_embeds": torch.zeros(rows, 40), "time_ids": torch.zeros(rows, 6)}
    latents = torch.zeros(rows, 4, HEIGHT // 8, WIDTH // 8)
    words = torch.zeros(rows, 7, unet_config["cross_attention_dim"])
    with torch.no_grad():
        down, middle = control.net(
            latents, 10, words, controlnet_cond=control.image, added_cond_kwargs=extra, return_dict=False
        )
    return [*down, middle]


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_the_pose_becomes_a_map_that_its_net_takes(weights, tmp_path, name):
    import torch

    made, notes = source(store_of(weights, tmp_path, f"controlnet-pose-{name}")).controls(recipes()[name], request())
    assert notes == ()
    (control,) = made
    assert (control.name, control.weight, control.start) == ("pose", recipes()[name].pose_weight, 0.0)
    assert 0.6 <= control.end <= 0.8
    assert control.image.shape == (1, 3, HEIGHT, WIDTH)
    assert control.image.dtype is torch.float32
    assert 0.0 <= control.image.min() < control.image.max() <= 1.0
    assert control.image[0, :, 45, 55].tolist() == pytest.approx([0.6, 0, 0], abs=0.01)  # neck to right shoulder
    assert all(torch.isfinite(one).all() for one in residuals(control, UNETS[name]))
    assert not control.net.training
    assert not any(parameter.requires_grad for parameter in control.net.parameters())


def test_a_second_outfit_on_the_same_pose_costs_nothing(weights, tmp_path):
    ids = ("controlnet-pose-sd15", "controlnet-depth-sd15", "depth-anything-small", "ip-adapter-sd15", "dwpose")
    made = source(store_of(weights, tmp_path, *ids))
    wishes = Wishes(pose=0.5, depth=0.3, garment_weight=0.8)
    recipe = recipes()["sd15"]
    first = request(wishes=wishes, garment=picture())
    controls, _ = made.controls(recipe, first)
    prompt = made.image_prompt(recipe, first)
    done = dataclasses.replace(made.counters)
    assert (done.loads, done.pose_finds, done.pose_maps, done.depth_maps, done.garment_encodes) == (5, 1, 1, 1, 1)
    other = dataclasses.replace(
        first, prompt="red dress", seed=7, garment=first.garment.copy(), image=first.image.copy()
    )
    again, _ = made.controls(recipe, other)
    assert made.image_prompt(recipe, other).embeds is prompt.embeds
    assert made.counters == done
    assert [one.net for one in again] == [one.net for one in controls]
    assert all(one.image is two.image for one, two in zip(again, controls, strict=True))
    assert [one.weight for one in controls] == [0.5, 0.3]
    made.image_prompt(recipe, dataclasses.replace(other, garment=picture(6)))
    assert made.counters.garment_encodes == 2
    made.controls(recipe, request(1, wishes=wishes))
    assert (made.counters.loads, made.counters.depth_maps) == (5, 2)
    made.close()
    made.controls(recipe, first)
    assert made.counters.loads > 5


def test_the_engine_follows_all_of_them_and_makes_nothing_twice(weights, tmp_path):
    from outfitswap_desktop.core.job import CancelToken
    from outfitswap_desktop.ml.device import cpu
    from outfitswap_desktop.ml.diffusion.generator import DiffusionGenerator

    ids = ("controlnet-pose-sd15", "controlnet-depth-sd15", "depth-anything-small", "ip-adapter-sd15")
    store = store_of(weights, tmp_path, *ids)
    write_sd15(tmp_path / "sd15")
    recipe = dataclasses.replace(recipes()["sd15"], buckets=((WIDTH, HEIGHT),), max_pixels=WIDTH * HEIGHT, steps=3)
    made = source(store)
    engine = DiffusionGenerator(recipe, store, negative="blurry", device=cpu(), controls=made)
    first = request(wishes=Wishes(depth=0.4), garment=picture())

    def paint(asked):
        return engine.generate(asked, report=lambda _: None, cancel=CancelToken())

    followed = paint(first)
    assert [one["name"] for one in followed.plan["controls"]] == ["pose", "depth"]
    assert followed.plan["garment"]["weight"] == recipe.garment_weight
    done = dataclasses.replace(made.counters)
    assert (done.pose_maps, done.depth_maps, done.garment_encodes) == (1, 1, 1)
    second = paint(dataclasses.replace(first, prompt="red dress", garment=first.garment.copy()))
    assert made.counters == done
    assert not np.array_equal(second.image, followed.image)
    assert np.array_equal(paint(first).image, followed.image)
    free = paint(dataclasses.replace(first, wishes=Wishes(pose=0.0, garment_weight=0.0)))
    assert free.plan["controls"] == []
    assert not np.array_equal(free.image, followed.image)
    engine.close()


def test_equal_keys_mean_equal_conditions():
    made = source(FolderStore(None))
    base = request(garment=picture())
    same = dataclasses.replace(base, prompt="red dress", seed=9, steps=3, image=base.image.copy())
    assert made.key(same) == made.key(base)
    trunk = BodyAxis("trunk", (1.0, 2.0), (3.0, 4.0), 5.0)
    moved = BodyPose(((1.0, 2.0, 0.5), *base.pose.joints[1:]))
    changes = (
        {"pose": moved}, {"pose": None}, {"axes": (trunk,)}, {"cut": None}, {"garment": None}, {"garment": picture(6)},
        {"image": 255 - base.image}, {"alpha": 255 - base.alpha}, {"wishes": Wishes(pose=0.1)},
    )  # fmt: skip
    keys = [made.key(base), *(made.key(dataclasses.replace(base, **change)) for change in changes)]
    assert len(set(keys)) == len(keys)


def test_missing_weights_are_said_and_asked_for_ones_refused(tmp_path):
    made = source(FolderStore(tmp_path))
    recipe = recipes()["sd15"]
    controls, notes = made.controls(recipe, request(garment=picture()))
    assert controls == ()
    assert len(notes) == 2
    assert "controlnet-pose-sd15" in notes[0]
    assert "ip-adapter-sd15" in notes[1]
    assert made.image_prompt(recipe, request(garment=picture())) is None
    for wishes in (Wishes(pose=0.5), Wishes(depth=0.5)):
        with pytest.raises(NotAvailable) as caught:
            made.controls(recipe, request(wishes=wishes))
        assert caught.value.reason == "weights_missing"
    with pytest.raises(NotAvailable):
        made.image_prompt(recipe, request(garment=picture(), wishes=Wishes(garment_weight=0.5)))
    off = request(wishes=Wishes(pose=0.0, depth=0.0, garment_weight=0.0), garment=picture())
    assert made.controls(recipe, off) == ((), ())
    assert made.image_prompt(recipe, off) is None
    assert made.controls(recipes()["klein"], request(wishes=Wishes(pose=0.5))) == ((), ())
    assert made.counters.loads == 0


def test_damaged_weights_are_said_or_refused_in_one_sentence(weights, tmp_path):
    store = store_of(weights, tmp_path, "controlnet-pose-sd15")
    file = next((tmp_path / "controlnet-pose-sd15").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    made = source(store)
    controls, (note,) = made.controls(recipes()["sd15"], request())
    assert controls == ()
    assert "controlnet-pose-sd15" in note
    with pytest.raises(NotAvailable) as caught:
        made.controls(recipes()["sd15"], request(wishes=Wishes(pose=0.5)))
    assert "models verify" in caught.value.hint
    assert made.counters.loads == 0


def test_no_pickle_is_ever_loaded(weights, tmp_path):
    import torch

    store = store_of(weights, tmp_path, "controlnet-pose-sdxl")
    folder = tmp_path / "controlnet-pose-sdxl"
    from safetensors.torch import load_file

    file = folder / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(file), folder / "diffusion_pytorch_model.bin")
    file.unlink()
    controls, (note,) = source(store).controls(recipes()["sdxl"], request())
    assert controls == ()
    assert "left out" in note


def test_a_pose_of_too_few_joints_is_left_out(weights, tmp_path):
    made = source(store_of(weights, tmp_path, "controlnet-pose-sd15"))
    hidden = BodyPose(tuple((10.0, 10.0, 0.0) for _ in JOINTS))
    for pose in (None, hidden):
        controls, (note,) = made.controls(recipes()["sd15"], request(pose=pose))
        assert controls == ()
        assert "too little of a body" in note
    assert made.counters.pose_maps == 0


def test_dwpose_goes_before_the_embedded_pose_and_gives_way_when_it_is_broken(weights, tmp_path):
    recipe = recipes()["sd15"]
    store = store_of(weights, tmp_path, "controlnet-pose-sd15", "dwpose")
    image = np.full((HEIGHT, WIDTH, 3), 10, np.uint8)
    image[70:80, 60:70] = 255
    made = source(store)
    (control,), notes = made.controls(recipe, request(image=image, pose=None))
    assert notes == ()
    assert made.counters.pose_finds == 1
    place = control.image[0].amax(dim=0).nonzero().float().mean(dim=0)
    assert place.tolist() == pytest.approx(
        [75, 65], abs=8
    )  # all of the tiny network's points lie on the brightest place
    (tmp_path / "dwpose" / "yolox_l.onnx").write_bytes(b"nothing")
    broken = source(store)
    (control,), (note,) = broken.controls(recipe, request())
    assert control.image[0, 0, 45, 55] > 0.5
    assert "embedded pose" in note


def test_depth_is_the_librarys_and_the_garments_place_is_filled(weights, tmp_path):
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    image = request().image
    near = DepthEstimator(weights / "depth-anything-small", device="cpu", dtype=torch.float32).depth(image)
    assert near.shape == (HEIGHT, WIDTH)
    assert near.min() == 0.0
    assert near.max() == 1.0
    network = AutoModelForDepthEstimation.from_pretrained(weights / "depth-anything-small")
    sizer = AutoImageProcessor.from_pretrained(weights / "depth-anything-small")
    with torch.no_grad():
        answer = network(**sizer(images=Image.fromarray(image), return_tensors="pt"))
    theirs = sizer.post_process_depth_estimation(answer, target_sizes=[(HEIGHT, WIDTH)])[0]["predicted_depth"].numpy()
    theirs = (theirs - theirs.min()) / (theirs.max() - theirs.min())
    assert np.corrcoef(theirs.ravel(), near.ravel())[0, 1] > 0.97  # they enlarge with a cubic
    store = store_of(weights, tmp_path, "controlnet-depth-sd15", "depth-anything-small")
    (control,), notes = source(store).controls(recipes()["sd15"], request(wishes=Wishes(pose=0, depth=0.3)))
    assert notes == ()
    assert (control.name, control.weight) == ("depth", 0.3)
    assert control.end <= 0.6
    got = control.image[0, 0].numpy()
    assert np.array_equal(got, control.image[0, 2].numpy())
    inside, outside = (slice(60, 130), slice(45, 85)), (slice(160, 190), slice(0, 128))
    assert np.allclose(got[outside], near[outside], atol=1e-6)
    assert got[inside].std() < 0.6 * near[inside].std()
    assert all(torch.isfinite(one).all() for one in residuals(control, SD15_UNET))


def test_filling_keeps_what_is_seen_and_runs_smoothly_through_the_rest():
    ramp = np.tile(np.linspace(0, 1, 90, dtype=np.float32), (120, 1))
    hidden = np.zeros((120, 90), np.uint8)
    hidden[30:90, 30:60] = 255
    bumpy = ramp.copy()
    bumpy[30:90, 30:60] = 5.0
    flat = filled(bumpy, hidden)
    assert np.array_equal(flat[hidden == 0], ramp[hidden == 0])
    assert np.abs(flat - ramp)[hidden > 0].max() < 0.15
    assert not filled(bumpy, np.full((120, 90), 255, np.uint8)).any()
    assert np.array_equal(filled(ramp, np.zeros((120, 90), np.uint8)), ramp)
    rim = without_garment(bumpy, hidden)
    assert rim[28, 45] != ramp[28, 45]
    assert rim[20, 45] == ramp[20, 45]


def test_where_the_body_goes_on_below_the_garment_it_is_filled_in_without_the_cut():
    near = np.full((160, 120), 0.1, np.float32)
    garment = np.zeros((160, 120), np.uint8)
    garment[30:130, 20:100] = 255  # a wide coat
    near[garment > 0] = 0.8
    near[10:30, 50:70] = 0.8  # the head
    trunk = BodyAxis("trunk", (60.0, 30.0), (60.0, 130.0), 18.0)
    filled_in = without_garment(near, garment, axes=(trunk,))
    assert filled_in[80, 60] == pytest.approx(0.8, abs=0.05)
    assert filled_in[80, 25] < 0.3
    assert filled_in[80, 95] < 0.3
    assert np.array_equal(filled_in[140:], near[140:])
    steps = np.abs(np.diff(filled_in[80]))
    assert steps.max() < 0.3  # no outline as sharp as the garment's was
    without = without_garment(near, garment)
    assert without[110, 60] < 0.4


def test_the_garment_is_encoded_as_diffusers_does_it_and_its_adapter_fits(weights, tmp_path):
    import torch
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from PIL import Image
    from safetensors.torch import load_file
    from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

    recipe = recipes()["sd15"]
    garment = picture()
    made = source(store_of(weights, tmp_path, "ip-adapter-sd15", "ip-adapter-sdxl"))
    prompt = made.image_prompt(recipe, request(garment=garment))
    assert prompt.weight == recipe.garment_weight
    assert prompt.embeds.shape == (2, 17, ENCODER_WIDTH)
    folder = tmp_path / "ip-adapter-sd15" / "models" / "image_encoder"
    pipeline = SimpleNamespace(
        image_encoder=CLIPVisionModelWithProjection.from_pretrained(folder),
        feature_extractor=CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32),
    )
    with torch.no_grad():
        theirs, nothing = StableDiffusionPipeline.encode_image(
            pipeline, Image.fromarray(squared(garment)), "cpu", 1, output_hidden_states=True
        )
    assert torch.allclose(prompt.embeds[0], nothing[0], atol=1e-5)
    assert torch.allclose(prompt.embeds[1], theirs[0], atol=1e-5)
    assert prompt.adapter == tmp_path / "ip-adapter-sd15" / ADAPTERS["sd15"]
    state = load_file(prompt.adapter)
    parts = {
        head: {key.removeprefix(f"{head}."): value for key, value in state.items() if key.startswith(f"{head}.")}
        for head in ("image_proj", "ip_adapter")
    }
    unet = UNet2DConditionModel(**SD15_UNET)
    unet._load_ip_adapter_weights([parts])
    with torch.no_grad():
        tokens = unet.encoder_hid_proj([prompt.embeds[:, None]])[0]
    assert tokens.shape[-1] == SD15_UNET["cross_attention_dim"]
    made.image_prompt(recipes()["sdxl"], request(garment=garment))
    assert made.counters.loads == 1  # both adapters have the same image encoder
    assert made.counters.garment_encodes == 1


def test_a_garment_is_cut_and_filled_up_never_squashed():
    garment = picture()
    square = squared(garment)
    assert square.shape[0] == square.shape[1] < 150
    assert (square[0] == 240).all()
    where = (square < 230).any(axis=2)
    rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
    assert (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1) == (80, 60)
    assert np.array_equal(square[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], garment[30:110, 20:80])
    busy = np.random.default_rng(1).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    square = squared(busy)
    assert square.shape == (90, 90, 3)
    assert np.array_equal(square[15:75], busy)
    plain = np.full((40, 20, 3), 30, np.uint8)
    assert np.array_equal(squared(plain), np.full((40, 40, 3), 30, np.uint8))


@pytest.mark.gpu
def test_conditions_live_on_the_card_and_the_image_encoder_leaves_it(weights, tmp_path):
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    ids = ("controlnet-pose-sd15", "controlnet-depth-sd15", "depth-anything-small", "ip-adapter-sd15")
    made = Controls(store_of(weights, tmp_path, *ids), device="cuda", dtype="float16")
    asked = request(wishes=Wishes(pose=0.5, depth=0.3), garment=picture())
    controls, _ = made.controls(recipes()["sd15"], asked)
    prompt = made.image_prompt(recipes()["sd15"], asked)
    for tensor in (*(one.image for one in controls), prompt.embeds):
        assert tensor.is_cuda
        assert tensor.dtype is torch.float16
    encoder = next(value for key, value in made._networks.items() if key.startswith("image-encoder"))
    assert next(encoder._network.parameters()).device.type == "cpu"
