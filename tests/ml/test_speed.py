"""The fast paths of a denoising step: what is kept on disk, what is chosen, and that no job fails of them."""

import json
import threading
from dataclasses import replace
from functools import cache

import pytest

from outfitswap_desktop.core.job import BALANCED
from outfitswap_desktop.ml.device import Device
from outfitswap_desktop.ml.diffusion.conditions import Accelerator, Shape
from outfitswap_desktop.ml.recipes import recipes
from outfitswap_desktop.ml.speed.artifacts import Artifacts
from outfitswap_desktop.ml.speed.attention import OWN_CHOICE, choose_attention, probe
from outfitswap_desktop.ml.speed.card import Card, Verdicts, this_card, write_whole
from outfitswap_desktop.ml.speed.compiled import Compiler, Verdict, relative_error, step_milliseconds
from outfitswap_desktop.ml.speed.graphs import NotCaptured, capture, copy_all, same_shapes
from outfitswap_desktop.ml.speed.precision import choose_precision, precision_set
from outfitswap_desktop.ml.speed.stepper import BUCKETS, WARM_STEPS, Stepper, make_stepper

CARD = Card("Some card", "9.0", "13020", "2.15.0", "13.2", "3.9.0", program="1")
SHAPE = Shape("sd15", 2, (64, 64), "float32")


def network(width=4):
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(4, width, 3, padding=1), torch.nn.SiLU(), torch.nn.Conv2d(width, 4, 1))


@cache
def forward_of(module):
    def forward(latents, time, bias):
        return module(latents) * time + bias

    return forward


def inputs(size=8):
    import torch

    torch.manual_seed(1)
    return torch.randn(2, 4, size, size), torch.rand(1), torch.randn(4, 1, 1)


class Recorded:
    """Stands in for a captured graph where there is no CUDA: computes, and remembers what was copied."""

    def __init__(self, forward, tensors):
        self.forward, self.fixed, self.resets = forward, [t.clone() for t in tensors], 0

    def __call__(self, *tensors):
        copy_all(self.fixed, tensors)
        return self.forward(*self.fixed)

    def fits(self, tensors):
        return same_shapes(self.fixed, tensors)

    def milliseconds(self):
        return step_milliseconds(self.forward, self.fixed)

    def reset(self):
        self.resets += 1


def record(forward, tensors, *, pool, headroom_bytes):
    return Recorded(forward, tensors)


# --- the card, its verdicts, its artifacts ----------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["name", "capability", "driver", "torch", "runtime", "triton", "program"])
def test_every_difference_of_the_card_gives_another_key(field):
    assert replace(CARD, **{field: "other"}).key != CARD.key
    assert replace(CARD).key == CARD.key


def test_this_machine_has_a_card():
    import torch

    card = this_card("cpu")
    assert (card.name, card.torch, card.capability) == ("cpu", torch.__version__, "")


def test_verdicts_are_kept_and_damage_counts_as_nothing(tmp_path):
    verdicts = Verdicts(CARD, folder=tmp_path)
    assert verdicts.get("compile/sdxl") is None
    verdicts.put("compile/sdxl", {"pays": True})
    verdicts.put("attention/sdxl", {"kernels": []})
    assert Verdicts(CARD, folder=tmp_path).get("compile/sdxl") == {"pays": True}
    assert json.loads(verdicts.path.read_text())["card"]["name"] == "Some card"
    assert Verdicts(replace(CARD, driver="9"), folder=tmp_path).get("compile/sdxl") is None
    for damage in ("", "{", "[1]", '{"compile/sdxl": 3}', "\x00"):
        verdicts.path.write_text(damage)
        assert verdicts.get("compile/sdxl") is None
    verdicts.put("compile/sdxl", {"pays": False})
    assert verdicts.get("compile/sdxl") == {"pays": False}
    assert [path.name for path in tmp_path.iterdir()] == [verdicts.path.name]


def test_a_folder_that_cannot_be_written_costs_no_job(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    Verdicts(CARD, folder=blocked).put("compile/sdxl", {"pays": True})
    artifacts = Artifacts(CARD, folder=blocked)
    assert not artifacts.write(b"code")
    assert "not saved" in artifacts.reason
    assert artifacts.read() is None


def test_nothing_half_written_stays(tmp_path):
    target = tmp_path / "here" / "file"
    with pytest.raises(FileNotFoundError):
        write_whole(target, b"x")
    target.parent.mkdir()
    write_whole(target, b"one")
    write_whole(target, b"two")
    assert target.read_bytes() == b"two"
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_artifacts_come_back_as_written(tmp_path):
    artifacts = Artifacts(CARD, folder=tmp_path)
    assert artifacts.read() is None
    body = b"\n\x00code\n" * 100
    assert artifacts.write(body)
    assert Artifacts(CARD, folder=tmp_path).read() == body
    assert Artifacts(replace(CARD, torch="2.16"), folder=tmp_path).read() is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:-1] + b"?",
        lambda content: content + b"more",
        lambda content: content[5:],
        lambda content: b"",
        lambda content: content.replace(b'"size"', b'"sise"'),
        lambda content: b"outfitswap-compiled-1\nnothing\nhere",
    ],
)
def test_damaged_artifacts_are_deleted_and_never_loaded(tmp_path, damage):
    artifacts = Artifacts(CARD, folder=tmp_path)
    artifacts.write(b"code" * 50)
    artifacts.path.write_bytes(damage(artifacts.path.read_bytes()))
    assert not artifacts.load()
    assert "damaged" in artifacts.reason
    assert not artifacts.path.exists()


def test_whole_artifacts_that_torch_cannot_read_are_deleted(tmp_path):
    artifacts = Artifacts(CARD, folder=tmp_path)
    artifacts.write(b"not what torch writes")
    assert not artifacts.load()
    assert not artifacts.path.exists()
    assert artifacts.reason


# --- choices ----------------------------------------------------------------------------------------------------------


def test_fp16_sums_are_for_geforce_in_fp16_alone():
    assert choose_precision("NVIDIA GeForce RTX 4090", dtype="float16").fp16_accumulation
    assert not choose_precision("NVIDIA GeForce RTX 4090", dtype="bfloat16").fp16_accumulation
    assert not choose_precision("NVIDIA H100 80GB HBM3", dtype="float16").fp16_accumulation
    assert not choose_precision("cpu", dtype="float32").search


def test_the_switches_are_put_back():
    import torch

    matmul = torch.backends.cuda.matmul
    with precision_set(choose_precision("NVIDIA GeForce RTX 3060", dtype="float16")):
        assert matmul.allow_fp16_accumulation
        assert torch.backends.cudnn.benchmark
    assert not matmul.allow_fp16_accumulation
    assert not torch.backends.cudnn.benchmark


def test_attention_is_torchs_own_choice_away_from_cuda():
    assert choose_attention("sdxl", device="cpu", dtype="float32") is OWN_CHOICE
    assert choose_attention("klein", device="cuda", dtype="bfloat16") is OWN_CHOICE
    with OWN_CHOICE.around():
        pass


def test_the_probe_refuses_what_this_device_has_not_and_sorts_the_rest():
    times = iter([3.0, 1.0, 2.0, 9.0])
    found = probe([(1, 2, 16, 16, 8)], device="cpu", dtype="float32", timed=lambda call: (call(), next(times))[1])
    assert set(found.kernels) | set(found.refused) == {"CUDNN_ATTENTION", "FLASH_ATTENTION", "EFFICIENT_ATTENTION"}
    assert "CUDNN_ATTENTION" in found.refused
    assert list(found.kernels) == sorted(found.kernels, key=found.milliseconds.__getitem__)
    assert "FLASH_ATTENTION" in found.kernels  # the processor has its own
    import torch

    with found.around():
        torch.nn.functional.scaled_dot_product_attention(*(torch.randn(1, 2, 16, 8) for _ in range(3)))


# --- the Stepper ------------------------------------------------------------------------------------------------------


def test_without_a_card_steps_are_plain_and_say_why():
    import torch

    module = network()
    stepper = make_stepper(Device("cpu", "CPU", 1, 1, None, "float32"))
    accelerator: Accelerator = stepper
    forward = forward_of(module)
    wrapped = accelerator.wrap(forward, module=module, shape=SHAPE)
    with (
        torch.inference_mode(),
        accelerator.around(recipes()["sd15"], device=Device("cpu", "CPU", 1, 1, None, "float32"), mode=BALANCED),
    ):
        for _ in range(WARM_STEPS + 2):
            assert torch.equal(wrapped(*inputs()), forward(*inputs()))
    state = stepper.state()
    assert state["compiled"] == "no"
    assert state["eager_steps"] == WARM_STEPS + 2
    assert (state["captures"], state["replays"], state["recompiles"]) == (0, 0, 0)
    assert list(state["reasons"].values()) == ["graphs are off"]
    json.dumps(state)


def test_a_capture_that_fails_is_tried_once_and_its_reason_is_kept():
    import torch

    module = network()
    tries = []

    def fails(forward, tensors, **_):
        tries.append(1)
        raise NotCaptured("a step waits for the host")

    stepper = Stepper(device="cpu", record=fails)
    wrapped = stepper.wrap(forward_of(module), module=module, shape=SHAPE)
    with torch.inference_mode():
        for _ in range(6):
            assert torch.equal(wrapped(*inputs()), forward_of(module)(*inputs()))
    assert len(tries) == 1
    assert list(stepper.counters.reasons.values()) == ["a step waits for the host"]
    assert stepper.counters.eager == 6


def test_the_real_capture_refuses_the_processor():
    with pytest.raises(NotCaptured, match="no CUDA graphs on cpu"):
        capture(forward_of(network()), inputs(), pool=None)


def test_a_shape_is_recorded_after_two_steps_and_serves_the_next_job():
    import torch

    module = network()
    stepper = Stepper(device="cpu", record=record)
    with torch.inference_mode():
        for job in range(3):
            wrapped = stepper.wrap(forward_of(module), module=module, shape=SHAPE)
            for step in range(5):
                latents, time, bias = inputs()
                latents = latents + step + job
                assert torch.equal(wrapped(latents, time, bias), forward_of(module)(latents, time, bias))
    assert stepper.counters.eager == WARM_STEPS
    assert stepper.counters.captures == 1
    assert stepper.counters.replays == 15 - WARM_STEPS
    assert stepper.state()["compiled"] == "graph"


def test_tensors_of_another_shape_than_said_run_plainly():
    import torch

    module = network()
    stepper = Stepper(device="cpu", record=record)
    wrapped = stepper.wrap(forward_of(module), module=module, shape=SHAPE)
    with torch.inference_mode():
        for _ in range(WARM_STEPS + 1):
            wrapped(*inputs(8))
        assert wrapped(*inputs(16)).shape == (2, 4, 16, 16)
    assert stepper.counters.replays == 1


def test_weights_that_moved_are_recorded_anew_and_forgotten_ones_are_gone():
    import torch

    module = network()
    stepper = Stepper(device="cpu", record=record)

    def job():
        wrapped = stepper.wrap(forward_of(module), module=module, shape=SHAPE)
        with torch.inference_mode():
            for _ in range(4):
                answer = wrapped(*inputs())
        return answer

    job()
    module[0].weight.data = module[0].weight.data.clone() * 2
    with torch.inference_mode():
        expected = forward_of(module)(*inputs())
    assert torch.equal(job(), expected)
    assert (stepper.counters.captures, stepper.counters.invalidations) == (2, 1)
    stepper.forget(module)
    assert stepper.counters.invalidations == 2
    job()
    assert stepper.counters.captures == 3
    stepper.close()
    assert stepper.counters.invalidations == 3


def test_another_forward_of_the_same_shape_starts_over():
    import torch

    module, other = network(), network(8)
    stepper = Stepper(device="cpu", record=record)
    with torch.inference_mode():
        for forward in (forward_of(module), forward_of(other)):
            wrapped = stepper.wrap(forward, module=module, shape=SHAPE)
            for _ in range(4):
                assert torch.equal(wrapped(*inputs()), forward(*inputs()))
    assert (stepper.counters.captures, stepper.counters.invalidations) == (2, 1)


def test_shapes_unused_for_long_give_way():
    import torch

    module = network()
    stepper = Stepper(device="cpu", record=record)
    with torch.inference_mode():
        for rows in range(BUCKETS + 3):
            wrapped = stepper.wrap(forward_of(module), module=module, shape=replace(SHAPE, rows=rows))
            for _ in range(3):
                wrapped(*inputs())
    assert stepper.counters.captures == BUCKETS + 3
    assert stepper.counters.invalidations == 3


# --- compiling --------------------------------------------------------------------------------------------------------


def compiler(folder, *, pays):
    return Compiler(Artifacts(CARD, folder=folder), Verdicts(CARD, folder=folder), pays=pays)


def run_job(stepper, module, *, shape=SHAPE, steps=4, size=8):
    import torch

    wrapped = stepper.wrap(forward_of(module), module=module, shape=shape)
    with torch.inference_mode():
        for _ in range(steps):
            answer = wrapped(*inputs(size))
    return answer


def wait(stepper):
    for bucket in stepper._buckets.values():
        if bucket.compiling is not None:
            assert bucket.compiling.done.wait(240)


@pytest.mark.slow
def test_compiled_steps_take_over_between_jobs_and_outlive_the_process(tmp_path):
    import torch

    module = network()
    own = compiler(tmp_path, pays=0.0)  # whatever was measured, it pays
    stepper = Stepper(device="cpu", compiler=own, record=record)
    eager = run_job(stepper, module)
    assert stepper.counters.compiles == 0  # a shape used once is not compiled
    run_job(stepper, module)
    assert stepper.counters.compiles == 1
    wait(stepper)
    assert stepper.counters.swaps == 0  # not in the middle of a job
    answer = run_job(stepper, module)
    assert stepper.counters.swaps == 1
    assert relative_error(answer, eager) < 1e-5
    assert stepper.state()["compiled"] == "compiled graph"
    for _ in range(3):
        run_job(stepper, module)
    assert stepper.counters.recompiles == 0
    assert stepper.counters.compiles == 1
    verdict = own.verdict("sd15")
    assert verdict is not None
    assert verdict.pays
    assert verdict.eager_ms > 0
    assert verdict.error < 1e-5
    assert Artifacts(CARD, folder=tmp_path).read()
    torch._dynamo.reset()
    again = Artifacts(CARD, folder=tmp_path)
    assert again.load(), again.reason


def test_what_does_not_pay_is_asked_once_per_card(tmp_path):
    module = network()
    verdicts = Verdicts(CARD, folder=tmp_path)
    verdicts.put("compile/sd15", {"pays": False, "eager_ms": 1.0, "compiled_ms": 1.0, "error": 0.0, "seconds": 1.0})
    own = compiler(tmp_path, pays=1.1)
    assert own.verdict("sd15") == Verdict(False, 1.0, 1.0, 0.0, 1.0)
    stepper = Stepper(device="cpu", compiler=own, record=record)
    for _ in range(3):
        run_job(stepper, module)
    assert stepper.counters.compiles == 0
    assert "does not pay" in next(iter(stepper.counters.reasons.values()))
    verdicts.put("compile/sd15", {"nonsense": 1})
    assert own.verdict("sd15") is None


def test_a_compilation_that_fails_leaves_the_job_as_it_is(tmp_path, monkeypatch):
    import torch

    from outfitswap_desktop.ml.speed import compiled

    def broken(forward):
        raise RuntimeError("no compiler on this machine\nat all")

    monkeypatch.setattr(compiled, "compile_forward", broken)
    module = network()
    stepper = Stepper(device="cpu", compiler=compiler(tmp_path, pays=0.0), record=record)
    first = run_job(stepper, module)
    run_job(stepper, module)
    wait(stepper)
    assert torch.equal(run_job(stepper, module), first)
    run_job(stepper, module)
    assert stepper.counters.compiles == 1
    assert stepper.counters.swaps == 0
    assert list(stepper.counters.reasons.values()) == ["RuntimeError: no compiler on this machine"]


def test_a_compiled_step_that_differs_is_not_used(tmp_path, monkeypatch):
    from outfitswap_desktop.ml.speed import compiled

    monkeypatch.setattr(compiled, "compile_forward", lambda forward: lambda *tensors: forward(*tensors) * 1.02)
    module = network()
    stepper = Stepper(device="cpu", compiler=compiler(tmp_path, pays=0.0), record=record)
    run_job(stepper, module)
    run_job(stepper, module)
    wait(stepper)
    run_job(stepper, module)
    assert stepper.counters.swaps == 0
    assert "differs by 0.02" in next(iter(stepper.counters.reasons.values()))


def test_closing_starts_nothing_more(tmp_path, monkeypatch):
    from outfitswap_desktop.ml.speed import compiled

    started = threading.Event()
    monkeypatch.setattr(compiled, "compile_forward", lambda forward: started.set())
    own = compiler(tmp_path, pays=0.0)
    own.close()
    compiling = own.start("sd15", forward_of(network()), inputs(), eager_ms=None)
    assert compiling.done.wait(60)
    assert not started.is_set()


def test_errors_that_are_not_finite_are_infinite():
    import torch

    one = torch.ones(3)
    assert relative_error(one * 1.1, one) == pytest.approx(0.1, rel=1e-3)
    assert relative_error(one * float("nan"), one) == float("inf")
    assert step_milliseconds(forward_of(network()), inputs(), repeats=3) > 0


# --- on a card --------------------------------------------------------------------------------------------------------


def on_card(tensors):
    import torch

    return tuple(tensor.to("cuda", torch.float16) for tensor in tensors)


@pytest.mark.gpu
def test_on_a_card_graphs_equal_eager_and_nothing_is_recompiled(tmp_path):
    import torch

    module = network(64).to("cuda", torch.float16)
    own = compiler(tmp_path, pays=0.0)
    stepper = Stepper(device="cuda", compiler=own, headroom_bytes=0)
    forward = forward_of(module)
    for job in range(4):
        for bucket in range(6):
            shape, size = replace(SHAPE, rows=bucket), 8 * (bucket + 1)
            wrapped = stepper.wrap(forward, module=module, shape=shape)
            latents, time, bias = on_card(inputs(size))
            with torch.inference_mode():
                for step in range(5):
                    moved = latents * (1 + 0.1 * step)
                    assert relative_error(wrapped(moved, time, bias), forward(moved, time, bias)) < 1e-2
        wait(stepper)
        if job == 2:
            warm = stepper.counters.recompiles
    assert stepper.counters.reasons == {}
    assert stepper.counters.captures >= 6
    assert stepper.counters.swaps == 6
    assert stepper.counters.recompiles == warm == 0


@pytest.mark.gpu
def test_on_a_card_a_step_that_waits_for_the_host_stays_eager():
    import torch

    module = network().to("cuda", torch.float16)

    def waits(latents, time, bias):
        return module(latents) * float(time) + bias

    stepper = Stepper(device="cuda", headroom_bytes=0)
    wrapped = stepper.wrap(waits, module=module, shape=SHAPE)
    tensors = on_card(inputs())
    with torch.inference_mode():
        for _ in range(5):
            assert torch.equal(wrapped(*tensors), waits(*tensors))
    assert stepper.counters.captures == 0
    assert len(stepper.counters.reasons) == 1
    assert torch.cuda.FloatTensor(1).zero_().item() == 0  # the card still works


@pytest.mark.gpu
def test_on_a_card_attention_is_probed_once(tmp_path):
    verdicts = Verdicts(this_card("cuda"), folder=tmp_path)
    found = choose_attention("sdxl", device="cuda", dtype="float16", verdicts=verdicts)
    assert found.kernels
    assert choose_attention("sdxl", device="cuda", dtype="float16", verdicts=verdicts) == found
