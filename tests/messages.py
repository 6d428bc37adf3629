"""The words of pages and mails, and their catalogues: `make messages` brings them up to date.

It reads modules and templates, adds what is new to each `locale/*/LC_MESSAGES/django.po`, takes out
what nobody says any more, and compiles the catalogues. It needs no program of the system's.
"""

import sys
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
LOCALE = ROOT / "locale"
PACKAGES = ("approvals", "config", "countersign")
WIDTH = 100
HEADER = 'msgid ""\nmsgstr ""\n'  # the first entry, which is about the others
KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
    "pgettext_lazy": ((1, "c"), 2),
    "phrase": None,
}


def sources() -> Iterator[tuple[str, bytes]]:
    """(path, text as Python) of each module and template, in the order of their paths."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_bytes()
    for path in sorted((ROOT / "templates").rglob("*.*")):
        name = path.relative_to(ROOT).as_posix()
        yield name, as_python(path.read_text(encoding="utf-8"), name).encode()


def as_python(template: str, name: str) -> str:
    """A template as calls of gettext, which is all that Django leaves of it.

    What it makes of the rest are words without meaning; set to the left they are Python enough.
    """
    return "\n".join(line.strip() for line in templatize(template, origin=name).split("\n"))


def extracted() -> Catalog:
    """All that is to be translated."""
    found = Catalog(charset="utf-8")
    for name, text in sources():
        words = extract("python", BytesIO(text), KEYWORDS, ("Translators:",))
        for _, message, comments, context in words:
            found.add(message, None, [(name, 1)], auto_comments=comments, context=context)
    return found


def kept() -> set[str]:
    """The sentences that are kept in English, and translated where they are read."""
    modules = [text for name, text in sources() if name.endswith(".py")]
    found = (extract("python", BytesIO(text), {"phrase": None}) for text in modules)
    return {str(message) for each in found for _, message, _, _ in each}


def catalogues() -> list[Path]:
    """The catalogue of each language."""
    return sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, path.parts[-3])


def messages(catalogue: Catalog) -> list[Message]:
    """What is in it, without its header."""
    return [each for each in catalogue if each.id]


def key(message: Message) -> tuple[str | None, str]:
    """What tells messages apart: the context, and the words in the singular."""
    words = message.id if isinstance(message.id, str) else message.id[0]
    return message.context, words


def untranslated(catalogue: Catalog) -> Iterable[Message]:
    """Those without a translation, or with a guessed one."""
    for each in messages(catalogue):
        words = [each.string] if isinstance(each.string, str) else each.string
        if each.fuzzy or not words or not all(words):
            yield each


def update(path: Path, template: Catalog) -> Catalog:
    """Bring a catalogue up to date with the words that there are."""
    catalogue = read(path)
    template.creation_date = catalogue.creation_date
    catalogue.update(template, no_fuzzy_matching=True)
    write(path, catalogue)
    return catalogue


def write(path: Path, catalogue: Catalog) -> None:
    """Write a catalogue, below the words for translators that stand at its top; and compile it."""
    top, _, _ = path.read_text(encoding="utf-8").partition(HEADER)
    text = BytesIO()
    write_po(
        text, catalogue, width=WIDTH, sort_by_file=True, ignore_obsolete=True, include_lineno=False
    )
    _, _, rest = text.getvalue().decode().partition(HEADER)
    path.write_text(top + HEADER + rest, encoding="utf-8")
    with path.with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue)


def main() -> int:
    """Update all of them; 1 where something is still to be translated."""
    template, missing = extracted(), 0
    for path in catalogues():
        catalogue = update(path, template)
        left = list(untranslated(catalogue))
        missing += len(left)
        print(f"{path.relative_to(ROOT)}: {len(messages(catalogue))}, untranslated: {len(left)}")  # noqa: T201 - a command
        for each in left:
            print(f"  {key(each)[1]!r}")  # noqa: T201 - a command
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
