"""Nothing else in the package writes pictures or opens files for writing: the safety kernel's `writing` is the only way out."""

import ast
from pathlib import Path

import outfitswap_desktop

PACKAGE = Path(outfitswap_desktop.__file__).resolve().parent
WRITES = {"write_bytes", "write_text", "imwrite", "imwritemulti", "tofile", "savez", "savefig", "imsave", "touch"}
ALLOWED = {
    "safety/writing.py": {"open"},
    "core/encode.py": {"save"},  # into memory
    "api.py": {"save"},  # the caller's own picture, into memory
    "store/database.py": {"touch"},
    "safety/records/database.py": {"open"},  # the lock beside the audit log
    "safety/records/erasing.py": {"open"},  # overwrites what it erases
    "terminal.py": {"open"},  # the log of a bug's traceback
    "engine/process.py": {"open"},  # the same, and the engine's own log
    "engine/shared.py": {"open"},  # takes the pages of a segment that is there
    "store/device.py": {"open"},  # the lock of a device, empty
    "ui/incoming.py": {"save"},  # a pasted picture, into memory
    "ui/pages/agreed.py": {"write_text"},  # what the user stated, in words
    "ui/autosave.py": {"save"},  # the project, into its database
    "cli_bench.py": {"write_text"},  # figures
    "weights/lock.py": {"open"},  # empty
    "weights/record.py": {"open"},  # hashes and licences
    "weights/unpack.py": {"open"},  # weights out of their archive
    "weights/pinning.py": {"write_text"},  # the maintainer's catalogue
    "weights/importing.py": {"open"},  # weights
    "private.py": {"open"},  # keys, secrets of the credits, and the texts that go to machines without a network
    "ml/embedding_cache.py": {"open", "savez"},  # SAM's numbers of a photo, which show nothing
    "ml/bench/cases_card.py": {"save"},  # random weights, for the length of a measurement
}


def writes(tree: ast.AST) -> set[str]:
    """Names of calls that can put bytes on a disk."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
        if name in WRITES or (name == "save" and (node.args or node.keywords)):  # QPainter.save() takes nothing
            found.add(name)
        if name == "open":
            words = [a.value for a in (*node.args, *(k.value for k in node.keywords)) if isinstance(a, ast.Constant)]
            if any(isinstance(w, str) and set(w) <= set("rwxabt+U") and set(w) & set("wxa+") for w in words):
                found.add(name)
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "os":
                flags = ast.unparse(node)
                if "O_WRONLY" in flags or "O_RDWR" in flags or "O_CREAT" in flags:
                    found.add(name)
    return found


def test_only_the_kernel_writes():
    wrong = {}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith("server/"):  # another program, which is not on the creator's machine and sees no picture
            continue
        more = writes(ast.parse(path.read_text(encoding="utf-8"))) - ALLOWED.get(name, set())
        if more:
            wrong[name] = more
    assert not wrong


def test_planted_writers_are_found():
    for planted in (
        "Image.fromarray(x).save('a.png')",
        "cv2.imwrite('a.png', x)",
        "Path('a').write_bytes(b'')",
        "open('a', 'wb')",
        "Path('a').open(mode='xb')",
        "os.open('a', os.O_CREAT | os.O_WRONLY)",
        "x.tofile('a')",
    ):
        assert writes(ast.parse(planted)), planted
    for harmless in ("open('me.png')", "Path('me').open('rb')", "os.open(f, os.O_RDONLY)", "x.replace('a', 'b')"):
        assert not writes(ast.parse(harmless)), harmless
