"""FLUX.2-klein and Qwen-Image-Edit through StockGenerator: the real pipelines with small random weights, on the processor."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from outfitswap_desktop.core import pipeline
from outfitswap_desktop.core.job import CancelToken, SwapRequest, Wishes
from outfitswap_desktop.core.photo import Photo
from outfitswap_desktop.core.steps import GenerationRequest, Steps
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import Cancelled, NotAvailable
from outfitswap_desktop.ml.device import cpu
from outfitswap_desktop.ml.diffusion import stock_crop
from outfitswap_desktop.ml.diffusion.conditions import Resident, Smallest, all_resident
from outfitswap_desktop.ml.diffusion.stock import StockGenerator, out_of_memory
from outfitswap_desktop.ml.recipes import recipes
from tests.fakes import FakeSegmenter, box_mask
from tests.ml.tiny import FolderStore
from tests.ml.tiny_stock import write_klein, write_lightning, write_qwen

PIXELS = 96 * 128
ENGINES = ("klein", "qwen")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    write_klein(root / "klein")
    write_qwen(root / "qwen")
    write_lightning(root / "qwen-lightning")
    return FolderStore(root)


def small(name):
    """The recipe at a size and a number of steps that take no time."""
    recipe = recipes()[name]
    return replace(recipe, max_pixels=PIXELS, steps=min(recipe.steps, 4))


def made(name, store, **changes):
    return StockGenerator(
        small(name), store, negative="blurry", device=cpu(), planner=changes.pop("planner", all_resident), **changes
    )


@pytest.fixture(scope="module")
def engines(store):
    """One generator of each kind for the tests that leave it as it was."""
    return {name: made(name, store) for name in ENGINES}


def picture(seed, height=128, width=96):
    """A soft picture in which no two places are alike."""
    noise = np.random.default_rng(seed).integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    return np.kron(noise, np.ones((8, 8, 1), np.uint8))


def asked(seed=1, **changes):
    alpha = box_mask((128, 96), 0.3, 0.3, 0.7, 0.7)
    values = {"image": picture(5), "alpha": alpha, "zone": Zone.TOP, "prompt": "a red linen shirt", "seed": seed}
    return GenerationRequest(**(values | changes))


def paint(generator, request, *, token=None, reports=None):
    reports = [] if reports is None else reports
    return generator.generate(request, report=reports.append, cancel=token or CancelToken())


class CancelAfter:
    """An event that is set once the generator has taken so many steps."""

    def __init__(self, generator, steps):
        self.generator, self.last = generator, generator.counters.passes + steps

    def is_set(self):
        return self.generator.counters.passes >= self.last


# --- what is painted -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("garment", [None, picture(9, 160, 80)], ids=["words", "garment"])
@pytest.mark.parametrize("name", ENGINES)
def test_through_the_pipeline_nothing_outside_the_mask_changes(engines, name, garment):
    photo = picture(3, 400, 304)
    request = SwapRequest(photo="photo.png", output="out.png", prompt="a red linen shirt", zone=Zone.TOP)
    sources = pipeline.Sources(
        Photo(photo, "PNG", "0" * 64), garment=Photo(garment, "PNG", "0" * 64) if garment is not None else None
    )
    reports = []
    result = pipeline.run(
        request, sources, steps=Steps(FakeSegmenter(), engines[name]),
        approve=lambda plan: plan, report=reports.append, cancel=CancelToken(),
    )  # fmt: skip
    assert result.measured.outside_mask_changed_pixels == 0
    assert np.array_equal(result.image[result.mask == 0], photo[result.mask == 0])
    assert (result.image[result.mask > 0] != photo[result.mask > 0]).mean() > 0.5
    assert result.engine == name
    assert result.plan["garment"] is (garment is not None)
    wanted = {"engine", "recipe", "precision", "size", "steps", "guidance", "strength", "mode", "batch", "device"}
    assert wanted | {"weights", "compiled", "tiled", "offload", "controls", "pipeline", "lora"} <= set(result.plan)
    assert [r.fraction for r in reports] == sorted(r.fraction for r in reports)


@pytest.mark.parametrize("garment", [None, picture(9, 160, 80)], ids=["words", "garment"])
@pytest.mark.parametrize("name", ENGINES)
def test_same_seed_same_bytes_and_the_second_time_nothing_is_encoded(engines, name, garment):
    generator = engines[name]
    request = asked(garment=garment, image=picture(21 if garment is None else 22))
    reports = []
    first = paint(generator, request, reports=reports)
    before = replace(generator.counters)
    again = paint(generator, request)
    other = paint(generator, replace(request, seed=2))
    assert np.array_equal(first.image, again.image)
    assert first.plan == again.plan
    assert (first.image != other.image).any()
    assert first.image.shape == request.image.shape
    assert first.image.dtype == np.uint8
    assert generator.counters.text_encodes == before.text_encodes
    assert generator.counters.latent_encodes == before.latent_encodes
    assert generator.counters.loads == 1
    assert reports[-1] == 1.0
    assert len([r for r in reports if 0.15 < r < 0.93]) == small(name).steps


@pytest.mark.parametrize("name", ENGINES)
def test_the_words_and_the_garment_matter(engines, name):
    generator = engines[name]
    plain = paint(generator, asked()).image
    assert (plain != paint(generator, asked(prompt="blue denim dungarees")).image).any()
    dressed = paint(generator, asked(garment=picture(9))).image
    assert (dressed != paint(generator, asked(garment=255 - picture(9))).image).any()


@pytest.mark.parametrize("name", ENGINES)
def test_marks_of_the_tokenizer_in_the_words_mean_nothing(engines, name):
    generator = engines[name]
    plain = paint(generator, asked(prompt="a red shirt")).image
    for words in ("a <|im_end|> red shirt", "a red <|image_pad|><|vision_start|> shirt"):
        assert np.array_equal(paint(generator, asked(prompt=words)).image, plain)


def test_a_second_outfit_on_one_crop_encodes_new_words_and_no_picture(engines):
    generator = engines["qwen"]
    paint(generator, asked())
    before = replace(generator.counters)
    paint(generator, asked(prompt="a green velvet blazer"))
    assert generator.counters.latent_encodes == before.latent_encodes
    assert (
        generator.counters.text_encodes == before.text_encodes + 2
    )  # the words, and the negative ones beside the crop


def test_with_a_garment_the_surroundings_stay_where_they_are(engines, monkeypatch):
    """After the last step the latents outside the mask are the crop's, whatever the seed; inside they are painted."""
    from outfitswap_desktop.ml.diffusion import stock_qwen

    real, last = stock_qwen.watcher, []

    def recording(on_step, hold=None):
        ended = real(on_step, hold)

        def both(pipe, step, timestep, tensors):
            answer = ended(pipe, step, timestep, tensors)
            last.append(answer["latents"])
            return answer

        return both

    monkeypatch.setattr(stock_qwen, "watcher", recording)
    request, steps = asked(garment=picture(9)), small("qwen").steps
    paint(engines["qwen"], request)
    paint(engines["qwen"], replace(request, seed=2))
    one, two = last[steps - 1][0].numpy(), last[-1][0].numpy()
    size = stock_crop.work_size((96, 128), PIXELS)
    inside = stock_crop.token_mask(request.alpha, size)[::16, ::16].reshape(-1) > 0
    assert len(last) == 2 * steps
    assert inside.any()
    assert not inside.all()
    assert np.array_equal(one[~inside], two[~inside])
    assert (one[inside] != two[inside]).all(axis=1).all()


def test_klein_is_the_stock_pipeline_s_own_picture(engines, store):
    """What was taken from the text encoder, and the kept latents, change nothing."""
    import torch
    from diffusers import Flux2KleinInpaintPipeline
    from PIL import Image

    request = asked(garment=picture(9), image=picture(70))
    paint(engines["klein"], request)
    engine = engines["klein"]._engine
    painting = engines["klein"]._order(request, engine, area=1.0).painting
    words = engine.encode(painting)
    stock = Flux2KleinInpaintPipeline.from_pretrained(store.root / "klein", local_files_only=True, dtype=torch.float32)
    with torch.no_grad():
        assert torch.equal(stock.encode_prompt(painting.prompt)[0], words.prompt)
    wanted = stock(
        prompt=painting.prompt, image=Image.fromarray(painting.crop), mask_image=Image.fromarray(painting.mask),
        image_reference=Image.fromarray(painting.garment), strength=1.0, num_inference_steps=4, guidance_scale=1.0,
        generator=torch.Generator().manual_seed(3), output_type="np",
    ).images[0]  # fmt: skip
    made = engine.paint(painting, words, seeds=(3,), on_step=lambda done, of: None)[0]
    assert np.abs(made / 255.0 - wanted).max() <= 0.5 / 255 + 1e-6


def test_qwen_reads_what_the_stock_pipeline_reads(engines, store):
    import torch
    from diffusers import QwenImageEditPlusPipeline
    from PIL import Image

    request = asked(garment=picture(9))
    paint(engines["qwen"], request)
    engine = engines["qwen"]._engine
    painting = engines["qwen"]._order(request, engine, area=1.0).painting
    stock = QwenImageEditPlusPipeline.from_pretrained(store.root / "qwen", local_files_only=True, dtype=torch.float32)
    seen = [Image.fromarray(p).resize((320, 448), Image.Resampling.LANCZOS) for p in (painting.crop, painting.garment)]
    with torch.no_grad():
        wanted = stock.encode_prompt(painting.prompt, image=seen)[0]
    got = engine.encode(painting).prompt
    assert got.shape == wanted.shape
    assert torch.nn.functional.cosine_similarity(got, wanted, dim=-1).min() > 0.99


@pytest.mark.parametrize("garment", [None, picture(9, 160, 80)], ids=["words", "garment"])
@pytest.mark.parametrize("name", ENGINES)
def test_in_half_precision_everything_fits_together(store, name, garment):
    generator = StockGenerator(small(name), store, negative="blurry", device=replace(cpu(), dtype="bfloat16"))
    result = paint(generator, asked(garment=garment, wishes=Wishes(seeds=(1, 2), mode="fast")))
    assert result.plan["precision"] == "bfloat16"
    assert result.image.std() > 5


# --- cancel, memory, loading -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("after", [1, 2])
def test_cancel_ends_within_one_step_and_the_engine_stays_usable(engines, name, after):
    generator = engines[name]
    request = asked(image=picture(30))
    whole = paint(generator, request)
    passes, decodes = generator.counters.passes, generator.counters.decodes
    with pytest.raises(Cancelled):
        paint(generator, request, token=CancelToken(CancelAfter(generator, after)))
    assert generator.counters.passes - passes == after
    assert generator.counters.decodes == decodes
    assert np.array_equal(paint(generator, request).image, whole.image)


def test_a_cancel_before_the_start_loads_nothing(store):
    generator = made("klein", store)
    token = CancelToken()
    token.set()
    with pytest.raises(Cancelled):
        paint(generator, asked(), token=token)
    assert generator.counters.loads == 0


@pytest.mark.parametrize("name", ENGINES)
def test_close_returns_the_memory_and_the_next_request_loads_anew(store, name):
    generator = made(name, store)
    before = paint(generator, asked())
    parts = [getattr(generator._engine, part) for part in ("text", "painter", "vae")]
    assert not any(parameter.requires_grad for part in parts for parameter in part.parameters())
    del parts
    watched = [weakref.ref(getattr(generator._engine, part)) for part in ("text", "painter", "vae")]
    generator.close()
    generator.close()
    gc.collect()
    assert [ref() for ref in watched] == [None, None, None]
    assert np.array_equal(paint(generator, asked()).image, before.image)
    assert generator.counters.loads == 2
    assert generator.counters.load_seconds > 0


@pytest.mark.parametrize("name", ENGINES)
def test_loading_and_painting_never_asks_the_network(store, name, monkeypatch):
    import socket

    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    for call in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, call, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert paint(made(name, store), asked(garment=picture(9))).image.shape == (128, 96, 3)


def test_missing_weights_are_said_and_nothing_stays_half_loaded(tmp_path):
    generator = made("klein", FolderStore(tmp_path))
    with pytest.raises(NotAvailable, match="not installed"):
        paint(generator, asked())
    write_klein(tmp_path / "klein")
    assert paint(generator, asked()).image.shape == (128, 96, 3)


@pytest.mark.parametrize("part", ["transformer", "text_encoder"])
def test_a_pickle_is_never_loaded(tmp_path, part):
    import torch
    from safetensors.torch import load_file

    folder = write_klein(tmp_path / "klein") / part
    (safe,) = folder.glob("*.safetensors")
    plain = "diffusion_pytorch_model.bin" if part == "transformer" else "pytorch_model.bin"
    torch.save(load_file(safe), folder / plain)
    safe.unlink()
    generator = made("klein", FolderStore(tmp_path))
    with pytest.raises(NotAvailable) as problem:
        paint(generator, asked())
    assert problem.value.reason == "weights_damaged"
    assert generator._engine is None


def test_weights_with_other_layers_than_the_library_s_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    (file,) = (write_klein(tmp_path / "klein") / "transformer").glob("*.safetensors")
    tensors = load_file(file)
    tensors["another.weight"] = tensors.pop("proj_out.weight")
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(NotAvailable, match=r"another\.weight"):
        paint(made("klein", FolderStore(tmp_path)), asked())


def test_few_step_weights_for_other_layers_are_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    write_qwen(tmp_path / "qwen")
    (file,) = write_lightning(tmp_path / "qwen-lightning").glob("*.safetensors")
    save_file({key.replace("blocks.0", "blocks.7"): value for key, value in load_file(file).items()}, file)
    with pytest.raises(NotAvailable, match="belongs to no layer"):
        paint(made("qwen", FolderStore(tmp_path)), asked())


# --- variations, modes, wishes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENGINES)
def test_variations_are_painted_in_one_batch_and_handed_out(engines, name):
    generator = engines[name]
    request = asked(image=picture(40), wishes=Wishes(seeds=(7, 8, 9)), seed=7)
    passes = generator.counters.passes
    first = paint(generator, request)
    assert generator.counters.passes - passes == small(name).steps
    rest = [paint(generator, replace(request, seed=seed)) for seed in (8, 9)]
    assert generator.counters.passes - passes == small(name).steps
    assert first.plan["batch"] == 3
    assert {r.plan == first.plan for r in rest} == {True}
    alone = paint(generator, replace(request, wishes=Wishes(), seed=8))
    near = np.abs(alone.image.astype(int) - rest[0].image.astype(int))
    assert near.mean() < 0.5  # the same noise; only rounding differs with the size of the batch
    assert np.abs(alone.image.astype(int) - rest[1].image.astype(int)).mean() > 5 * near.mean()


def test_a_plan_of_one_image_at_a_time_paints_the_variations_one_after_the_other(store):
    def one(recipe, size, batch, *, options, device):
        return Resident(1)

    generator = made("klein", store, planner=one)
    request = asked(wishes=Wishes(seeds=(7, 8)), seed=7)
    first = paint(generator, request)
    assert generator.counters.passes == small("klein").steps
    second = paint(generator, replace(request, seed=8))
    assert generator.counters.passes == 2 * small("klein").steps
    assert first.plan["batch"] == 1
    assert np.array_equal(second.image, paint(generator, replace(request, wishes=Wishes(), seed=8)).image)


def test_lightning_takes_few_steps_without_guidance_and_leaves_the_weights_alone(engines, store):
    generator = engines["qwen"]
    plain = paint(generator, asked())
    passes = generator.counters.passes
    fast = paint(generator, asked(wishes=Wishes(mode="fast")))
    assert generator.counters.passes - passes == recipes()["qwen"].fast.steps
    assert (fast.plan["lora"], fast.plan["guidance"], fast.plan["mode"]) == ("qwen-lightning", 1.0, "fast")
    assert set(fast.plan["weights"]) == {"qwen", "qwen-lightning"}
    same = paint(generator, asked(wishes=Wishes(guidance=1.0)))
    assert (same.image != fast.image).any()
    assert np.array_equal(paint(generator, asked()).image, plain.image)


def test_without_lightning_the_fast_mode_says_so(tmp_path):
    write_qwen(tmp_path / "qwen")
    result = paint(made("qwen", FolderStore(tmp_path)), asked(wishes=Wishes(mode="fast")))
    assert result.plan["steps"] == small("qwen").steps
    assert any("qwen-lightning" in note for note in result.notes)


def test_what_the_engines_cannot_heed_is_said(engines):
    wishes = Wishes(pose=0.5, guidance=5.0, garment_weight=0.5, strength=0.0)
    klein = paint(engines["klein"], asked(wishes=wishes, garment=picture(9)))
    assert len(klein.limits) == 3
    assert klein.plan["guidance"] == 1.0
    assert klein.plan["strength"] == 0.25
    qwen = paint(engines["qwen"], asked(wishes=replace(wishes, mode="balanced"), garment=picture(9)))
    assert any("strength" in limit for limit in qwen.limits)
    assert any("balanced" in note for note in qwen.notes)
    assert (qwen.plan["guidance"], qwen.plan["strength"]) == (5.0, 1.0)


@pytest.mark.parametrize("name", ENGINES)
def test_less_strength_takes_fewer_steps_and_stays_nearer(engines, name):
    generator = engines[name]
    passes = generator.counters.passes
    paint(generator, asked(wishes=Wishes(strength=0.5)))
    assert generator.counters.passes - passes == small(name).steps // 2


def test_a_garment_without_words_is_enough_and_klein_base_is_guided(tmp_path):
    write_klein(tmp_path / "klein", distilled=False)
    generator = made("klein", FolderStore(tmp_path))
    result = paint(generator, asked(prompt="", garment=picture(9), wishes=Wishes(guidance=4.0)))
    assert result.plan["guidance"] == 4.0
    assert generator.counters.text_encodes == 2
    assert (result.image != paint(generator, asked(prompt="", garment=picture(9))).image).any()


# --- memory ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENGINES)
def test_streamed_blocks_and_moved_parts_paint_the_same(engines, store, name):
    def tight(recipe, size, batch, *, options, device):
        return replace(Smallest(), tiled_vae=False)

    generator = made(name, store, planner=tight)
    request = asked(image=picture(50))
    result = paint(generator, request)
    assert (result.plan["offload"], result.plan["streamed"]) == (["text", "unet"], True)
    resident = paint(engines[name], request).image
    assert np.abs(result.image.astype(int) - resident.astype(int)).max() <= 3  # rounding differs
    assert generator._seats.streamed
    generator._seats.clear(generator._engine)
    assert not generator._seats.streamed
    assert np.array_equal(paint(generator, request).image, result.image)


@pytest.mark.parametrize("name", ENGINES)
def test_a_device_that_is_too_small_gets_a_smaller_plan_once_and_then_a_clear_word(store, name, monkeypatch):
    import torch

    generator = made(name, store)
    paint(generator, asked(image=picture(60)))
    real, calls = type(generator._engine).paint, []

    def short(engine, painting, words, **more):
        calls.append(painting.size)
        if len(calls) <= failures:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB")
        return real(engine, painting, words, **more)

    monkeypatch.setattr(type(generator._engine), "paint", short)
    failures = 1
    result = paint(generator, asked(image=picture(61)))
    assert generator.counters.retries == 1
    assert calls[1][0] * calls[1][1] <= 0.6 * calls[0][0] * calls[0][1]
    assert (result.plan["tiled"], result.plan["streamed"], result.plan["size"]) == (True, True, list(calls[1]))
    assert result.image.shape == (128, 96, 3)
    assert Smallest().note in result.notes
    calls.clear()
    failures = 1
    several = asked(image=picture(63), wishes=Wishes(seeds=(1, 2)))
    paint(generator, several)
    paint(generator, replace(several, seed=2))
    assert len(calls) == 3  # the second variation starts with what fits
    assert generator.counters.retries == 2
    calls.clear()
    failures = 2
    with pytest.raises(NotAvailable) as problem:
        paint(generator, asked(image=picture(62)))
    assert problem.value.reason == "out_of_gpu_memory"
    assert problem.value.hint


@pytest.mark.parametrize("name", ENGINES)
def test_the_program_s_own_planner_fits_these_engines(store, name):
    from outfitswap_desktop.ml.budget.planner import plan_memory

    result = paint(made(name, store, planner=plan_memory), asked(garment=picture(9)))
    assert result.plan["predicted_bytes"] > 2**33
    assert any("slowly" in note for note in result.notes)


def test_a_stream_holds_two_blocks_at_most_also_after_a_pass_that_broke_off():
    import torch

    from outfitswap_desktop.ml.diffusion.stock_stream import BlockStream

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.before = torch.nn.Linear(4, 4)
            self.first = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))
            self.second = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(2))

        def forward(self, x, stop=None):
            x = self.before(x)
            for number, block in enumerate((*self.first, *self.second)):
                if number == stop:
                    raise Cancelled()
                x = block(x)
                held.append(stream.on_device)
            return x

    torch.manual_seed(1)
    net, x, held = Net().eval(), torch.ones(1, 4), []
    homes = [parameter.data_ptr() for parameter in net.parameters()]
    stream = BlockStream(net, device="cpu")
    with torch.no_grad():
        streamed = net(x)
        with pytest.raises(Cancelled):
            net(x, stop=2)
        again = net(x)
        assert max(len(h) for h in held) == 1  # after a block: the next one alone
        assert stream.on_device == (0,)
        stream.stop()
        held.clear()
        assert stream.on_device == ()
        assert torch.equal(streamed, again)
        assert torch.equal(streamed, net(x))
    assert [parameter.data_ptr() for parameter in net.parameters()] == homes


@pytest.mark.parametrize("name", ENGINES)
def test_what_was_encoded_in_tiles_is_not_taken_for_the_whole(store, name):
    tiles = [True, False]
    generator = made(name, store, planner=lambda *_, **__: Resident(1, tiled_vae=tiles.pop(0) if tiles else True))
    for _ in range(2):
        paint(generator, asked())
    assert generator.counters.latent_encodes == 2
    paint(generator, asked())
    assert generator.counters.latent_encodes == 2


def test_other_faults_are_no_lack_of_memory():
    import torch

    assert out_of_memory(torch.OutOfMemoryError("x"))
    assert out_of_memory(RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"))
    assert not out_of_memory(RuntimeError("shapes cannot be multiplied"))


def test_numbers_that_overflow_are_said(engines, monkeypatch):
    import torch

    vae = engines["klein"]._engine.vae if engines["klein"]._engine else None
    if vae is None:
        paint(engines["klein"], asked())
        vae = engines["klein"]._engine.vae
    real = vae.decode
    monkeypatch.setattr(vae, "decode", lambda z, **k: (torch.full_like(real(z, **k)[0], float("nan")),))
    with pytest.raises(NotAvailable, match="overflowed"):
        paint(engines["klein"], asked(seed=77))


# --- arithmetic --------------------------------------------------------------------------------------------------------


def test_the_size_to_paint_at():
    random = np.random.default_rng(1)
    for _ in range(300):
        size = tuple(int(s) for s in random.integers(33, 3000, 2))
        most = int(random.integers(90_000, 1_100_000))
        width, height = stock_crop.work_size(size, most)
        assert width % 16 == height % 16 == 0
        assert width * height <= most
        assert width <= 2.0 * size[0] + 16
        if min(width, height) >= 128:
            assert abs(np.log(width / height * size[1] / size[0])) < 0.2
    assert stock_crop.work_size((768, 1024), 1024 * 1024) == (768, 1024)
    assert stock_crop.work_size((400, 400), 1024 * 1024) == (800, 800)
    assert stock_crop.work_size((2048, 2048), 1024 * 1024) == (1024, 1024)


@pytest.mark.parametrize("size", [(96, 128), (48, 64), (192, 256), (112, 112)])
def test_the_mask_covers_every_pixel_that_may_change_in_whole_tokens(size):
    alpha = np.zeros((128, 96), np.uint8)
    alpha[37, 50] = 1
    alpha[90:100, 10:30] = 128
    mask = stock_crop.token_mask(alpha, size)
    assert mask.shape == (size[1], size[0])
    cells = mask.reshape(size[1] // 16, 16, size[0] // 16, 16)
    assert (cells.min(axis=(1, 3)) == cells.max(axis=(1, 3))).all()
    for y, x in np.argwhere(alpha):
        assert mask[int((y + 0.5) * size[1] / 128), int((x + 0.5) * size[0] / 96)] == 255
    assert (mask == 0).any()


# --- on a card ---------------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.parametrize("name", ENGINES)
def test_on_a_card_streamed_and_resident_paint_the_same_and_the_memory_returns(store, name):
    import torch

    from outfitswap_desktop.ml.device import find_device

    def tight(recipe, size, batch, *, options, device):
        return replace(Smallest(), tiled_vae=False)

    device, request = find_device(), asked(garment=picture(9))
    before = torch.cuda.memory_allocated()
    resident = StockGenerator(small(name), store, negative="blurry", device=device)
    streamed = StockGenerator(small(name), store, negative="blurry", device=device, planner=tight)
    near = np.abs(paint(resident, request).image.astype(int) - paint(streamed, request).image.astype(int))
    assert near.max() <= 2
    for generator in (resident, streamed):
        generator.close()
    assert torch.cuda.memory_allocated() <= before + 2**20
