"""The product's own road through the child: a photo opened, parsed, refined, changed, looked at again, exported, reported."""

import json
import os
import re
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop.core.job import SwapRequest
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.engine.messages import (
    CheckPrompt,
    CompleteWord,
    ExportResult,
    Failed,
    FindGarments,
    FindJob,
    Finished,
    OpenPhoto,
    OpenResult,
    RefineMask,
    Refused,
    RunSwap,
    VerifyFile,
    WriteReport,
)
from outfitswap_desktop.store.history import History

SECOND = 120


def test_one_photo_all_the_way(talk_to, astronaut, astronaut_file, tmp_path, own_home):
    talk = talk_to(None)

    def answer(request):
        end = talk.ask(request, seconds=SECOND)
        assert isinstance(end, Finished), end
        return end.answer

    opened = answer(OpenPhoto(astronaut_file))
    assert np.array_equal(opened.pixels, astronaut)
    assert not opened.pixels.flags.writeable
    assert not opened.consented
    assert answer(OpenPhoto(astronaut_file.read_bytes(), role="garment")).sha256 == opened.sha256

    found = answer(FindGarments(astronaut_file))
    assert found.largest is Zone.TOP
    assert set(found.protected) >= {"head", "hair"}
    top = found.regions[Zone.TOP]
    assert top.mask.shape == (512, 512)
    refined = answer(RefineMask(astronaut_file, box=top.box, mask=top.mask))
    assert refined.tool == "grabcut"
    assert not np.any(refined.mask[found.protected["head"] > 0])

    said = answer(CheckPrompt("navy linen"))
    assert said.allowed
    refused = answer(CheckPrompt("bikini"))
    assert (refused.allowed, refused.category) == (False, "swimwear")
    words = answer(CompleteWord("lin", limit=3))
    assert words[0] == "linen"
    assert len(words) == 3

    request = SwapRequest(
        photo=astronaut_file,
        output=tmp_path / "out" / "result.png",
        prompt="navy linen",
        consent="self",
        adult_attested=True,
    )
    assert answer(FindJob("job-1")) is None
    done = answer(RunSwap(request, job="job-1", mask=refined.mask))
    assert done.about["outside_mask_changed_pixels"] == 0
    again = answer(RunSwap(request, job="job-1"))  # its end was lost: it is not run again
    assert again.about["entry_id"] == done.about["entry_id"]
    assert {name: again.about[name] for name in ("output", "mask", "zone")} == {
        name: done.about[name] for name in ("output", "mask", "zone")
    }
    assert np.array_equal(again.picture.pixels, done.picture.pixels)
    assert answer(OpenPhoto(astronaut_file)).consented

    seen = answer(OpenResult(done.picture.output, done.picture.sha256))
    assert np.array_equal(seen.picture.pixels, done.picture.pixels)
    assert not (seen.picture.pixels != astronaut).any(axis=2)[seen.mask == 0].any()

    copy = answer(ExportResult(done.picture.output, done.picture.sha256, tmp_path / "copy.jpg", quality=90, label=True))
    marks = answer(VerifyFile(copy))
    assert all(marks[name]["present"] and marks[name]["valid"] for name in ("xmp", "c2pa"))
    over = talk.ask(ExportResult(done.picture.output, done.picture.sha256, done.picture.output), seconds=SECOND)
    assert over.problem.reason == "over_source"
    forged = talk.ask(ExportResult(astronaut_file, opened.sha256, tmp_path / "forged.png"), seconds=SECOND)
    assert isinstance(forged, Refused)
    assert forged.problem.reason == "result_unknown"
    assert not (tmp_path / "forged.png").exists()

    with History(own_home / "history.db") as history:
        (entry,) = history.list()
        assert (entry.job, entry.id) == ("job-1", done.about["entry_id"])

    shown = answer(WriteReport(None, entry=entry.id))
    archive = tmp_path / "report.zip"
    saved = answer(WriteReport(archive, note="It hung.", entry=entry.id))
    assert {name: text for name, text in saved.items() if name != "note.txt"} == shown
    with zipfile.ZipFile(archive) as packed:
        assert {name: packed.read(name).decode() for name in packed.namelist()} == saved
    everything = "\n".join(shown.values())
    for secret in ("navy linen", "astronaut", str(tmp_path), str(Path.home()), os.environ.get("USER") or "nobody-here"):
        assert secret not in everything
    assert json.loads(shown["result.json"])["made"]["zone"] == "top"


def test_what_cannot_be_done_is_said_as_on_the_command_line(talk_to, astronaut_file, tmp_path):
    talk = talk_to(None)
    request = SwapRequest(photo=astronaut_file, output=tmp_path / "o.png", prompt="navy linen", engine="sdxl")
    missing = talk.ask(RunSwap(request), seconds=SECOND)
    assert isinstance(missing, Failed)
    assert missing.problem.reason == "weights_missing"
    unreadable = talk.ask(OpenPhoto(tmp_path / "none.jpg"), seconds=SECOND)
    assert isinstance(unreadable, Refused)
    assert unreadable.problem.kind == "input_refused"


@pytest.mark.slow
def test_the_whole_road_with_inet_sockets_blocked(tmp_path, astronaut_file, own_home):
    """In the child too: the block is set up by a module that every Python process of this test loads at its start."""
    import subprocess

    (tmp_path / "sitecustomize.py").write_text(
        textwrap.dedent("""
        import socket, sys

        def deny(event, args):
            if event == "socket.__new__" and args[1] in (socket.AF_INET, socket.AF_INET6):
                raise OSError("INET sockets are blocked")
            if event in ("socket.getaddrinfo", "socket.bind"):
                raise OSError("network use is blocked: " + event)

        sys.addaudithook(deny)
    """)
    )
    script = tmp_path / "window.py"
    script.write_text(
        textwrap.dedent("""
        import socket, sys
        from pathlib import Path
        from outfitswap_desktop.core.job import SwapRequest
        from outfitswap_desktop.engine.client import EngineClient
        from outfitswap_desktop.engine.messages import RunSwap

        if __name__ == "__main__":
            try:
                socket.socket()
            except OSError:
                pass
            else:
                sys.exit("the block does not hold")
            client = EngineClient()
            request = SwapRequest(photo=Path(sys.argv[1]), output=Path(sys.argv[2]), prompt="navy linen", consent="self",
                                  adult_attested=True)
            number = client.send(RunSwap(request))
            while getattr(event := client.poll(60), "id", None) != number or not hasattr(event, "answer"):
                print(event, flush=True)
                if event is None or hasattr(event, "problem"):
                    break
            client.close()
    """)
    )
    root = str(Path(__file__).resolve().parents[2])
    run = subprocess.run(
        [sys.executable, str(script), str(astronaut_file), str(tmp_path / "out.png")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"},
        check=False,
        timeout=240,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "out.png").is_file(), run.stdout


def test_a_colour_managed_photo_is_shown_in_srgb(talk_to, astronaut, tmp_path):
    from tests.core.profiles import display_p3

    path = tmp_path / "wide.png"
    Image.fromarray(astronaut).save(path, icc_profile=display_p3())
    opened = talk_to(None).ask(OpenPhoto(path), seconds=SECOND).answer
    assert opened.pixels.shape == astronaut.shape
    assert not np.array_equal(opened.pixels, astronaut)


def test_a_log_keeps_its_secrets(own_home):
    from outfitswap_desktop.diagnostics import harmless_lines

    log = textwrap.dedent("""
        --- 2026-01-02T03:04:05+00:00
        Traceback (most recent call last):
          File "/home/anna/venv/lib/python3.11/site-packages/outfitswap_desktop/core/mask.py", line 12, in grow
            raise ValueError(f"{prompt} of {name}")
          File "/home/anna/secret/plugin.py", line 3, in <module>
          File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode
        ValueError: tangerine houndstooth of Anna in /home/anna/photo.jpg
        WARNING outfitswap_desktop.wiring: /home/anna/x was moved
        outfitswap_desktop.errors.PhotoUnreadable: anna.png
        W0000 00:00 inference_feedback_manager.cc:114] Feedback
    """)
    kept = list(harmless_lines(log))
    assert kept == [
        "--- 2026-01-02T03:04:05+00:00",
        "  outfitswap_desktop/core/mask.py:12 in grow",
        "  (elsewhere):3 in <module>",
        "  json/decoder.py:355 in raw_decode",
        "ValueError",
        "WARNING outfitswap_desktop.wiring",
        "outfitswap_desktop.errors.PhotoUnreadable",
    ]
    assert not re.search("anna|tangerine|secret", "\n".join(kept), re.IGNORECASE)


@pytest.mark.parametrize("where", ["C:\\Users\\anna\\x.db", "/home/anna/x.db", "/mnt/big disk/anna", "\\\\share\\anna"])
def test_paths_do_not_go_into_a_report(where):
    from outfitswap_desktop.diagnostics import _without_paths

    document = {"rows": [{"value": f"65 GB free in {where}"}, {"value": f"3.11 ({where}), ok"}, {"value": where}]}
    texts = [row["value"] for row in _without_paths(document)["rows"]]
    assert texts == ["65 GB free in (path)", "3.11 ((path)), ok", "(path)"]
    assert (
        _without_paths("AMD; 2 of 2 threads, see https://example.org/x")
        == "AMD; 2 of 2 threads, see https://example.org/x"
    )
