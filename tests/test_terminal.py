"""How the program begins and ends: closed and full streams, odd names, early Ctrl-C, warnings that nobody asked for."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

from outfitswap_desktop import terminal
from outfitswap_desktop.cli import run
from outfitswap_desktop.core.steps import Steps
from outfitswap_desktop.errors import NotAvailable
from tests.fakes import FakeSegmenter, InvertingGenerator

AGREED = ("--adult-consent", "self", "--adult-attested")
PROGRAM = [sys.executable, "-m", "outfitswap_desktop"]
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX streams and signals")


@pytest.fixture
def steps(monkeypatch, kernel):
    """The real command line with scripted steps."""
    scripted = Steps(FakeSegmenter(), InvertingGenerator())
    monkeypatch.setattr("outfitswap_desktop.wiring.make_steps", lambda _engine: scripted)
    monkeypatch.setattr("outfitswap_desktop.safety.kernel.SafetyKernel", lambda _ledger: kernel)
    return scripted


def shell(command):
    """Run a shell line with $PROGRAM in it; returns (what it printed, what it said on stderr)."""
    line = command.replace("$PROGRAM", " ".join(PROGRAM))
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout, done.stderr


@posix
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("$PROGRAM history list --json >&-; echo $? >&2", "0"),
        ("$PROGRAM history list <&- >&- 2>&3; echo $? >&2", "0"),
        ("$PROGRAM history show 9 >&-; echo $? >&2", "2"),
        ("{ $PROGRAM history list --json; echo $? >&2; } | true", "0"),
    ],
)
def test_a_closed_or_deserted_stdout_changes_no_exit_code(command, code):
    _, err = shell("exec 3>&2; " + command)
    assert err.splitlines()[-1] == code
    assert "Traceback" not in err
    assert "BrokenPipe" not in err


@posix
def test_a_closed_stderr_changes_no_exit_code():
    out, _ = shell("$PROGRAM history show 9 2>&-; echo $?")
    assert out.splitlines() == ["2"]


@posix
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
def test_a_full_disk_behind_stdout_is_said():
    _, err = shell("$PROGRAM history list --json >/dev/full; echo $? >&2")
    assert err.splitlines()[-1] == "4"
    assert "could not be written" in err
    assert "Traceback" not in err


@posix
def test_standard_streams_that_are_closed_are_taken_by_the_null_device(tmp_path):
    code = (
        "import os; from outfitswap_desktop.terminal import open_standard_streams; open_standard_streams(); "
        "handle = os.open(os.environ['ANSWER'], os.O_WRONLY | os.O_CREAT); os.write(handle, str(handle).encode()); "
        "print('lost'); os.write(2, b'lost')"
    )
    answer = tmp_path / "answer"
    line = f'"{sys.executable}" -c "{code}" <&- >&- 2>&-'
    subprocess.run(["/bin/sh", "-c", line], env={**os.environ, "ANSWER": str(answer)}, check=True)
    assert int(answer.read_text()) > 2


INTERRUPT_AT = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it starts in the background
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from outfitswap_desktop.cli import main
main(["doctor"])
"""


@posix
@pytest.mark.parametrize("module", ["typer", "outfitswap_desktop.terminal", "outfitswap_desktop.doctor"])
def test_ctrl_c_while_the_program_starts_leaves_no_traceback(module):
    done = subprocess.run([sys.executable, "-c", INTERRUPT_AT, module], capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert done.stderr in {"", "outfitswap: Cancelled.\n"}


def test_an_interrupt_outside_of_a_job_is_said(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("outfitswap_desktop.doctor.examine", interrupted)
    assert run(["doctor"]) == 130
    assert capsys.readouterr().err == "outfitswap: Cancelled.\n"
    assert run(["doctor", "--json"]) == 130
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "cancelled"


@posix
def test_names_that_are_no_text_go_through(capsys, steps, tmp_path, astronaut):
    photo, out = (os.fsdecode(os.fsencode(tmp_path) + name) for name in (b"/caf\xe9.png", b"/r\xe9sult.png"))
    Image.fromarray(astronaut).save(photo)
    assert run(["swap", photo, "-p", "red", "-o", out, "--json", *AGREED]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["output"] == out
    with open(answer["receipt"], encoding="utf-8") as receipt:  # noqa: PTH123
        assert json.load(receipt)["source"]["name"] == os.path.basename(photo)  # noqa: PTH119
    assert run(["history", "list"]) == 0
    assert run(["history", "list", "--json"]) == 0
    assert "sult.png" in capsys.readouterr().out
    assert run(["swap", photo, "-p", "red", "-o", photo]) == 2


@posix
def test_an_answer_in_an_ascii_terminal(tmp_path, own_home):
    run(["history", "list"])
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    code = "from outfitswap_desktop import terminal as t; t.show('h\\u00e9 \\U0001f455'); t.show_json({'a': '\\U0001f455'})"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    first, rest = done.stdout.split("\n", 1)
    assert first == "h\\xe9 \\U0001f455"
    assert json.loads(rest) == {"a": "\U0001f455"}


def test_a_message_is_one_line_whatever_is_in_it(capsys):
    terminal.fail(NotAvailable("No\nfolder  a\tb.", reason="x", hint="Look\r\nthere."), as_json=False)
    assert capsys.readouterr().err == "outfitswap: No folder  a\tb. Look there.\n"


def test_warnings_of_libraries_go_to_the_log_file_alone(capsys, monkeypatch, own_home):
    def noisy():
        warnings.warn("library chatter", UserWarning, stacklevel=1)
        logging.getLogger("PIL").warning("more chatter")
        logging.getLogger("outfitswap_desktop.wiring").warning("The history was damaged.")
        raise NotAvailable("No.", reason="x")

    monkeypatch.setattr("outfitswap_desktop.doctor.examine", noisy)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run(["doctor"]) == 4
    assert capsys.readouterr().err == "note: The history was damaged.\noutfitswap: No.\n"
    logged = (own_home / "outfitswap.log").read_text()
    assert "library chatter" in logged
    assert "more chatter" in logged


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_bar_is_on_a_terminal_only(monkeypatch, steps, tmp_path, astronaut_file, capsys):
    arguments = ["swap", str(astronaut_file), "-p", "red", "-o", str(tmp_path / "o.png"), *AGREED]
    assert run(arguments) == 0
    assert capsys.readouterr().err == ""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    assert run(arguments) == 0
    assert "%" in screen.getvalue()
    quiet = Terminal()
    monkeypatch.setattr(sys, "stderr", quiet)
    assert run([*arguments, "--json"]) == 0
    assert quiet.getvalue() == ""


def test_a_ctrl_c_on_a_terminal_is_answered_at_once_beside_the_bar(monkeypatch, steps, tmp_path, astronaut_file):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    steps.generator.on_generate = lambda: signal.raise_signal(signal.SIGINT)
    assert run(["swap", str(astronaut_file), "-p", "red", "-o", str(tmp_path / "o.png"), *AGREED]) == 130
    assert "Cancelling ..." in screen.getvalue()
    assert screen.getvalue().endswith("outfitswap: Cancelled.\n")
    assert not list(tmp_path.glob("o.*"))


def test_segment_checks_its_files_before_any_work_and_writes_both_or_none(
    capsys, monkeypatch, steps, tmp_path, astronaut_file, kernel
):
    mask, overlay = tmp_path / "m.png", tmp_path / "o.png"
    content = astronaut_file.read_bytes()
    for options in (
        ["-o", tmp_path / "m.jpg"],
        ["-o", astronaut_file],
        ["-o", mask, "--overlay", mask],
        ["-o", mask, "--overlay", tmp_path / "o.bmp"],
        ["-o", mask, "--overlay", astronaut_file],
    ):
        assert run(["segment", str(astronaut_file), *map(str, options)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert not steps.segmenter.calls
    assert astronaut_file.read_bytes() == content
    both = ["segment", str(astronaut_file), "-o", str(mask), "--overlay", str(overlay)]
    with monkeypatch.context() as patched:
        patched.setattr(type(kernel), "overlay", _refuse)
        assert run(both) == 4
    assert not list(tmp_path.glob("*m.png*"))
    assert run(both) == 0
    assert mask.is_file()
    assert overlay.is_file()


@pytest.mark.parametrize("command", ["swap", "segment"])
def test_a_refusal_leaves_no_empty_folder_and_takes_none_of_the_users(capsys, steps, tmp_path, astronaut_file, command):
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    (tmp_path / "mine").mkdir()
    words = ["-p", "red", *AGREED] if command == "swap" else []
    for folder in (tmp_path / "new" / "deeper", tmp_path / "mine", tmp_path / "mine" / "new"):
        assert run([command, str(bad), *words, "-o", str(folder / "o.png")]) == 3
    assert not (tmp_path / "new").exists()
    assert not list((tmp_path / "mine").iterdir())
    assert run([command, str(astronaut_file), *words, "-o", str(tmp_path / "new" / "deeper" / "o.png")]) == 0


def _refuse(*_args, **_options):
    raise NotAvailable("Refused.", reason="x")


@pytest.mark.slow
def test_the_demo_does_not_write_over_a_picture_of_the_users(capsys, steps, tmp_path):
    mine = tmp_path / "before.png"
    Image.fromarray(np.zeros((80, 80, 3), np.uint8)).save(mine)
    content = mine.read_bytes()
    assert run(["demo", "-o", str(tmp_path)]) == 2
    assert mine.read_bytes() == content
    assert run(["demo", "-o", str(tmp_path / "new" / "demo")]) == 0
    assert run(["demo", "-o", str(tmp_path / "new" / "demo")]) == 0


@pytest.mark.parametrize("command", [["demo"], ["batch", "{photos}", "--outfits", "{outfits}"]], ids=lambda c: c[0])
def test_a_folder_that_cannot_be_made_is_no_bug_of_ours(capsys, steps, tmp_path, astronaut_file, command):
    outfits = tmp_path / "outfits.txt"
    outfits.write_text("red\n")
    filled = [part.format(photos=tmp_path, outfits=outfits) for part in command]
    for folder in (outfits, outfits / "below", tmp_path / ("y" * 300)):
        assert run([*filled, "-o", str(folder)]) in {2, 4}  # systems differ in what they call it
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert outfits.read_text() == "red\n"


def test_a_home_that_cannot_be_made_is_no_bug_of_ours(capsys, monkeypatch, tmp_path, astronaut_file):
    blocked = tmp_path / "file"
    blocked.write_text("x")
    for home in (blocked, blocked / "below"):
        monkeypatch.setenv("OUTFITSWAP_HOME", str(home))
        for command in (["history", "list"], ["swap", str(astronaut_file), "-p", "red", "-o", str(tmp_path / "o.png")]):
            assert run(command) == 4
            (line,) = capsys.readouterr().err.splitlines()
            assert "OUTFITSWAP_HOME" in line
    assert not list(tmp_path.glob("o.*"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["history", "show", "9" * 23],
        ["history", "list", "--before", "9" * 23],
        ["history", "show", "0"],
        ["swap", "{photo}", "-p", "red", "-o", "{out}", "--seed", "-1"],
        ["swap", "{photo}", "-p", "red", "-o", "{out}", "--seed", "9" * 23],
    ],
)
def test_numbers_out_of_range_are_the_users_slip(capsys, tmp_path, astronaut_file, arguments):
    filled = [part.format(photo=astronaut_file, out=tmp_path / "o.png") for part in arguments]
    assert run(filled) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("outfitswap: ")
    assert "bug" not in line


def test_zones_may_be_typed_in_capitals_and_slips_name_the_right_help(capsys, steps, tmp_path, astronaut_file):
    arguments = ["segment", str(astronaut_file), "-o", str(tmp_path / "m.png"), "--zone"]
    assert run([*arguments, "TOP"]) == 0
    capsys.readouterr()
    assert run([*arguments, "hat"]) == 2
    err = capsys.readouterr().err
    assert "Value error" not in err
    assert err.endswith("See outfitswap segment --help.\n")


def test_the_list_names_a_garment_where_there_are_no_words(capsys, steps, tmp_path, astronaut_file):
    out = tmp_path / "o.png"
    assert run(["swap", str(astronaut_file), "-g", str(astronaut_file), "-o", str(out), *AGREED]) == 0
    assert run(["swap", str(astronaut_file), "-p", "red\nlinen", "-o", str(tmp_path / "p.png"), *AGREED]) == 0
    capsys.readouterr()
    assert run(["history", "list"]) == 0
    newer, older = capsys.readouterr().out.splitlines()
    assert "[astronaut.png]" in older
    assert "red linen" in newer
    assert "\x1b" not in newer
