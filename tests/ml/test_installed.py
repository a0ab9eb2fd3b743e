"""Whether the GPU engines' tests run at all here: without torch this one alone is collected, and says so."""

import importlib.util

import pytest


def test_the_libraries_of_the_engines_are_here():
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed, so no test of tests/ml ran: uv run --extra gpu pytest tests/ml")
    for name in (
        "torchvision",
        "diffusers",
        "transformers",
        "ultralytics",
        "segment_anything",
        "insightface",
        "controlnet_aux",
    ):
        assert importlib.util.find_spec(name) is not None, name
