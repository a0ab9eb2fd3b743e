"""Batches: photos and outfits read from what people write, problems with their line, names that hold on every system."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outfitswap_desktop.core.manifest import Job, PhotoList, plan, read_manifest, read_outfits
from outfitswap_desktop.core.names import fault_of, safe_stem, same_file_key, slug
from outfitswap_desktop.core.zones import Zone
from outfitswap_desktop.errors import InputRefused, KnownError, UsageProblem


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with photos a.jpg, b.png, c.webp, a garment, a mask, and things that are no photos."""
    for name in ("b.png", "a.jpg", "c.webp", "sub/d.JPEG", "fabric/tartan.png", "masks/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"not read here")
    for name in ("notes.txt", ".hidden.jpg", "._a.jpg", "clip.mp4"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def put(folder: Path, text: str | bytes, name: str = "list.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return path


def names(jobs: tuple[Job, ...], output: Path) -> list[str]:
    return [job.request.output.relative_to(output).as_posix() for job in jobs]


# --- outfits ---------------------------------------------------------------------------------------------------------


def test_text_outfits_are_one_prompt_per_line(here: Path) -> None:
    text = "# Spring\n\n  navy pinstripe   linen shirt \r\nred dress\n# end\nsilk blouse, 100% silk"
    outfits = read_outfits(put(here, text, "outfits.txt"))
    assert [(o.line, o.prompt) for o in outfits.rows] == [
        (3, "navy pinstripe linen shirt"),
        (4, "red dress"),
        (6, "silk blouse, 100% silk"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_outfits(here: Path, delimiter: str) -> None:
    lines = [
        ("Name", "PROMPT", "zone", "garment", "seed"),
        ("one", '"a shirt, blue; or ""teal"""', "Top", "", "7"),
        ("", "", "", "fabric/tartan.png", ""),
    ]
    outfits = read_outfits(put(here, "\n".join(delimiter.join(cells) for cells in lines)))
    first, second = outfits.rows
    assert (first.prompt, first.zone, first.seed, first.name, first.line) == (
        'a shirt, blue; or "teal"',
        Zone.TOP,
        7,
        "one",
        2,
    )
    assert second.garment == here / "fabric/tartan.png"
    assert second.title == "tartan"
    assert outfits.notes == outfits.problems == ()


def test_json_outfits(here: Path) -> None:
    entries = [
        "red dress",
        {"prompt": "shirt", "seed": 3, "zone": "top"},
        {"garment": "fabric/tartan.png", "name": None},
    ]
    outfits = read_outfits(put(here, json.dumps(entries), "o.json"))
    assert [(o.prompt, o.seed, o.zone) for o in outfits.rows] == [
        ("red dress", None, None),
        ("shirt", 3, Zone.TOP),
        ("", None, None),
    ]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ('["ok", 5]', "o.json, entry 2 is neither"),
        ('["ok", {"promt": "x"}]', 'unknown name "promt"'),
        ('["ok", {"prompt": ["x"]}]', '"prompt" must be text'),
        ('["ok", {"prompt": "x", "seed": true}]', '"seed" must be text or a whole number'),
        ('["ok", {"prompt": "x", "seed": -4}]', 'entry 2: the seed "-4" must be a whole number from 0'),
        ('["ok", {"prompt": "x", "garment": "a\\u0000b.png"}]', "not there"),
        ('["ok", {}]', "entry 2: an outfit needs a prompt or a garment"),
    ],
)
def test_bad_json_entries_fail_alone(here: Path, entries: str, words: str) -> None:
    outfits = read_outfits(put(here, entries, "o.json"))
    assert [o.prompt for o in outfits.rows] == ["ok"]
    assert [p.line for p in outfits.problems] == [2]
    assert words in outfits.problems[0].error.message


@pytest.mark.parametrize(
    ("name", "content", "kind", "words"),
    [
        ("o.txt", b"", InputRefused, "o.txt is empty"),
        ("o.txt", b" \n\t\r\n", InputRefused, "is empty"),
        ("o.txt", b"# only\n# comments\n", InputRefused, "no rows"),
        ("o.txt", b"PK\x03\x04\x00\x00binary", InputRefused, "not a text file"),
        ("o.txt", b"\x81\x8d\xff", InputRefused, "neither UTF-8 nor Windows-1252"),
        ("o.csv", b"prompt,zone\n", InputRefused, "no rows"),
        ("o.csv", b"red dress\nblue shirt\n", UsageProblem, "names no column prompt or garment"),
        ("o.csv", b"prompt,zome\nx,top\n", UsageProblem, 'no column "zome"; did you mean zone?'),
        ("o.csv", b"prompt,zone,prompt\nx,top,y\n", UsageProblem, "the column prompt is there twice"),
        ("o.csv", b'prompt\nfine\n"never ends\n', InputRefused, "line 3: the quoting"),
        ("o.csv", b"prompt\n" + b"x" * 200_000, InputRefused, "line 2: the quoting cannot be read (field larger"),
        ("o.json", b'{\n "prompt": \n}', InputRefused, "line 3: this is not JSON"),
        ("o.json", b'{"prompt": "x"}', UsageProblem, "list of outfits"),
        ("o.json", b"[" * 200_000, InputRefused, "not JSON"),
        ("o.json", b"[]", InputRefused, "no rows"),
    ],
)
def test_files_that_cannot_be_used_say_why_in_one_sentence(
    here: Path, name: str, content: bytes, kind: type[KnownError], words: str
) -> None:
    with pytest.raises(kind) as caught:
        read_outfits(put(here, content, name))
    assert words in caught.value.message
    assert "\n" not in caught.value.message


def test_a_missing_file_and_a_folder_as_outfits(here: Path) -> None:
    with pytest.raises(InputRefused, match="not there"):
        read_outfits(here / "none.txt")
    with pytest.raises(InputRefused, match="cannot be read"):
        read_outfits(here / "sub")


def test_a_file_of_11_megabytes_is_not_read_to_the_end(here: Path) -> None:
    with pytest.raises(InputRefused, match="10 MB"):
        read_outfits(put(here, b"red\n" * (11 * 2**18), "o.txt"))


@pytest.mark.parametrize(
    ("encoding", "noted"), [("utf-8", False), ("utf-8-sig", False), ("utf-16", False), ("cp1252", True)]
)
@pytest.mark.parametrize("name", ["o.txt", "o.csv"])
def test_encodings(here: Path, encoding: str, noted: bool, name: str) -> None:
    text = "prompt\nchemise à fleurs – très légère\n"
    outfits = read_outfits(put(here, (text if name == "o.csv" else text[7:]).encode(encoding), name))
    assert outfits.rows[0].prompt == "chemise à fleurs – très légère"
    assert any("Windows-1252" in note for note in outfits.notes) is noted


def test_decomposed_letters_and_control_characters_are_settled(here: Path) -> None:
    outfits = read_outfits(put(here, "ve\u0301tement\x07 rouge\u2028vif", "o.txt"))
    assert outfits.rows[0].prompt == "v\u00e9tement rouge vif"


def test_repeated_outfits_are_left_out_and_said(here: Path) -> None:
    outfits = read_outfits(put(here, "red\nblue\nred\n", "o.txt"))
    assert [o.prompt for o in outfits.rows] == ["red", "blue"]
    assert outfits.notes == ("o.txt, line 3 repeats line 1 and is left out.",)


# --- photos ----------------------------------------------------------------------------------------------------------


def test_a_folder_is_listed_sorted_and_not_deeper(here: Path) -> None:
    photos = read_manifest(here)
    assert [row.photo.name for row in photos.rows] == ["a.jpg", "b.png", "c.webp"]
    assert "2 file(s) were left out" in photos.notes[0]
    assert "clip.mp4, notes.txt" in photos.notes[0]


def test_a_folder_is_listed_deeper_when_asked_without_the_results(here: Path) -> None:
    (here / ".cache").mkdir()
    (here / ".cache" / "x.png").write_bytes(b"x")
    photos = read_manifest(here, recursive=True, leave_out=here / "masks")
    listed = [row.photo.relative_to(here).as_posix() for row in photos.rows]
    assert listed == ["a.jpg", "b.png", "c.webp", "fabric/tartan.png", "sub/d.JPEG"]


def test_places_without_photos(here: Path) -> None:
    (here / "void").mkdir()
    for path, words in ((here / "void", "no photo in"), (here / "none.csv", "not there"), (here / "none", "not there")):
        with pytest.raises(InputRefused, match=words):
            read_manifest(path)
    with pytest.raises(UsageProblem, match=r"a\.jpg is a photo, not a list"):
        read_manifest(here / "a.jpg")
    with pytest.raises(UsageProblem, match="neither a folder nor a CSV"):
        read_manifest(here / "notes.txt")


def test_a_csv_manifest_with_every_column(here: Path) -> None:
    text = (
        "photo,prompt,garment,zone,person,mask,seed,output\n"
        "a.jpg,linen shirt,fabric/tartan.png,top,2,masks/a.png,9,looks/one.webp\n"
        "\n"
        "sub\\d.JPEG\n"
        f"{here / 'b.png'},\n"
    )
    first, second, third = read_manifest(put(here, text)).rows
    assert (first.prompt, first.zone, first.person, first.seed, first.output) == (
        "linen shirt",
        Zone.TOP,
        2,
        9,
        "looks/one.webp",
    )
    assert (first.garment, first.mask) == (here / "fabric/tartan.png", here / "masks/a.png")
    assert second.photo == (here / "sub/d.JPEG" if os.sep == "/" else here / "sub\\d.JPEG")
    assert (second.line, third.line) == (4, 5)
    assert third.photo == here / "b.png"


@pytest.mark.parametrize(
    ("row", "kind", "words"),
    [
        ("none.jpg", InputRefused, "line 3: the photo none.jpg is not there"),
        ("folder.png", InputRefused, "line 3: the photo folder.png is a folder"),
        (",red", UsageProblem, "line 3: no photo is named"),
        ("b.png,red,none.png", InputRefused, "the garment picture none.png is not there"),
        ("b.png,red,,hat", UsageProblem, 'line 3: there is no zone "hat"; zones are top, bottom, dress, outer, full'),
        ("b.png,red,,,0", UsageProblem, 'the person "0" must be a whole number from 1'),
        ("b.png,red,,,two", UsageProblem, 'the person "two" must be'),
        ("b.png,red,,,,none.png", InputRefused, "the mask none.png is not there"),
        ("b.png,red,,,,,1.5", UsageProblem, 'the seed "1.5" must be'),
        ("b.png,red,,,,,9223372036854775808", UsageProblem, "the seed"),
        ("b.png,red,,,,,,../out.png", UsageProblem, "must stay inside the output folder"),
        ("b.png,red,,,,,,looks\\..\\..\\out.png", UsageProblem, "must stay inside"),
        ("b.png,red,,,,,,/etc/out.png", UsageProblem, "must be relative"),
        ("b.png,red,,,,,,C:\\out.png", UsageProblem, "must be relative"),
        ("b.png,red,,,,,,C:out.png", UsageProblem, "must be relative"),
        ("b.png,red,,,,,,\\\\server\\share\\out.png", UsageProblem, "must be relative"),
        ("b.png,red,,,,,,~/out.png", UsageProblem, "must be relative"),
        ("b.png,red,,,,,,out.png:stream", UsageProblem, "no file name can hold"),
        ("b.png,red,,,,,,looks//out.png", UsageProblem, "a part that is empty"),
        ("b.png,red,,,,,,NUL.png", UsageProblem, "uses the name NUL, which Windows keeps"),
        ("b.png,red,,,,,,com¹/out.png", UsageProblem, "which Windows keeps"),
        ("b.png,red,,,,,,looks./out.png", UsageProblem, "ends with a dot"),
        ("b.png,red,,,,,,out.exe", UsageProblem, "must end in one of .png"),
        (f"b.png,red,,,,,,{'x' * 300}.png", UsageProblem, "too long"),
        ("b.png,red,,,,,,looks/first.mask.png", UsageProblem, "gives to files of its own"),
        ("b.png,red,,,,,,Contact-Sheet.png", UsageProblem, "gives to files of its own"),
        ("b.png,red,,,,,,first.jpg", UsageProblem, "line 3: the output first.jpg is already used by line 2"),
        ("b.png,red,,,,,,FIRST.PNG", UsageProblem, "already used by line 2"),
        ("b.png,a,b,c,d,e,f,g,h,i", UsageProblem, "line 3 has 10 cells, but the header has 8"),
    ],
)
def test_a_bad_row_fails_alone_with_its_line(here: Path, row: str, kind: type[KnownError], words: str) -> None:
    text = f"photo,prompt,garment,zone,person,mask,seed,output\na.jpg,blue,,,,,,first.png\n{row}\nc.webp,green,,,,,,\n"
    photos = read_manifest(put(here, text))
    assert [r.photo.name for r in photos.rows] == ["a.jpg", "c.webp"]
    (problem,) = photos.problems
    assert problem.line == 3
    assert type(problem.error) is kind
    assert words in problem.error.message
    assert problem.error.message.startswith("list.csv, line 3")


def test_lines_are_counted_through_quoted_line_breaks(here: Path) -> None:
    text = 'photo,prompt\na.jpg,"two\nlines"\nnone.jpg,x\n'
    photos = read_manifest(put(here, text))
    assert photos.rows[0].prompt == "two lines"
    assert photos.problems[0].line == 4


def test_when_no_row_is_left_the_first_problem_is_raised(here: Path) -> None:
    with pytest.raises(InputRefused, match=r"No row can be used: list.csv, line 2: .*none.jpg.*\(and 1 more rows\)"):
        read_manifest(put(here, "photo\nnone.jpg\nalso-none.jpg\n"))


def test_repeated_rows_and_strange_columns_are_said(here: Path) -> None:
    photos = read_manifest(put(here, "photo,comment\na.jpg,x\na.jpg,y\n"))
    assert len(photos.rows) == 1
    assert photos.notes == ("list.csv: not used: comment.", "list.csv, line 3 repeats line 2 and is left out.")


# --- jobs ------------------------------------------------------------------------------------------------------------


def test_photos_times_outfits(here: Path) -> None:
    outfits = read_outfits(put(here, "navy pinstripe linen shirt\nRed dress!\n", "o.txt"))
    out = here / "out"
    jobs = plan(read_manifest(here), outfits, output=out, consent="self", seed=5)
    assert names(jobs, out) == [
        "a__navy-pinstripe-linen-shirt.png",
        "a__red-dress.png",
        "b__navy-pinstripe-linen-shirt.png",
        "b__red-dress.png",
        "c__navy-pinstripe-linen-shirt.png",
        "c__red-dress.png",
    ]
    assert [job.number for job in jobs] == [1, 2, 3, 4, 5, 6]
    assert {(job.request.consent, job.request.seed, job.request.engine) for job in jobs} == {("self", 5, "auto")}
    assert not out.exists()


def test_a_rows_own_words_make_one_job_and_own_values_win(here: Path) -> None:
    outfits = read_outfits(put(here, "prompt,zone,seed\nred,dress,4\n", "o.csv"))
    photos = read_manifest(put(here, "photo,prompt,zone,seed\na.jpg,own words,top,7\nb.png,,outer,\nc.webp,,,0\n"))
    jobs = plan(photos, outfits, output=here / "out", zone=Zone.FULL, seed=1)
    said = [(j.request.prompt, j.request.zone, j.request.seed, j.line) for j in jobs]
    assert said == [("own words", Zone.TOP, 7, 2), ("red", Zone.OUTER, 4, 3), ("red", Zone.DRESS, 0, 4)]


def test_a_photo_without_any_outfit_is_a_usage_problem(here: Path) -> None:
    with pytest.raises(UsageProblem, match=r"Line 3: the photo b.png has no outfit"):
        plan(read_manifest(put(here, "photo,prompt\na.jpg,red\nb.png,\n")), None, output=here / "out")
    with pytest.raises(UsageProblem, match=r"The photo a.jpg has no outfit"):
        plan(read_manifest(here), None, output=here / "out")


def test_given_outputs(here: Path) -> None:
    outfits = read_outfits(put(here, "red\nblue\n", "o.txt"))
    text = "photo,prompt,output\na.jpg,own,looks/one\nb.png,own,two.jpg\nc.webp,,looks/three.webp\n"
    jobs = plan(read_manifest(put(here, text)), outfits, output=here / "out")
    assert names(jobs, here / "out") == ["looks/one.png", "two.jpg", "looks/three__red.webp", "looks/three__blue.webp"]


def clashing(here: Path, order: list[int]) -> PhotoList:
    """Rows that all want the name a__red: same stem elsewhere, other suffix, other case, and one that gives it."""
    for name in ("x/a.jpg", "y/a.png", "y/A.webp"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_bytes(b"x")
    rows = ["x/a.jpg,red,", "y/a.png,Red,", "y/A.webp,red!,", "a.jpg,green,a__red.png", "b.png,red,"]
    return read_manifest(put(here, "photo,prompt,output\n" + "\n".join(rows[n] for n in order) + "\n"))


def test_clashing_names_are_told_apart_in_the_same_way_in_any_order(here: Path) -> None:
    out = here / "out"
    one = plan(clashing(here, [0, 1, 2, 3, 4]), None, output=out)
    two = plan(clashing(here, [4, 2, 0, 3, 1]), None, output=out)
    assert {j.request.photo: j.request.output for j in one} == {j.request.photo: j.request.output for j in two}
    assert {j.request.photo: j.key for j in one} == {j.request.photo: j.key for j in two}
    keys = {same_file_key(name) for name in names(one, out)}
    assert len(keys) == 5
    assert {"a__red.png", "b__red.png"} <= set(names(one, out))


def test_moving_the_whole_batch_changes_no_name(tmp_path: Path) -> None:
    made = []
    for place in ("here", "elsewhere/deeper"):
        folder = tmp_path / place
        (folder / "x").mkdir(parents=True)
        for name in ("x/a.jpg", "a.jpg"):
            (folder / name).write_bytes(b"x")
        photos = read_manifest(put(folder, "photo,prompt\nx/a.jpg,red\na.jpg,red\n"))
        jobs = plan(photos, None, output=folder / "out")
        made.append([(job.key, job.request.output.name) for job in jobs])
    assert made[0] == made[1]
    assert len(set(made[0])) == 2


def test_the_same_wish_is_planned_once(here: Path) -> None:
    outfits = read_outfits(put(here, "red\n", "o.txt"))
    photos = read_manifest(put(here, "photo,seed\na.jpg,\n./a.jpg,\nsub/../a.jpg,\n"))
    assert len(plan(photos, outfits, output=here / "out")) == 1


def test_wishes_that_differ_in_anything_are_different_jobs(here: Path) -> None:
    wishes = [
        "a.jpg,red,,top,1,,1",
        "a.jpg,red,,top,1,,2",
        "a.jpg,red,,top,2,,1",
        "a.jpg,red,,dress,1,,1",
        "a.jpg,red,,top,1,masks/a.png,1",
        "a.jpg,red,fabric/tartan.png,top,1,,1",
        "b.png,red,,top,1,,1",
    ]
    photos = read_manifest(put(here, "photo,prompt,garment,zone,person,mask,seed\n" + "\n".join(wishes) + "\n"))
    jobs = plan(photos, None, output=here / "out")
    assert len({job.key for job in jobs}) == len({job.request.output for job in jobs}) == len(wishes)


def test_results_never_take_the_place_of_sources(here: Path) -> None:
    outfits = read_outfits(put(here, "red\n", "o.txt"))
    with pytest.raises(UsageProblem, match="a folder of their own"):
        plan(read_manifest(here), outfits, output=here / "sub" / "..")
    photos = read_manifest(put(here, "photo,prompt,output\na.jpg,red,b.png\nb.png,blue,\n"))
    with pytest.raises(UsageProblem, match=r"Line 2: the output b\.png would overwrite a source"):
        plan(photos, None, output=here)
    (here / "new.mask.png").write_bytes(b"x")
    photos = read_manifest(put(here, "photo,prompt,mask,output\na.jpg,red,new.mask.png,new.png\n"))
    with pytest.raises(UsageProblem, match=r"the output new\.png would overwrite a source"):
        plan(photos, None, output=here)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_in_the_output_folder_does_not_lead_out(here: Path) -> None:
    (here / "out").mkdir()
    (here / "out" / "looks").symlink_to(here / "sub")
    photos = read_manifest(put(here, "photo,prompt,output\na.jpg,red,looks/x.png\n"))
    with pytest.raises(UsageProblem, match="leaves the output folder"):
        plan(photos, None, output=here / "out")


def test_too_many_jobs_are_refused(here: Path) -> None:
    outfits = read_outfits(put(here, "\n".join(f"shade {n}" for n in range(60_000)), "o.txt"))
    photos = read_manifest(here)
    with pytest.raises(UsageProblem, match="more than 100,000 jobs"):
        plan(photos, outfits, output=here / "out")


def test_ten_thousand_jobs_have_ten_thousand_names(here: Path) -> None:
    outfits = read_outfits(put(here, "\n".join(f"shade {n}" for n in range(3_400)), "o.txt"))
    photos = read_manifest(here)
    jobs = plan(photos, outfits, output=here / "out")
    assert len({job.request.output for job in jobs}) == len({job.key for job in jobs}) == 10_200


# --- names -----------------------------------------------------------------------------------------------------------

RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{d}{n}" for d in ("COM", "LPT") for n in (*range(10), "¹", "²", "³"))}


def holds_everywhere(name: str) -> bool:
    """An own reading of the rules of Windows, macOS and Linux for one part of a path."""
    return (
        0 < len(name.encode("utf-8")) <= 220
        and not set(name) & set('<>:"/\\|?*')
        and all(ord(c) >= 32 for c in name)
        and name[-1] not in " ."
        and name.partition(".")[0].rstrip().upper() not in RESERVED
        and unicodedata.is_normalized("NFC", name)
        and len(PureWindowsPath(name).parts) == len(PurePosixPath(name).parts) == 1
    )


anything = st.text(st.characters(exclude_categories=()), max_size=150)


@given(anything, anything)
@settings(deadline=None)
def test_every_made_name_holds_everywhere(stem: str, words: str) -> None:
    name = f"{safe_stem(stem)}__{slug(words)}-0123456789abcdef.png"
    assert holds_everywhere(name), name
    assert fault_of(name) is None
    assert slug(slug(words)) == slug(words)
    assert safe_stem(safe_stem(stem)) == safe_stem(stem)


@given(st.text(st.sampled_from('ab.. /\\:~CONcon1\x00"é\u0301 -'), max_size=12) | anything)
@settings(deadline=None)
def test_an_accepted_output_never_leaves_the_folder(written: str) -> None:
    if fault_of(written) is not None:
        return
    for path in (PureWindowsPath(written), PurePosixPath(written.replace("\\", "/"))):
        assert not path.is_absolute()
        assert not path.drive
        assert ".." not in path.parts
    assert all(part.partition(".")[0].rstrip().upper() not in RESERVED for part in PureWindowsPath(written).parts)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Navy pinstripe, LINEN shirt", "navy-pinstripe-linen-shirt"),
        ("100% coton – été", "100-coton-été"),
        ("赤いドレス", "赤いドレス"),
        ("🎽🎽", "outfit"),
        ("", "outfit"),
        (
            "a very long prompt that goes on and on about sleeves and more",
            "a-very-long-prompt-that-goes-on-and-on-about",
        ),
    ],
)
def test_slugs(words: str, expected: str) -> None:
    assert slug(words) == expected


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("IMG_0001 (2)", "IMG_0001 (2)"),
        ("con", "_con"),
        ("nul.tar", "_nul.tar"),
        ("a:b", "a_b"),
        (" . ", "photo"),
        ("-rf", "rf"),
    ],
)
def test_stems(stem: str, expected: str) -> None:
    assert safe_stem(stem) == expected
