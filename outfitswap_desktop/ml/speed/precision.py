"""Arithmetic settings that are safe for pictures and fast on this card: fp16 accumulation on GeForce, cuDNN's own search."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Precision:
    """`fp16_accumulation`: fp16 matrix products are summed in fp16; `search`: cuDNN tries its convolutions once per shape."""

    fp16_accumulation: bool
    search: bool


def choose_precision(name: str, *, dtype: str) -> Precision:
    """Settings for the card called `name` when weights are of `dtype` ("float16", "bfloat16", "float32").

    GeForce, TITAN and the small workstation cards without HBM run fp16 products with fp16 accumulation at twice the rate;
    data centre cards do not gain (research: 4090 165 against 330 TFLOP/s, H100 the same), so there the exact sum is kept. It
    touches linear layers alone: torch has no such switch for convolutions.
    """
    lowered = name.lower()
    consumer = any(word in lowered for word in ("geforce", "titan", "rtx"))
    return Precision(fp16_accumulation=consumer and dtype == "float16", search=name not in {"cpu", "mps"})


@contextmanager
def precision_set(precision: Precision) -> Iterator[None]:
    """Within, torch's global switches are as `precision` says; afterwards as they were.

    The CUDA switches exist in a build without a card and have no effect there.
    """
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = (matmul.allow_fp16_accumulation, cudnn.benchmark)
    matmul.allow_fp16_accumulation = precision.fp16_accumulation
    cudnn.benchmark = precision.search
    try:
        yield
    finally:
        matmul.allow_fp16_accumulation, cudnn.benchmark = before
