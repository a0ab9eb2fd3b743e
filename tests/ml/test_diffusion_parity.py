"""Our loop, nets, samplers and crops against what they stand for: diffusers' own forward, schedulers and pipelines."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outfitswap_desktop.ml.diffusion.crops import WASTE, choose_bucket
from outfitswap_desktop.ml.diffusion.latents import in_cells
from outfitswap_desktop.ml.recipes import recipes
from tests.ml import tiny
from tests.ml.plain import Pair, plain_pipeline, scheduler

FAMILIES = ("sd15", "sdxl")
TOLERANCE = 1e-5
"""Largest difference as a share of the values' spread: a few roundings of float32."""


@pytest.fixture(scope="module", params=FAMILIES)
def pipe(request, tmp_path_factory):
    family = request.param
    root = tmp_path_factory.mktemp("plain")
    write = {"sd15": tiny.write_sd15, "sdxl": tiny.write_sdxl}[family]
    return family, plain_pipeline(write(root / family), family)


def apart(found, wanted):
    """Largest difference as a share of the spread of `wanted`."""
    return float((found - wanted).abs().max() / wanted.std())


@pytest.mark.parametrize(("sampler", "images"), [("dpmpp_2m_karras", 1), ("euler", 2), ("ddim", 1)])
def test_latents_are_those_of_the_plain_pipeline(pipe, sampler, images):
    family, plain = pipe
    config = plain.scheduler.config
    pair = Pair(plain, family, sampler, images=images)
    steps = 6
    try:
        assert apart(pair.ours(steps), pair.plain(steps)) <= TOLERANCE
    finally:
        plain.scheduler = type(pair.sampled).from_config(config)


@pytest.mark.slow
def test_a_step_takes_less_of_the_host_than_the_plain_pipelines(pipe):
    import statistics

    from tests.benchmarks.denoise import per_step

    family, plain = pipe
    pair = Pair(plain, family, "dpmpp_2m_karras")
    rounds = [(per_step(pair.ours), per_step(pair.plain)) for _ in range(5)]
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    assert ours / theirs <= 0.7


def test_prompts_are_embedded_as_the_plain_pipeline_does(pipe):
    import torch

    from outfitswap_desktop.ml.diffusion.conditions import Counters
    from outfitswap_desktop.ml.diffusion.prompts import Prompts

    family, plain = pipe
    numbers = ("", "_2") if family == "sdxl" else ("",)
    tokenizers = [getattr(plain, f"tokenizer{number}") for number in numbers]
    encoders = [getattr(plain, f"text_encoder{number}") for number in numbers]
    counters = Counters()
    prompts = Prompts(counters)
    long = "wearing " * 90 + "linen"
    found = prompts.embed(("a red dress", "", long), tokenizers=tokenizers, ready=lambda: encoders)
    with torch.inference_mode():
        for text, mine in zip(("a red dress", "", long), found, strict=True):
            theirs = plain.encode_prompt(text, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)
            assert apart(mine.embeds, theirs[0]) <= TOLERANCE
            if family == "sdxl":
                assert apart(mine.pooled, theirs[2]) <= TOLERANCE
    assert [bool(each.lost) for each in found] == [False, False, True]
    assert found[2].lost.endswith("linen")
    prompts.embed(("", "a red dress"), tokenizers=tokenizers, ready=lambda: pytest.fail("encoded twice"))
    assert counters.text_encodes == 3


def test_two_controls_and_an_adapter_add_up_as_in_the_plain_nets(pipe, tmp_path):
    import torch

    from outfitswap_desktop.ml.diffusion import unet as nets
    from outfitswap_desktop.ml.diffusion.loop import forward_of

    family, plain = pipe
    unet = plain.unet
    draw = torch.Generator().manual_seed(3)
    configuration = tiny.SD15_UNET if family == "sd15" else tiny.SDXL_UNET
    controls = [tiny.controlnet(configuration, seed=seed) for seed in (11, 12)]
    file = tiny.write_ip_adapter(tmp_path / "adapter.safetensors", unet)
    from safetensors.torch import load_file

    state = {"image_proj": {}, "ip_adapter": {}}
    for key, tensor in load_file(file).items():
        part, _, name = key.partition(".")
        state[part][name] = tensor
    processors = unet.attn_processors
    x = torch.randn(2, 9, 8, 8, generator=draw)
    words = torch.randn(2, 77, unet.config.cross_attention_dim, generator=draw)
    seen = torch.rand(1, 3, 64, 64, generator=draw)
    embeds = torch.randn(2, 5, 48, generator=draw)
    added = ids = None
    extra = {}
    if family == "sdxl":
        added, ids = torch.randn(2, 40, generator=draw), torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 2)
        extra = {"text_embeds": added, "time_ids": ids}
    try:
        unet._load_ip_adapter_weights([state], low_cpu_mem_usage=False)
        for processor in unet.attn_processors.values():
            if hasattr(processor, "scale"):
                processor.scale = [0.6]
        with torch.inference_mode():
            down, middle = None, None
            for net, weight in zip(controls, (0.8, 0.3), strict=True):
                taps, end = net(
                    x[:, :4],
                    401,
                    words,
                    seen.repeat(2, 1, 1, 1),
                    conditioning_scale=weight,
                    added_cond_kwargs=extra,
                    return_dict=False,
                )
                down = taps if down is None else [a + b for a, b in zip(down, taps, strict=True)]
                middle = end if middle is None else middle + end
            wanted = unet(
                x,
                401,
                words,
                added_cond_kwargs={**extra, "image_embeds": [embeds[:, None]]},
                down_block_additional_residuals=down,
                mid_block_additional_residual=middle,
                return_dict=False,
            )[0]
            tokens = unet.encoder_hid_proj.image_projection_layers[0](embeds)
            leans = [nets.read(net) for net in (unet, *controls)]
            keys = [
                nets.prompt_keys(lean, words, images=1, picture=(tokens, 0.6) if lean is leans[0] else None)
                for lean in leans
            ]
            tables = [nets.time_table(lean, [900.0, 401.0], added=added, time_ids=ids, rows=2) for lean in leans]
            constants = list(keys[0])
            for net, theirs, weight in zip(controls, keys[1:], (0.8, 0.3), strict=True):
                constants += [net.controlnet_cond_embedding(seen), torch.tensor(weight), *theirs]
            forward = forward_of(leans[0], leans[1:], keys_each=4)
            times = torch.cat(tables, 2)[1]
            found = forward(x, times, *constants)
            assert apart(found, wanted) <= TOLERANCE
            assert torch.equal(found, forward(x, times, *constants))  # nothing it was given is changed
    finally:
        unet.encoder_hid_proj = None  # it has processors of its own
        unet.set_attn_processor(processors)
        unet.config.encoder_hid_dim_type = None


@pytest.mark.parametrize("sampler", ["dpmpp_2m_karras", "euler", "ddim", "lcm"])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("steps", "strength"), [(4, 1.0), (20, 0.6)])
def test_samplers_are_the_published_ones(sampler, kind, steps, strength):
    import torch

    from outfitswap_desktop.ml.diffusion.schedule import make_schedule

    config = {**tiny.EULER, "prediction_type": kind}
    ours = make_schedule(config, sampler, steps=steps, strength=strength)
    theirs = scheduler(config, sampler)
    theirs.set_timesteps(steps)
    skip = steps - min(int(steps * strength), steps)
    times = theirs.timesteps[skip:]
    assert [step.time for step in ours.steps] == times.tolist()
    draw = torch.Generator().manual_seed(0)
    image, noise = torch.randn(2, 1, 4, 4, 4, generator=draw, dtype=torch.float64)
    answers = torch.randn(len(times), 1, 4, 4, 4, generator=draw, dtype=torch.float64)
    if hasattr(theirs, "set_begin_index"):
        theirs.set_begin_index(skip)
    x = noise * theirs.init_noise_sigma if strength == 1.0 else theirs.add_noise(image, noise, times[:1])
    mine = image * ours.image + noise * ours.noise
    assert apart(mine, x) <= TOLERANCE
    last = torch.zeros_like(mine)
    fresh = torch.Generator().manual_seed(9)
    for index, (time, step) in enumerate(zip(times, ours.steps, strict=True)):
        assert apart(mine * step.scale, theirs.scale_model_input(x, time)) <= TOLERANCE
        drawn = {"generator": torch.Generator().manual_seed(9 + index)} if sampler == "lcm" else {}
        x = theirs.step(answers[index], time, x, return_dict=False, **drawn)[0].double()
        m = mine * step.from_x + answers[index] * step.from_e
        mine = mine * step.keep + m * step.to_m + last * step.to_last
        if step.noise:
            fresh.manual_seed(9 + index)
            mine = mine + torch.randn(mine.shape, generator=fresh, dtype=torch.float64) * step.noise
        last = m
    assert apart(mine, x) <= 20 * TOLERANCE  # theirs counts in float32


@settings(max_examples=60, deadline=None)
@given(st.integers(40, 4000), st.floats(0.3, 3.3), st.sampled_from(FAMILIES))
def test_a_crop_fits_a_bucket_with_little_border_and_comes_back(width, aspect, family):
    recipe = recipes()[family]
    source = (width, max(40, round(width / aspect)))
    fit = choose_bucket(source, recipe.buckets, multiple=recipe.multiple)
    assert fit.bucket in recipe.buckets
    assert fit.waste <= WASTE
    assert abs(fit.inner[0] / fit.inner[1] * source[1] / source[0] - 1.0) < 0.02
    (x, y), (wide, high) = fit.at, fit.inner
    assert 0 <= x <= fit.bucket[0] - wide
    assert 0 <= y <= fit.bucket[1] - high


@pytest.mark.parametrize(("source", "bucket"), [((512, 768), (512, 768)), ((200, 210), (512, 512)), ((90, 1400), None)])
def test_pictures_and_masks_go_into_the_bucket_and_back(source, bucket):
    recipe = recipes()["sd15"]
    fit = choose_bucket(source, recipe.buckets, multiple=recipe.multiple)
    assert fit.bucket == bucket or (bucket is None and fit.bucket[0] * fit.bucket[1] <= recipe.max_pixels)
    assert all(side % 64 == 0 for side in fit.bucket)
    image = np.random.default_rng(0).integers(0, 255, (source[1], source[0], 3), dtype=np.uint8)
    inside = fit.picture(image)
    assert inside.shape == (fit.bucket[1], fit.bucket[0], 3)
    back = fit.undo(inside)
    assert back.shape == image.shape
    if bucket == source:
        assert np.array_equal(back, image)
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[source[1] // 2, source[0] // 2] = 1
    grown = fit.mask(mask)
    assert set(np.unique(grown)) == {0, 255}
    assert fit.undo(np.repeat(grown[..., None], 3, 2))[mask > 0].any()
    cells = in_cells(grown)
    assert (cells[grown > 0] == 255).all()
    assert np.count_nonzero(cells) % 64 == 0


def test_the_recipes_hold_together():
    found = recipes()
    assert list(found) == ["sd15", "sdxl", "klein", "qwen"]
    assert {recipe.family for recipe in found.values()} == {"unet", "stock"}
    assert found["sd15"].max_pixels == 768 * 1024
    for recipe in found.values():
        assert len(set(recipe.buckets)) == len(recipe.buckets) <= 12
        assert {(high, wide) for wide, high in recipe.buckets} <= {*recipe.buckets, (1024, 768)}
