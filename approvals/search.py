"""Full-text search over approvals: one way to ask, whichever database answers.

Words are cut and folded in Python (`approvals.words`), so both databases compare the same ones and
nothing that people type is ever read as an operator. PostgreSQL keeps a `tsvector` of these words
in a column of its own, with a GIN index; SQLite a table of FTS5 that triggers keep up to date.
"""

from typing import Any

from django.apps.registry import Apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models.sql.compiler import SQLCompiler

from approvals.models import Approval, SearchText
from approvals.models.querysets import ApprovalQuerySet
from approvals.people import names_of
from approvals.words import begun_in, wording, words_of

TABLE, FTS = "approvals_searchtext", "approvals_searchtext_fts"
MOST_WORDS = 12
# For PostgreSQL; the words are cut already, so that its own parser has no say. Kept, as many rows
# are compared where a word is in many: working it out anew takes a hundred times as long.
VECTOR = "array_to_tsvector(string_to_array(text, ' '))"
COLUMN = (
    f"ALTER TABLE {TABLE} ADD COLUMN words tsvector GENERATED ALWAYS AS ({VECTOR}) STORED",
    f"CREATE INDEX {TABLE}_words ON {TABLE} USING gin (words)",
)
# For SQLite; what is not ASCII is part of a word, as blanks alone part them. Old words go first,
# also where tests have emptied the table behind the triggers' back.
DROP = f"DELETE FROM {FTS} WHERE rowid ="  # noqa: S608 - our own names
PUT = f"{DROP} NEW.id; INSERT INTO {FTS} (rowid, text) VALUES (NEW.id, NEW.text)"  # noqa: S608 - the same
TRIGGERS = (
    f"CREATE VIRTUAL TABLE {FTS} USING fts5 (text, tokenize = 'ascii')",
    f"CREATE TRIGGER {TABLE}_put AFTER INSERT ON {TABLE} BEGIN {PUT}; END",
    f"CREATE TRIGGER {TABLE}_change AFTER UPDATE ON {TABLE} BEGIN {PUT}; END",
    f"CREATE TRIGGER {TABLE}_drop AFTER DELETE ON {TABLE} BEGIN {DROP} OLD.id; END",
)


class Holds(models.Func):
    """Whether a row of `SearchText` has all of these words, or a longer one where it is begun."""

    output_field = models.BooleanField()

    def __init__(self, words: list[str], begun: set[str], **extra: Any) -> None:
        super().__init__("pk", "text", **extra)
        self.words = words
        self.begun = begun

    def as_postgresql(
        self, compiler: SQLCompiler, *_: BaseDatabaseWrapper, **__: Any
    ) -> tuple[str, list[Any]]:
        text, params = compiler.compile(self.source_expressions[1])
        query = " & ".join(f"'{word}'{':*' * (word in self.begun)}" for word in self.words)
        return f"{text.rpartition('.')[0]}.words @@ %s::tsquery", [*params, query]

    def as_sqlite(  # type: ignore[override]  # that of a mixin for numbers
        self, compiler: SQLCompiler, *_: BaseDatabaseWrapper, **__: Any
    ) -> tuple[str, list[Any]]:
        key, params = compiler.compile(self.source_expressions[0])
        query = " ".join(f'"{word}"{"*" * (word in self.begun)}' for word in self.words)
        found = f"SELECT rowid FROM {FTS} WHERE {FTS} MATCH %s"  # noqa: S608 - our own names
        return f"{key} IN ({found})", [*params, query]


def index(approval: Approval) -> None:
    """Keep the words of an approval, those it has now; called wherever they change."""
    name = names_of([approval.requested_by]).get(approval.requested_by.lower(), "")
    SearchText.objects.bulk_create(
        [SearchText(approval=approval, text=wording(approval, name))],
        update_conflicts=True,
        unique_fields=["approval"],
        update_fields=["text"],
    )


def matching(rows: ApprovalQuerySet, text: str) -> ApprovalQuerySet:
    """Those of these approvals that have all words of a text, the last perhaps only begun.

    A text without any word, as “-”, is in none.
    """
    words = words_of(text)[:MOST_WORDS]
    if not words:
        return rows.none()
    holding = SearchText.objects.filter(Holds(words, begun_in(text)))
    return rows.filter(pk__in=holding.values("approval"))


def put_in_place(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """The index of this database; for the migration that makes the table."""
    del apps
    for statement in COLUMN if editor.connection.vendor == "postgresql" else TRIGGERS:
        editor.execute(statement)


def take_away(apps: Apps, editor: BaseDatabaseSchemaEditor) -> None:
    """Undo `put_in_place`."""
    del apps
    if editor.connection.vendor == "postgresql":
        editor.execute(f"ALTER TABLE {TABLE} DROP COLUMN words")
        return
    for name in ("put", "change", "drop"):
        editor.execute(f"DROP TRIGGER {TABLE}_{name}")
    editor.execute(f"DROP TABLE {FTS}")
