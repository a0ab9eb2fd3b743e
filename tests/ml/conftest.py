"""The GPU engines' tests: real libraries with small random weights. They need the extra `gpu`, and say so without it."""

import importlib.util

import pytest


def pytest_collection_modifyitems(items):
    if importlib.util.find_spec("torch") is not None:
        return
    for item in items:
        if "/tests/ml/" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason="torch is not installed: uv run --extra gpu pytest tests/ml"))


@pytest.fixture(autouse=True, scope="session")
def few_threads():
    if importlib.util.find_spec("torch") is None:
        return
    from outfitswap_desktop.ml.quiet import hush

    hush()
    import torch

    torch.set_num_threads(1)
