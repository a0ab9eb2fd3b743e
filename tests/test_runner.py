"""The only road: what lies outside the mask stays, exactly one end, and nothing is left behind when it is not finished."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms

from outfitswap_desktop.core.job import CancelToken, SwapRequest
from outfitswap_desktop.core.steps import Generated
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import Cancelled, GateRefused, InputRefused, NobodyFound, UsageProblem
from outfitswap_desktop.safety.gates import Judged
from outfitswap_desktop.safety.stages import Verdict
from tests.fakes import STATED, altered


def quiet(_progress):
    pass


def run(runner, request, cancel=None, **options):
    return runner.run(request, report=quiet, cancel=cancel or CancelToken(), **options)


def left_behind(folder):
    return sorted(p.name for p in folder.iterdir() if p.name.startswith("out") and p.name != "outfitswap-home")


def test_a_swap_writes_result_mask_receipt_and_row(fake_runner, astronaut_file, tmp_path):
    runner, _, _ = fake_runner
    stages = []
    request = SwapRequest(photo=astronaut_file, output=tmp_path / "out.png", prompt="red shirt", **STATED, seed=7)
    outcome = runner.run(request, report=lambda p: stages.append((p.stage, p.fraction)), cancel=CancelToken())
    before = np.asarray(Image.open(astronaut_file).convert("RGB"))
    after = np.asarray(Image.open(outcome.output))
    mask = np.asarray(Image.open(outcome.mask))
    assert mask.shape == after.shape[:2] == before.shape[:2]
    assert np.array_equal(after[mask == 0], before[mask == 0])
    assert np.array_equal(after[mask > 0], altered(before)[mask > 0])
    receipt = json.loads(outcome.receipt.read_text())
    assert receipt["outside_mask_changed_pixels"] == 0
    assert receipt["made"]["engine"] == "invert"
    assert receipt["request"]["seed"] == 7
    assert receipt["gates"]
    assert str(tmp_path) not in outcome.receipt.read_text()
    entry = runner.history.get(outcome.entry_id)
    assert entry.output == outcome.output
    assert entry.prompt == "red shirt"
    assert runner.history.thumbnail(outcome.entry_id)
    assert stages[0][0] == "read"
    assert [f for _, f in stages] == sorted(f for _, f in stages)
    assert stages[-1][1] == 1.0


def test_the_head_is_never_in_the_mask(fake_runner, astronaut_file, tmp_path):
    runner, _, _ = fake_runner
    outcome = run(runner, SwapRequest(photo=astronaut_file, output=tmp_path / "out.png", prompt="red shirt", **STATED))
    mask = np.asarray(Image.open(outcome.mask))
    assert not mask[: int(0.3 * 512), int(0.4 * 512) : int(0.6 * 512)].any()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_any_orientation_alpha_and_profile(fake_runner, tmp_path, astronaut, orientation):
    runner, _, _ = fake_runner
    photo = tmp_path / "photo.png"
    picture = Image.fromarray(astronaut[:400, :300]).convert("RGBA")
    picture.putalpha(Image.fromarray(np.tile(np.arange(300) % 256, (400, 1)).astype(np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(photo, exif=exif, icc_profile=profile)
    outcome = run(runner, SwapRequest(photo=photo, output=tmp_path / "out.png", prompt="red shirt", **STATED))
    source = runner.open_photo(photo)
    result = Image.open(outcome.output)
    assert result.getexif().get(0x0112, 1) == 1
    assert result.info.get("icc_profile") == profile
    after, mask = np.asarray(result.convert("RGB")), np.asarray(Image.open(outcome.mask))
    assert after.shape == source.pixels.shape
    assert np.array_equal(after[mask == 0], source.pixels[mask == 0])
    assert mask.any()


@pytest.mark.parametrize(("width", "height"), [(64, 64), (64, 500), (1201, 333), (517, 941)])
def test_any_size_and_a_small_generator(fake_runner, tmp_path, astronaut, width, height):
    runner, _, generator = fake_runner
    generator.max_pixels, generator.multiple = 20_000, 8
    photo = tmp_path / "photo.png"
    Image.fromarray(astronaut).resize((width, height)).save(photo)
    outcome = run(runner, SwapRequest(photo=photo, output=tmp_path / "out.png", prompt="red shirt", **STATED))
    made = generator.requests[-1].image.shape
    assert made[0] % 8 == 0
    assert made[1] % 8 == 0
    before, after = np.asarray(Image.open(photo)), np.asarray(Image.open(outcome.output))
    mask = np.asarray(Image.open(outcome.mask))
    assert np.array_equal(after[mask == 0], before[mask == 0])


@pytest.mark.parametrize(("name", "encoding"), [("out.jpg", "JPEG"), ("out.webp", "WEBP")])
def test_lossy_formats_are_said(fake_runner, astronaut_file, tmp_path, name, encoding):
    runner, _, _ = fake_runner
    outcome = run(runner, SwapRequest(photo=astronaut_file, output=tmp_path / name, prompt="red shirt", **STATED))
    receipt = json.loads(outcome.receipt.read_text())
    about = receipt["output"]
    assert (about["format"], about["lossless"], about["quality"]) == (encoding, False, 95)
    assert about["sha256"] == hashlib.sha256(outcome.output.read_bytes()).hexdigest()
    assert Image.open(outcome.output).format == encoding


def test_the_source_is_never_written_over(fake_runner, astronaut_file, tmp_path):
    runner, _, _ = fake_runner
    content = astronaut_file.read_bytes()
    link = tmp_path / "link.png"
    link.symlink_to(astronaut_file)
    for output in (astronaut_file, link):
        with pytest.raises(UsageProblem) as caught:
            run(runner, SwapRequest(photo=astronaut_file, output=output, prompt="red shirt", **STATED))
        assert caught.value.reason == "over_source"
    assert astronaut_file.read_bytes() == content


@pytest.mark.parametrize(
    "problem", [InputRefused("No.", reason="prompt_not_understood"), NobodyFound("No.", reason="x"), ValueError("bug")]
)
def test_a_failure_leaves_nothing(fake_runner, astronaut_file, tmp_path, problem):
    runner, segmenter, generator = fake_runner
    if isinstance(problem, NobodyFound):
        segmenter.problem = problem
    else:
        generator.problem = problem
    with pytest.raises(type(problem)):
        run(runner, SwapRequest(photo=astronaut_file, output=tmp_path / "out.png", prompt="red shirt", **STATED))
    assert left_behind(tmp_path) == []
    assert runner.history.count() == 0


def test_cancel_leaves_nothing(fake_runner, astronaut_file, tmp_path):
    runner, _, generator = fake_runner
    token = CancelToken()
    generator.on_generate = token.set
    with pytest.raises(Cancelled):
        run(runner, SwapRequest(photo=astronaut_file, output=tmp_path / "out.png", prompt="red shirt", **STATED), token)
    assert left_behind(tmp_path) == []
    assert runner.history.count() == 0


class Refusing:
    """An extra gate that refuses everything."""

    name = "refusing"

    def judge(self, judged: Judged, detectors) -> Verdict:
        return Verdict("refusing", False, reason="test", message="Refused by the test.", hint="None.")


def test_a_refusal_leaves_nothing(history, astronaut_file, tmp_path, fake_runner):
    from outfitswap_desktop.core.steps import Steps
    from outfitswap_desktop.runner import Runner
    from outfitswap_desktop.safety.kernel import SafetyKernel

    _, segmenter, generator = fake_runner
    runner = Runner(kernel=SafetyKernel(extra_gates=[Refusing()]), steps=Steps(segmenter, generator), history=history)
    with pytest.raises(GateRefused):
        run(runner, SwapRequest(photo=astronaut_file, output=tmp_path / "out.png", prompt="red shirt", **STATED))
    assert left_behind(tmp_path) == []
    assert history.count() == 0


def test_the_generator_hears_which_colours_look_like_skin_and_the_outcome_what_was_moved(
    fake_runner, astronaut_file, tmp_path
):
    runner, _, generator = fake_runner
    heard = []

    def generate(request, *, report, cancel):
        heard.append(request.recolour)
        return Generated(altered(request.image), composited=True, notes=("A colour was moved.",))

    generator.generate = generate
    outcome = run(runner, SwapRequest(photo=astronaut_file, output=tmp_path / "o.png", prompt="tan shirt", **STATED))
    assert outcome.notes[-1] == "A colour was moved."
    assert heard[0]((20, 40, 120)) == (20, 40, 120)
    assert "A colour was moved." in outcome.receipt.read_text(encoding="utf-8")
    run(
        runner,
        SwapRequest(photo=astronaut_file, output=tmp_path / "p.png", prompt="tan coat", zone=Zone.OUTER, **STATED),
    )
    assert heard[1] is None, "a coat over other clothes may have any colour"


def test_a_drawn_mask_works_when_nobody_is_found(fake_runner, astronaut_file, tmp_path):
    runner, segmenter, _ = fake_runner
    segmenter.problem = NobodyFound("Nobody.", reason="nobody_found")
    blue = tmp_path / "blue.png"
    Image.fromarray(np.roll(np.asarray(Image.open(astronaut_file)), 1, axis=2)).save(blue)  # a suit unlike skin
    drawn = np.zeros((512, 512), np.uint8)
    drawn[300:450, 100:300] = 255
    mask_file = tmp_path / "drawn.png"
    Image.fromarray(drawn).save(mask_file)
    request = SwapRequest(photo=blue, output=tmp_path / "out.png", prompt="red shirt", **STATED, mask=mask_file)
    with pytest.raises(GateRefused) as caught:
        run(runner, request)
    assert caught.value.reason == "person_needed"
    outline_file = tmp_path / "outline.png"
    outline = np.zeros((512, 512), np.uint8)
    outline[20:, 60:400] = 255
    Image.fromarray(outline).save(outline_file)
    outcome = run(runner, replace(request, outline=outline_file))
    assert outcome.segmenter == "hand-drawn mask"
    assert np.array_equal(np.asarray(Image.open(outcome.mask)) > 0, drawn > 0)
    assert any("Nobody was found" in note for note in outcome.notes)


def test_what_is_cut_from_a_drawn_mask_is_reported(fake_runner, astronaut_file, tmp_path):
    runner, _, _ = fake_runner
    mask_file = tmp_path / "drawn.png"
    drawn = np.zeros((512, 512), np.uint8)
    drawn[100:450, 100:300] = 255
    Image.fromarray(drawn).save(mask_file)
    request = SwapRequest(
        photo=astronaut_file, output=tmp_path / "out.png", prompt="red shirt", **STATED, mask=mask_file
    )
    outcome = run(runner, request)
    assert any("were cut" in note for note in outcome.notes)
    head_only = np.zeros((512, 512), np.uint8)
    head_only[50:100, 220:280] = 255
    Image.fromarray(head_only).save(mask_file)
    with pytest.raises(InputRefused) as caught:
        run(runner, replace(request, output=tmp_path / "out2.png"))
    assert caught.value.reason == "mask_protected"


@pytest.mark.slow
def test_the_zone_comes_from_the_prompt_else_the_largest(fake_runner, astronaut_file, tmp_path):
    runner, segmenter, _ = fake_runner

    def zone_of(prompt, zone=None):
        request = SwapRequest(photo=astronaut_file, output=tmp_path / "out.png", prompt=prompt, zone=zone, **STATED)
        return run(runner, request)

    assert zone_of("blue jeans").zone is Zone.BOTTOM
    assert zone_of("blue").zone is Zone.TOP
    assert zone_of("blue", Zone.BOTTOM).zone is Zone.BOTTOM
    coat = zone_of("camel coat")
    assert coat.zone is Zone.TOP
    assert any("keeps its cut" in limit for limit in coat.limits)
    segmenter.zones = (Zone.TOP, Zone.FULL)
    with pytest.raises(NobodyFound) as caught:
        zone_of("blue jeans")
    assert caught.value.reason == "no_such_zone"
    assert "top" in caught.value.message


def test_same_request_same_pixels_and_the_same_mark(fake_runner, astronaut_file, tmp_path):
    runner, _, _ = fake_runner
    request = SwapRequest(photo=astronaut_file, output=tmp_path / "out.png", prompt="red shirt", **STATED)
    first = run(runner, request)
    second = run(runner, replace(request, output=tmp_path / "out2.png"))
    assert np.array_equal(np.asarray(Image.open(first.output)), np.asarray(Image.open(second.output)))
    receipts = [json.loads(outcome.receipt.read_text())["safety"] for outcome in (first, second)]
    assert receipts[0]["invisible_mark"] == receipts[1]["invisible_mark"]


def test_an_output_written_over_is_marked_replaced(fake_runner, astronaut_file, tmp_path):
    runner, _, _ = fake_runner
    request = SwapRequest(photo=astronaut_file, output=tmp_path / "out.png", prompt="red shirt", **STATED)
    first, second = run(runner, request), run(runner, replace(request, prompt="blue shirt"))
    assert runner.history.get(first.entry_id).state == "replaced"
    assert runner.history.get(second.entry_id).state == "done"
