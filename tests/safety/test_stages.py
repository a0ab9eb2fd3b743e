"""The sealed stages: the kernel alone makes them, and nothing changes, copies or revives one."""

import ast
import copy
import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest

from outfitswap_desktop import safety
from outfitswap_desktop.safety import stages
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.sheet import Cell
from outfitswap_desktop.safety.stages import (
    CheckedPlan,
    CheckedRequest,
    CheckedSource,
    Metadata,
    ReleasedImage,
    Verdict,
    ViewableSource,
)
from tests.safety.pictures import photo, raw, script

PASSED = tuple(Verdict(name, True) for name in stages.OUTPUT_GATE_NAMES)
PIXELS = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def kernel():
    return script(SafetyKernel())


@pytest.fixture
def made(kernel):
    """One of each sealed stage."""
    source = kernel.open_photo(photo())
    output = raw(kernel, source)
    return {
        "source": source,
        "request": output.plan.request,
        "plan": output.plan,
        "view": kernel.view(source),
        "released": kernel.release(output),
    }


def values_of(stage) -> dict:
    """What a sealed stage was made with."""
    return {name: getattr(stage, name) for name in type(stage).__slots__}


SEALED = ["source", "request", "plan", "view", "released"]


@pytest.mark.parametrize("seal", [None, object(), True, "seal"])
def test_no_stage_is_made_without_the_seal(seal, made):
    source, request = made["source"], made["request"]
    with pytest.raises(TypeError, match="kernel alone"):
        ReleasedImage(seal, pixels=PIXELS, kind="result", verdicts=PASSED, metadata=Metadata())
    with pytest.raises(TypeError, match="kernel alone"):
        ViewableSource(seal, pixels=PIXELS, icc=None, sha256="")
    with pytest.raises(TypeError, match="kernel alone"):
        CheckedSource(seal, **values_of(source))
    with pytest.raises(TypeError, match="kernel alone"):
        CheckedRequest(seal, **values_of(request))
    with pytest.raises(TypeError, match="kernel alone"):
        CheckedPlan(seal, **values_of(made["plan"]))


@pytest.mark.parametrize(
    "verdicts",
    [
        (),
        PASSED[:2],
        PASSED[::-1],
        (*PASSED[:2], Verdict("whole_image", False, reason="output_nudity", message="no"), *PASSED[3:]),
        (*PASSED[:2], Verdict("whole_image", 1), *PASSED[3:]),
        PASSED[:-1],
        (*PASSED, Verdict("extra", False, reason="x", message="no")),
        (Verdict("other", True), *PASSED),
    ],
)
def test_even_with_the_seal_every_fixed_gate_must_have_passed(verdicts):
    with pytest.raises(TypeError):
        ReleasedImage(stages._SEAL, pixels=PIXELS, kind="result", verdicts=verdicts, metadata=Metadata())


@pytest.mark.parametrize("name", SEALED)
def test_a_sealed_stage_cannot_be_changed_copied_pickled_or_replaced(made, name):
    stage = made[name]
    for attribute in ("pixels", "photo", "verdicts", "kind", "new"):
        with pytest.raises(AttributeError):
            setattr(stage, attribute, PIXELS)
        with pytest.raises(AttributeError):
            delattr(stage, attribute)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(stage, protocol)
    assert copy.copy(stage) is stage
    assert copy.deepcopy(stage) is stage
    with pytest.raises(TypeError):
        dataclasses.replace(stage, pixels=PIXELS)
    with pytest.raises((TypeError, AttributeError)):
        copy.replace(stage, pixels=PIXELS)
    with pytest.raises(TypeError, match="subclassed"):
        type("Fake", (type(stage),), {})


@pytest.mark.parametrize("name", SEALED)
def test_pixels_cannot_be_written_to(made, name):
    stage = made[name]
    pixels = {"request": lambda: stage.source.pixels, "plan": lambda: stage.mask}.get(name, lambda: stage.pixels)()
    before = pixels.copy()
    with pytest.raises(ValueError, match="read-only"):
        pixels[0, 0] = 0
    with pytest.raises(ValueError, match="WRITEABLE"):
        pixels.setflags(write=True)
    with pytest.raises(ValueError, match="WRITEABLE"):
        pixels.base.setflags(write=True)
    assert np.array_equal(pixels, before)


def test_a_later_change_of_the_pipelines_array_does_not_reach_the_release(kernel):
    source = kernel.open_photo(photo())
    output = raw(kernel, source)
    released = kernel.release(output)
    judged = released.pixels.copy()
    output.pixels[:] = 0
    assert np.array_equal(released.pixels, judged)


def test_immutable_shares_what_nobody_can_write_and_copies_the_rest():
    array = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    sealed = stages.immutable(array)
    assert stages.immutable(sealed) is sealed
    locked = array.copy()
    locked.setflags(write=False)
    assert stages.immutable(locked) is not locked
    mirrored = stages.immutable(sealed[:, ::-1])
    assert mirrored.flags.c_contiguous
    assert np.array_equal(mirrored, array[:, ::-1])

    class Sly(np.ndarray):
        pass

    assert type(stages.immutable(array.view(Sly))) is np.ndarray


def forged(kind, /, **values):
    """An object of a sealed type that the kernel never made."""
    fake = object.__new__(kind)
    for name, value in values.items():
        object.__setattr__(fake, name, value)
    return fake


def test_a_forged_release_is_not_encoded_shown_or_shrunk(kernel):
    fake = forged(ReleasedImage, pixels=PIXELS, kind="result", verdicts=PASSED, metadata=Metadata())
    for way in (
        lambda: kernel.encode(fake, "PNG"),
        lambda: kernel.thumbnail(fake),
        lambda: kernel.miniature(fake),
        lambda: kernel.contact_sheet([[Cell(fake)]]),
    ):
        with pytest.raises(TypeError):
            way()


def test_a_forged_source_or_request_goes_nowhere(kernel, made):
    source, request, plan = made["source"], made["request"], made["plan"]
    fake = forged(CheckedSource, **values_of(source))
    fake_request = forged(CheckedRequest, **values_of(request))
    fake_plan = forged(CheckedPlan, **values_of(plan))
    output = raw(kernel, source)
    for way in (
        lambda: kernel.view(fake),
        lambda: kernel.check_request(request.request, fake),
        lambda: kernel.check_request(request.request, source, garment=fake),
        lambda: kernel.check_plan(fake_request, plan.mask, zone=plan.zone, found=None, keeps_cut=True),
        lambda: kernel.release(dataclasses.replace(output, plan=fake_plan)),
        lambda: kernel.release(dataclasses.replace(output, plan=None)),
        lambda: kernel.overlay(fake, plan.mask),
    ):
        with pytest.raises(TypeError):
            way()


def test_a_release_of_another_kernel_is_not_ours(made):
    with pytest.raises(TypeError):
        script(SafetyKernel()).encode(made["released"], "PNG")


@pytest.mark.parametrize("name", ["source", "view", "request", "plan"])
def test_only_a_release_can_be_saved(kernel, made, name):
    for way in (
        lambda: kernel.encode(made[name], "PNG"),
        lambda: kernel.thumbnail(made[name]),
    ):
        with pytest.raises(TypeError):
            way()
    saving = {"save", "encode", "write", "tobytes", "export", "bytes", "dump"}
    assert not saving & {attribute for attribute in dir(made[name]) if not attribute.startswith("_")}


def test_a_view_gives_small_copies_for_display(made):
    view = made["view"]
    small = view.thumbnail(32)
    assert max(small.shape[:2]) == 32
    assert view.thumbnail(4096).shape == view.pixels.shape
    small[:] = 0
    assert view.pixels.any()


def test_only_the_kernel_names_the_seal():
    package = Path(safety.__file__).resolve().parent.parent
    naming = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [node.id] if isinstance(node, ast.Name)
                else [node.attr] if isinstance(node, ast.Attribute)
                else [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom)
                else []
            )  # fmt: skip
            if "_SEAL" in names:
                naming.add(path.relative_to(package).as_posix())
    assert naming == {"safety/stages.py", "safety/kernel.py"}
