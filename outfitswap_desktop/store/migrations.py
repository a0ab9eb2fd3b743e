"""The schemas of the history and of the thumbnails, step by step; a step that was released is never changed again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

_HISTORY_1 = (
    """
    CREATE TABLE journal (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        state TEXT NOT NULL CHECK (state IN ('preparing', 'publishing')),
        pid INTEGER NOT NULL,
        started TEXT NOT NULL,
        created TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE journal_files (
        journal_id INTEGER NOT NULL REFERENCES journal (id) ON DELETE CASCADE,
        role TEXT NOT NULL,
        part NOT NULL,
        final NOT NULL,
        sha256 TEXT,
        PRIMARY KEY (journal_id, role)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX journal_files_final ON journal_files (final)",
    """
    CREATE TABLE entries (
        id INTEGER PRIMARY KEY,
        created TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('publishing', 'done', 'replaced')),
        replaced_by INTEGER,
        photo, photo_sha256 TEXT NOT NULL,
        prompt TEXT NOT NULL,
        zone TEXT NOT NULL,
        engine TEXT NOT NULL,
        segmenter TEXT NOT NULL,
        output NOT NULL, output_sha256 TEXT NOT NULL,
        mask, mask_sha256 TEXT,
        receipt_file, receipt_sha256 TEXT,
        seed TEXT NOT NULL,
        receipt TEXT NOT NULL,
        batch TEXT,
        outfit TEXT
    )
    """,
    "CREATE INDEX entries_shown ON entries (id) WHERE state <> 'publishing'",
    "CREATE INDEX entries_output ON entries (output)",
    "CREATE INDEX entries_mask ON entries (mask)",
    "CREATE INDEX entries_receipt ON entries (receipt_file)",
    "CREATE INDEX entries_batch ON entries (batch, id) WHERE batch IS NOT NULL",
    """
    CREATE VIRTUAL TABLE entries_text USING fts5 (
        prompt, content = 'entries', content_rowid = 'id', prefix = '2 3', tokenize = 'unicode61 remove_diacritics 2'
    )
    """,
    """
    CREATE TRIGGER entries_added AFTER INSERT ON entries BEGIN
        INSERT INTO entries_text (rowid, prompt) VALUES (new.id, new.prompt);
    END
    """,
    """
    CREATE TRIGGER entries_removed AFTER DELETE ON entries BEGIN
        INSERT INTO entries_text (entries_text, rowid, prompt) VALUES ('delete', old.id, old.prompt);
    END
    """,
    """
    CREATE TRIGGER entries_reworded AFTER UPDATE OF prompt ON entries BEGIN
        INSERT INTO entries_text (entries_text, rowid, prompt) VALUES ('delete', old.id, old.prompt);
        INSERT INTO entries_text (rowid, prompt) VALUES (new.id, new.prompt);
    END
    """,
)

_FACET: Final = "char(57344)"
"""Begins every word of `facets`: U+E000 is in the tokenizer's alphabet and on nobody's keyboard, so no search meets one."""

_HISTORY_2 = (
    "DROP TRIGGER entries_added",
    "DROP TRIGGER entries_removed",
    "DROP TRIGGER entries_reworded",
    "DROP TABLE entries_text",
    "ALTER TABLE entries ADD COLUMN job TEXT",
    "ALTER TABLE entries ADD COLUMN starred INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE entries ADD COLUMN trashed TEXT",
    "ALTER TABLE entries ADD COLUMN parent INTEGER",
    "ALTER TABLE entries ADD COLUMN root TEXT",
    "ALTER TABLE entries ADD COLUMN tag_words TEXT NOT NULL DEFAULT ''",
    """
    ALTER TABLE entries ADD COLUMN photo_name TEXT GENERATED ALWAYS AS (
        CASE typeof(photo) WHEN 'text' THEN substr(
            replace(photo, '\\', '/'), length(rtrim(replace(photo, '\\', '/'), replace(replace(photo, '\\', '/'), '/', ''))) + 1
        ) ELSE '' END
    ) VIRTUAL
    """,
    f"""
    ALTER TABLE entries ADD COLUMN facets TEXT GENERATED ALWAYS AS (
        {_FACET} || 'z' || lower(hex(zone)) || ' ' || {_FACET} || 'e' || lower(hex(engine))
        || ' ' || {_FACET} || 'r' || coalesce(root, photo_sha256)
        || CASE WHEN batch IS NOT NULL THEN ' ' || {_FACET} || 'b' || lower(hex(batch)) ELSE '' END
        || CASE WHEN starred THEN ' ' || {_FACET} || 'star' ELSE '' END
        || CASE WHEN trashed IS NOT NULL THEN ' ' || {_FACET} || 'trash' ELSE '' END
        || ' ' || tag_words
    ) VIRTUAL
    """,
    """
    CREATE TABLE tags (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE)
    """,
    """
    CREATE TABLE entry_tags (
        entry_id INTEGER NOT NULL REFERENCES entries (id) ON DELETE CASCADE,
        tag_id INTEGER NOT NULL REFERENCES tags (id) ON DELETE CASCADE,
        PRIMARY KEY (entry_id, tag_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX entry_tags_tag ON entry_tags (tag_id, entry_id)",
    "CREATE INDEX entries_job ON entries (job) WHERE job IS NOT NULL",
    "CREATE INDEX entries_kept ON entries (id) WHERE state <> 'publishing' AND trashed IS NULL",
    "CREATE INDEX entries_trashed ON entries (trashed) WHERE trashed IS NOT NULL",
    "CREATE INDEX entries_created ON entries (created)",
    "CREATE INDEX entries_result ON entries (output_sha256)",
    "CREATE INDEX entries_photo ON entries (photo_sha256, id)",
    """
    UPDATE entries SET root = json_extract(receipt, '$.safety.root_sha256')
    WHERE CASE WHEN json_valid(receipt) AND typeof(json_extract(receipt, '$.safety.root_sha256')) = 'text'
        THEN json_extract(receipt, '$.safety.root_sha256') ELSE photo_sha256 END <> photo_sha256
    """,
    """
    UPDATE entries SET parent = (
        SELECT max(older.id) FROM entries AS older
        WHERE older.output_sha256 = entries.photo_sha256 AND older.id < entries.id
    ) WHERE photo_sha256 IN (SELECT output_sha256 FROM entries)
    """,
    "CREATE INDEX entries_parent ON entries (parent) WHERE parent IS NOT NULL",
    """
    CREATE VIRTUAL TABLE entries_text USING fts5 (
        prompt, photo_name, facets,
        content = 'entries', content_rowid = 'id', prefix = '1 2 3 4 5 6 7 8', tokenize = 'unicode61 remove_diacritics 2'
    )
    """,
    "INSERT INTO entries_text (entries_text) VALUES ('rebuild')",
    """
    CREATE TRIGGER entries_added AFTER INSERT ON entries BEGIN
        INSERT INTO entries_text (rowid, prompt, photo_name, facets)
        VALUES (new.id, new.prompt, new.photo_name, new.facets);
    END
    """,
    """
    CREATE TRIGGER entries_removed AFTER DELETE ON entries BEGIN
        INSERT INTO entries_text (entries_text, rowid, prompt, photo_name, facets)
        VALUES ('delete', old.id, old.prompt, old.photo_name, old.facets);
    END
    """,
    """
    CREATE TRIGGER entries_reworded AFTER UPDATE OF prompt, photo, zone, engine, batch, root, starred, trashed, tag_words
    ON entries BEGIN
        INSERT INTO entries_text (entries_text, rowid, prompt, photo_name, facets)
        VALUES ('delete', old.id, old.prompt, old.photo_name, old.facets);
        INSERT INTO entries_text (rowid, prompt, photo_name, facets)
        VALUES (new.id, new.prompt, new.photo_name, new.facets);
    END
    """,
)

# Half as many merges of the text index: adding an entry among a million takes 1.7 instead of up to 2.4 ms (p95), and
# reading twice as many segments costs a search nothing that shows (docs/benchmarks.md).
_HISTORY_3 = ("INSERT INTO entries_text (entries_text, rank) VALUES ('automerge', 8)",)

_HISTORY_4 = (
    "ALTER TABLE entries ADD COLUMN hold TEXT",
    "CREATE INDEX entries_hold ON entries (hold) WHERE hold IS NOT NULL",
)

_THUMBNAILS_1 = ("CREATE TABLE thumbnails (id INTEGER PRIMARY KEY, webp BLOB NOT NULL)",)


@dataclass(frozen=True, slots=True)
class Schema:
    """A set of migrations: its name, and each step's name and statements, oldest first.

    `names` are the tables and triggers that are there afterwards; `rebuild` makes anew what can be made from the rest.
    """

    name: str
    steps: tuple[tuple[str, tuple[str, ...]], ...]
    names: tuple[str, ...]
    rebuild: tuple[str, ...] = ()

    def migrations(self) -> Migrations:
        """The steps as sqlite-utils runs them."""
        from sqlite_utils.migrations import Migrations

        migrations = Migrations(self.name)
        for name, statements in self.steps:
            migrations(name=name)(_runs(statements))
        return migrations


HISTORY: Final = Schema(
    "outfitswap.history",
    (
        ("1_entries_and_journal", _HISTORY_1),
        ("2_stars_tags_trash_lineage", _HISTORY_2),
        ("3_fewer_merges", _HISTORY_3),
        ("4_credits", _HISTORY_4),
    ),
    (
        *(
            "journal",
            "journal_files",
            "entries",
            "entries_text",
            "entries_added",
            "entries_removed",
            "entries_reworded",
        ),
        *("tags", "entry_tags"),
    ),
    ("INSERT INTO entries_text (entries_text) VALUES ('rebuild')",),
)
THUMBNAILS: Final = Schema("outfitswap.thumbnails", (("1_thumbnails", _THUMBNAILS_1),), ("thumbnails",))


def _runs(statements: tuple[str, ...]) -> Callable[[Database], None]:
    def migrate(db: Database, /) -> None:
        for statement in statements:
            db.conn.execute(statement)

    return migrate
