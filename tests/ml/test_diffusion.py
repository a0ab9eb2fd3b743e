"""sd15 and sdxl with small random weights in the published layout: what caches, seeds, plans and a cancel promise."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest

from outfitswap_desktop.core import pipeline
from outfitswap_desktop.core.job import CancelToken, SwapRequest, Wishes
from outfitswap_desktop.core.photo import Photo
from outfitswap_desktop.core.steps import GenerationRequest, Steps
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import Cancelled, NotAvailable
from outfitswap_desktop.ml.device import cpu
from outfitswap_desktop.ml.diffusion.conditions import Control, ImagePrompt, Options, Resident, Smallest
from outfitswap_desktop.ml.diffusion.generator import DiffusionGenerator
from outfitswap_desktop.ml.recipes import Fast, recipes
from tests.fakes import FakeSegmenter
from tests.ml import tiny

FAMILIES = ("sd15", "sdxl")
pytestmark = pytest.mark.xdist_group("diffusion")


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    tiny.write_sd15(root / "sd15")
    tiny.write_sdxl(root / "sdxl")
    tiny.write_lcm(root / "lcm-sd15", root / "sd15")
    return tiny.FolderStore(root)


def recipe(name, **changes):
    small = {"buckets": ((64, 64), (64, 128)), "max_pixels": 64 * 128, "steps": 3, "fast": Fast(2, 1.0, f"lcm-{name}")}
    return dataclasses.replace(recipes()[name], **{**small, **changes})


def made(store, name, *, changes=None, **others):
    return DiffusionGenerator(recipe(name, **(changes or {})), store, negative="blurry", device=cpu(), **others)


def request(**changes):
    image = np.random.default_rng(0).integers(0, 255, (90, 100, 3), dtype=np.uint8)
    alpha = np.zeros((90, 100), np.uint8)
    alpha[20:60, 30:70] = 255
    given = {"image": image, "alpha": alpha, "zone": Zone.TOP, "prompt": "navy linen shirt", "seed": 4}
    return GenerationRequest(**{**given, **changes})


def paint(generator, asked, *, report=lambda done: None, cancel=None):
    return generator.generate(asked, report=report, cancel=cancel or CancelToken())


@pytest.fixture(scope="module", params=FAMILIES)
def warm(request, store):
    generator = made(store, request.param)
    yield generator
    generator.close()


def test_a_second_outfit_encodes_its_own_words_alone(warm):
    asked = request()
    first = paint(warm, asked)
    assert first.image.shape == asked.image.shape
    assert first.plan["weights"] == {warm.name: first.plan["weights"][warm.name]}
    assert first.plan["weights"][warm.name].startswith("0123456789abcdef+")
    before = dataclasses.replace(warm.counters)
    again = paint(warm, asked)
    assert np.array_equal(first.image, again.image)
    assert first.plan == again.plan
    other = paint(warm, dataclasses.replace(asked, prompt="red dress"))
    assert not np.array_equal(first.image, other.image)
    assert not np.array_equal(first.image, paint(warm, dataclasses.replace(asked, seed=5)).image)
    after = warm.counters
    assert after.text_encodes - before.text_encodes == 1
    assert (after.latent_encodes, after.loads, after.load_seconds) == (
        before.latent_encodes,
        before.loads,
        before.load_seconds,
    )


def test_variations_are_painted_in_one_batch_and_handed_out(warm):
    asked = request(wishes=Wishes(seeds=(7, 8, 9)), seed=8)
    before = warm.counters.passes
    pictures = {seed: paint(warm, dataclasses.replace(asked, seed=seed)) for seed in (8, 7, 9, 8)}
    steps = pictures[8].plan["steps"]
    assert warm.counters.passes - before == steps
    assert pictures[7].plan["batch"] == 3
    assert len({picture.image.tobytes() for picture in pictures.values()}) == 3
    alone = paint(warm, dataclasses.replace(asked, wishes=Wishes()))
    difference = np.abs(alone.image.astype(int) - pictures[8].image.astype(int))
    assert difference.max() <= 2  # the same noise; sums in another order


def test_modes_spend_guidance_and_steps_as_the_recipe_says(warm):
    balanced = paint(warm, request(steps=10, wishes=Wishes(mode="balanced", strength=1.0)))
    assert (balanced.plan["steps"], balanced.plan["guided_steps"]) == (10, 6)
    whole = paint(warm, request(steps=10, wishes=Wishes(strength=0.5, guidance=3.0)))
    assert (whole.plan["steps"], whole.plan["guided_steps"], whole.plan["guidance"]) == (5, 5, 3.0)
    assert not np.array_equal(balanced.image, whole.image)
    if warm.name == "sdxl":
        with pytest.raises(NotAvailable) as caught:
            paint(warm, request(wishes=Wishes(mode="fast")))
        assert caught.value.reason == "weights_missing"
        return
    before = paint(warm, request())
    lora = warm._store.root / "lcm-sd15" / "pytorch_lora_weights.safetensors"
    whole = lora.read_bytes()
    lora.write_bytes(whole.replace(b"lora_unet_mid_block", b"lora_unet_odd_block"))
    with pytest.raises(NotAvailable) as caught:
        paint(warm, request(wishes=Wishes(mode="fast")))
    assert caught.value.reason == "weights_damaged"
    lora.write_bytes(whole)
    fast = paint(warm, request(wishes=Wishes(mode="fast")))
    assert (fast.plan["steps"], fast.plan["guided_steps"], fast.plan["sampler"]) == (2, 0, "lcm")
    assert set(fast.plan["weights"]) == {"sd15", "lcm-sd15"}
    assert np.array_equal(before.image, paint(warm, request()).image)  # the few-step weights are out again, exactly


class Stop(CancelToken):
    """Asks for a cancel from within the job."""

    def __init__(self, after):
        super().__init__()
        self.seen, self.after = [], after

    def report(self, done):
        self.seen.append(done)
        if len(self.seen) > self.after:
            self.set()


@pytest.mark.parametrize("name", FAMILIES)
def test_cancel_ends_within_one_step_and_memory_returns(store, name):
    generator = made(store, name)
    stop = Stop(2)
    with pytest.raises(Cancelled):
        paint(generator, request(steps=30, wishes=Wishes(strength=1.0)), report=stop.report, cancel=stop)
    assert len(stop.seen) == 3  # before the loop, and after two of thirty steps
    assert paint(generator, request()).image.any()
    assert generator.counters.loads == 1
    bundle = generator._residence.bundle()
    parts = [weakref.ref(part) for part in (bundle.unet, bundle.vae, *bundle.text_encoders)]
    weights = weakref.ref(bundle.unet.conv_in.weight)
    del bundle
    generator.close()
    gc.collect()
    assert [part() for part in parts] == [None] * len(parts)
    assert weights() is None
    assert paint(generator, request()).image.any()
    assert generator.counters.loads == 2


class Choking:
    """Raises what torch raises when the memory is used up, for the first `times` passes; nothing else is changed."""

    def __init__(self, times):
        self.times = times

    def wrap(self, forward, *, module, shape):
        import torch

        def choked(*inputs):
            if self.times > 0:
                self.times -= 1
                raise torch.OutOfMemoryError("CUDA out of memory")
            return forward(*inputs)

        return choked

    def forget(self, module):
        return None

    def around(self, recipe, *, device, mode):
        from contextlib import nullcontext

        return nullcontext()

    def state(self):
        return {"compiled": "no", "compiles": 0}


def test_used_up_memory_is_tried_once_more_with_less(store):
    generator = made(store, "sd15", accelerator=Choking(1), changes={"buckets": ((64, 64), (128, 128))})
    asked = request(wishes=Wishes(seeds=(1, 4)))
    found = paint(generator, asked)
    assert generator.counters.retries == 1
    assert (found.plan["size"], found.plan["batch"], found.plan["tiled"]) == ([64, 64], 1, True)
    assert found.plan["offload"] == ["text", "unet"]
    assert any(note.startswith("The memory ran out") for note in found.notes)
    generator = made(store, "sd15", accelerator=Choking(2))
    with pytest.raises(NotAvailable) as caught:
        paint(generator, request())
    assert caught.value.reason == "out_of_gpu_memory"
    assert generator._residence._bundle is None


def test_the_plan_is_asked_for_and_kept(store):
    asked = []

    def planner(recipe, size, batch, *, options, device, vae_dtype):
        asked.append((recipe.name, size, batch, options, device.kind))
        return dataclasses.replace(Smallest(), batch=2, note="")

    generator = made(store, "sd15", planner=planner)
    wishes = Wishes(seeds=(1, 2, 3))
    found = [paint(generator, request(wishes=wishes, seed=seed)) for seed in (1, 2, 3)]
    assert asked[0] == ("sd15", (64, 64), 3, Options(True, 0, False), "cpu")
    assert [picture.plan["batch"] for picture in found] == [2, 2, 1]
    assert found[0].plan["tiled"]
    roomy = made(store, "sd15", planner=lambda *given, **named: Resident(1))
    assert not paint(roomy, request()).plan["tiled"]


class Scripted:
    """A source of conditions that are given."""

    def __init__(self, controls=(), picture=None, notes=()):
        self.given = tuple(controls), picture, tuple(notes)

    def controls(self, recipe, request):
        return self.given[0], self.given[2]

    def image_prompt(self, recipe, request):
        return self.given[1]

    def key(self, request):
        return b"same"

    def close(self):
        self.closed = True


@pytest.mark.parametrize("name", FAMILIES)
def test_controls_and_a_garment_picture_steer_what_is_painted(store, tmp_path, name):
    import torch

    plain = paint(made(store, name), request())
    net = tiny.controlnet(tiny.SD15_UNET if name == "sd15" else tiny.SDXL_UNET)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    control = Control("pose", net, image, 0.8, 0.0, 1.0)
    unet = made(store, name)._residence.bundle().unet
    adapter = tiny.write_ip_adapter(tmp_path / "adapter.safetensors", unet)
    embeds = torch.randn(2, 5, 48, generator=torch.Generator().manual_seed(2))
    picture = ImagePrompt(adapter, embeds, 0.7)
    source = Scripted((control,), picture, ("No depth.",))
    generator = made(store, name, controls=source)
    steered = paint(generator, request())
    assert np.abs(steered.image.astype(int) - plain.image.astype(int)).max() > 8
    assert steered.notes[0] == "No depth."
    assert "processor" in steered.notes[1]
    assert steered.plan["controls"] == [{"name": "pose", "weight": 0.8, "start": 0.0, "end": 1.0}]
    assert steered.plan["garment"] == {"adapter": "adapter.safetensors", "weight": 0.7}
    assert np.array_equal(steered.image, paint(generator, request()).image)
    assert generator.counters.image_encodes == 1
    generator.close()
    assert source.closed
    never = dataclasses.replace(control, start=0.9, end=0.95)
    silent = Scripted((never, dataclasses.replace(control, weight=0.0)), dataclasses.replace(picture, weight=0.0))
    unsteered = paint(made(store, name, controls=silent), request())
    assert np.abs(unsteered.image.astype(int) - plain.image.astype(int)).max() <= 1


def swap(generator, seed):
    pixels = np.random.default_rng(1).integers(0, 255, (400, 300, 3), dtype=np.uint8)
    return pixels, pipeline.run(
        SwapRequest(photo="photo.png", output="out.png", prompt="a navy linen shirt", zone=Zone.TOP, seed=seed),
        pipeline.Sources(Photo(pixels, "PNG", "0" * 64)),
        steps=Steps(FakeSegmenter(), generator),
        approve=lambda plan: plan,
        report=lambda progress: None,
        cancel=CancelToken(),
    )


def test_nothing_outside_the_mask_changes_in_a_whole_swap(warm):
    pixels, first = swap(warm, 3)
    assert first.measured.outside_mask_changed_pixels == 0
    assert np.array_equal(first.image[first.mask == 0], pixels[first.mask == 0])
    assert np.count_nonzero((first.image != pixels).any(axis=2)) > 0.8 * np.count_nonzero(first.mask)
    assert first.plan["engine"] == warm.name
    assert np.array_equal(first.image, swap(warm, 3)[1].image)
    assert not np.array_equal(first.image, swap(warm, 4)[1].image)


def test_damaged_weights_are_named(store, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(store.root / "sd15", tmp_path / "sd15")
    file = tmp_path / "sd15/unet/diffusion_pytorch_model.fp16.safetensors"
    state = load_file(file)
    state.pop("conv_out.bias")
    save_file(state, file)
    generator = made(tiny.FolderStore(tmp_path), "sd15")
    with pytest.raises(NotAvailable) as caught:
        paint(generator, request())
    assert caught.value.reason == "weights_damaged"
    assert generator._residence._bundle is None
    with pytest.raises(NotAvailable) as caught:
        paint(made(tiny.FolderStore(tmp_path), "sdxl"), request())
    assert caught.value.reason == "weights_missing"


def test_a_decode_that_overflows_is_done_again_in_single_precision(store):
    import torch

    generator = made(store, "sd15")
    vae = generator._residence.bundle().vae.half()
    with torch.no_grad():
        vae.decoder.conv_in.weight.mul_(3e4)  # over 65504 in its sums; a norm follows
    found = paint(generator, request())
    assert vae.dtype == torch.float32
    assert np.array_equal(found.image, paint(generator, request()).image)
    with torch.no_grad():
        vae.decoder.conv_in.weight.fill_(float("nan"))
    with pytest.raises(NotAvailable) as caught:
        paint(generator, request())
    assert caught.value.reason == "not_a_number"


@pytest.mark.gpu
def test_half_precision_on_a_card_paints_the_same_twice(store):
    from outfitswap_desktop.ml.device import find_device

    generator = DiffusionGenerator(recipe("sd15"), store, negative="blurry", device=find_device())
    first = paint(generator, request(wishes=Wishes(mode="balanced")))
    assert first.plan["precision"] == "float16"
    assert np.array_equal(first.image, paint(generator, request(wishes=Wishes(mode="balanced"))).image)
    generator.close()
