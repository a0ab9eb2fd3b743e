"""Samplers as plain numbers: every step is the same linear formula, with coefficients worked out before the first one.

Noise levels and time steps come from diffusers' schedulers, so that the pictures are those of the published recipes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """One step. With the net's prediction e for the input x * `scale` at `time`:

    m = `from_x` x + `from_e` e (the clean latents it predicts), then x = `keep` x + `to_m` m + `to_last` m of the step before +
    `noise` fresh noise. At its noise level latents are `image_share` * image + `noise_share` * noise.
    """

    time: float
    scale: float
    from_x: float
    from_e: float
    keep: float
    to_m: float
    to_last: float = 0.0
    noise: float = 0.0
    image_share: float = 1.0
    noise_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """All steps; the start is `image` * image latents + `noise` * noise."""

    steps: tuple[Step, ...]
    image: float
    noise: float


def make_schedule(config: Mapping[str, Any], sampler: str, *, steps: int, strength: float = 1.0) -> Schedule:
    """The schedule of `steps` steps, of which `strength` (0..1] is run, for the scheduler settings that weights come with.

    `config` is scheduler_config.json, `sampler` one of "dpmpp_2m_karras", "euler", "ddim", "lcm". At strength 1 the start is
    noise alone, as in diffusers' inpainting pipelines. Raises
    ValueError when no step is left.
    """
    run = min(int(steps * strength), steps)
    if run < 1:
        raise ValueError(f"strength {strength} leaves none of {steps} steps")
    skip = steps - run
    whole = _MAKERS[sampler](dict(config), steps)
    left = whole.steps[skip:]
    if strength == 1.0:
        return whole
    first = left[0]
    started = replace(first, to_m=first.to_m + first.to_last, to_last=0.0)  # there is no step before it
    return Schedule((started, *left[1:]), first.image_share, first.noise_share)


def _prediction(config: Mapping[str, Any], alpha: float, sigma: float) -> tuple[float, float]:
    """(from_x, from_e) for latents alpha * image + sigma * noise with alpha² + sigma² = 1."""
    if config.get("prediction_type", "epsilon") == "v_prediction":
        return alpha, -sigma
    return 1.0 / alpha, -sigma / alpha


def _dpmpp(config: dict[str, Any], count: int) -> Schedule:
    """DPM-Solver++ 2M (arXiv 2211.01095) over Karras' noise levels; the last step, to no noise, is of first order."""
    from diffusers import DPMSolverMultistepScheduler

    scheduler = DPMSolverMultistepScheduler.from_config(config, use_karras_sigmas=True)
    scheduler.set_timesteps(count)
    levels = [float(sigma) for sigma in scheduler.sigmas]
    alphas = [1.0 / math.sqrt(level * level + 1.0) for level in levels]
    sigmas = [level * alpha for level, alpha in zip(levels, alphas, strict=True)]
    ratios = [math.log(level) if level > 0 else -math.inf for level in levels]  # minus the half log-SNR
    found = []
    for index, time in enumerate(scheduler.timesteps.tolist()):
        h = ratios[index] - ratios[index + 1]
        c = -alphas[index + 1] * math.expm1(-h)
        from_x, from_e = _prediction(config, alphas[index], sigmas[index])
        to_m, to_last = c, 0.0
        if 0 < index < count - 1:
            r = (ratios[index - 1] - ratios[index]) / h
            to_m, to_last = c * (1.0 + 0.5 / r), -c * 0.5 / r
        found.append(
            Step(
                time,
                1.0,
                from_x,
                from_e,
                sigmas[index + 1] / sigmas[index],
                to_m,
                to_last,
                0.0,
                alphas[index],
                sigmas[index],
            )
        )
    return Schedule(tuple(found), 0.0, float(scheduler.init_noise_sigma))


def _euler(config: dict[str, Any], count: int) -> Schedule:
    from diffusers import EulerDiscreteScheduler

    scheduler = EulerDiscreteScheduler.from_config(config)
    scheduler.set_timesteps(count)
    levels = [float(sigma) for sigma in scheduler.sigmas]
    found = []
    for index, time in enumerate(scheduler.timesteps.tolist()):
        sigma = levels[index]
        scale = 1.0 / math.sqrt(sigma * sigma + 1.0)
        from_x, from_e = 1.0, -sigma
        if config.get("prediction_type", "epsilon") == "v_prediction":
            from_x, from_e = scale * scale, -sigma * scale
        keep = levels[index + 1] / sigma
        found.append(Step(time, scale, from_x, from_e, keep, 1.0 - keep, noise_share=sigma))
    return Schedule(tuple(found), 0.0, float(scheduler.init_noise_sigma))


def _ddim(config: dict[str, Any], count: int) -> Schedule:
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler.from_config(config)
    scheduler.set_timesteps(count)
    times = scheduler.timesteps.tolist()
    stride = scheduler.config.num_train_timesteps // count
    found = []
    for time in times:
        now, before = float(scheduler.alphas_cumprod[time]), time - stride
        then = float(scheduler.alphas_cumprod[before] if before >= 0 else scheduler.final_alpha_cumprod)
        alpha, sigma = math.sqrt(now), math.sqrt(1.0 - now)
        from_x, from_e = _prediction(config, alpha, sigma)
        keep = math.sqrt((1.0 - then) / (1.0 - now))
        made = Step(time, 1.0, from_x, from_e, keep, math.sqrt(then) - keep * alpha)
        found.append(replace(made, image_share=alpha, noise_share=sigma))
    return Schedule(tuple(found), 0.0, 1.0)


def _lcm(config: dict[str, Any], count: int) -> Schedule:
    """Latent consistency models (arXiv 2310.04378): jump to the clean latents, then back to the next noise level."""
    from diffusers import LCMScheduler

    scheduler = LCMScheduler.from_config(config)
    scheduler.set_timesteps(count)
    times = scheduler.timesteps.tolist()
    found = []
    for index, time in enumerate(times):
        now = float(scheduler.alphas_cumprod[time])
        skip, out = scheduler.get_scalings_for_boundary_condition_discrete(time)
        alpha, sigma = math.sqrt(now), math.sqrt(1.0 - now)
        from_x, from_e = _prediction(config, alpha, sigma)
        made = Step(time, 1.0, from_x, from_e, float(skip), float(out), image_share=alpha, noise_share=sigma)
        if index + 1 < len(times):
            then = float(scheduler.alphas_cumprod[times[index + 1]])
            back = math.sqrt(then)
            made = replace(made, keep=back * float(skip), to_m=back * float(out), noise=math.sqrt(1.0 - then))
        found.append(made)
    return Schedule(tuple(found), 0.0, 1.0)


_MAKERS = {"dpmpp_2m_karras": _dpmpp, "euler": _euler, "ddim": _ddim, "lcm": _lcm}
