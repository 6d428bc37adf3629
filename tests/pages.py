"""The pages of `docs/` as tests read them: sections, tables, blocks of code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not {".venv", "build", "var", "node_modules"} & set(path.relative_to(ROOT).parts)
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)

Table = list[tuple[str, ...]]


def read(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """The text below a heading, up to the next one of its level or above."""
    level = heading.partition(" ")[0]
    start = re.search(rf"^{re.escape(heading)}$", read(page), re.MULTILINE)
    assert start, f"{page} has no heading {heading!r}"
    rest = read(page)[start.end() :]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def tables(text: str) -> list[Table]:
    """Every table as its rows of cells, the header first."""
    found = []
    for block in re.findall(r"(?:^\|.*\|\n)+", FENCE.sub("", text), re.MULTILINE):
        rows = [
            tuple(cell.strip() for cell in line[1:-1].split("|")) for line in block.splitlines()
        ]
        found.append([rows[0], *rows[2:]])
    return found


def table(text: str, *header: str) -> Table:
    """The rows of the one table with this header."""
    (found,) = [rows[1:] for rows in tables(text) if rows[0] == header]
    return found


def names(rows: Table, column: int = 0) -> list[str]:
    """What stands in backticks in a column."""
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row[column])]


def blocks(page: str, language: str) -> list[str]:
    return [text for name, text in FENCE.findall(read(page)) if name == language]


def code(text: str) -> Iterator[str]:
    """The lines of code in a page: fenced blocks with their continuations joined, and spans."""
    for _, block in FENCE.findall(text):
        yield from block.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def shown(default: Any) -> str:
    """How a page writes a default."""
    if default is None:
        return "null"
    if default is False:
        return "off"
    if default in ("", [], {}):
        return "empty"
    return f"`{default}`"
