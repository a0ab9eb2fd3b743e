"""The GPU engines' tests: real libraries with small random weights. They need the extra `gpu`, and say so without it."""

import importlib.util

import pytest

HAS_TORCH = importlib.util.find_spec("torch") is not None
collect_ignore_glob = [] if HAS_TORCH else ["test_[!i]*.py"]  # test_installed.py alone says so


@pytest.fixture(autouse=True, scope="session")
def few_threads():
    if not HAS_TORCH:
        return
    from outfitswap_desktop.ml.quiet import hush

    hush()
    import torch

    torch.set_num_threads(1)
