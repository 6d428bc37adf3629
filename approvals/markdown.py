"""Markdown that strangers wrote, as HTML that cannot harm: a summary from a workflow.

CommonMark and tables; no raw HTML, no images; links to http, https and mailto only, each
followed by the host it leads to. What the parser makes is sanitized once more.

Empty cells need no text: 20 kB could ask for 65,000 of them. So tables have a limit, and what was
rendered is kept for the next view.
"""

from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import urlsplit

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from approvals.plain import visible

TAGS = {
    *("p", "br", "hr", "em", "strong", "code", "pre", "blockquote", "a", "span"),
    *("h3", "h4", "h5", "h6", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
CLASSES = {"span": {"host"}, "th": {"right", "center"}, "td": {"right", "center"}}
SCHEMES = {"http", "https", "mailto"}
MAX_CELLS = 2000  # of all tables in one text
KEPT = 64  # texts; the longest are some 20 kB of Markdown and 200 kB of HTML


def host_of(url: str) -> str:
    """Where a link leads, for people: the host (punycode shown), the address of a mailto, or ""."""
    if "\\" in url or any(char.isspace() or not char.isprintable() for char in url):
        return ""  # browsers and urlsplit disagree about where these lead
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return ""
    if parts.scheme == "mailto":
        return visible(parts.path)
    if parts.scheme not in SCHEMES or not host:
        return ""
    try:
        return host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return ""


@lru_cache(maxsize=KEPT)
def render(text: str) -> SafeString:
    """The HTML of a Markdown text. The only place where HTML of others is declared safe."""
    html = nh3.clean(
        _parser.render(visible(text)),
        tags=TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        allowed_classes=CLASSES,
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(html)  # noqa: S308 - sanitized in the line above


def _adjust(state: StateCore) -> None:
    """Headings below the page's own, alignment as a class, the host behind every link."""
    for token in state.tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
        elif token.type in {"th_open", "td_open"} and "style" in token.attrs:
            token.attrs = {"class": str(token.attrs["style"]).removeprefix("text-align:")}
        elif token.children:
            token.children = list(_with_hosts(token.children))


def _with_hosts(tokens: list[Token]) -> Iterator[Token]:
    href = ""
    for token in tokens:
        yield token
        if token.type == "link_open":
            href = str(token.attrs.get("href", ""))
        elif token.type == "link_close":
            yield Token("text", "", 0, content=" ")
            yield Token("host_open", "span", 1, attrs={"class": "host"})
            yield Token("text", "", 0, content=f"({host_of(href)})")
            yield Token("host_close", "span", -1)


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """The parser's rule for tables; one that is too large is shown as it was written."""
    if silent or not table(state, start, end, True):
        return table(state, start, end, silent)
    columns = _line(state, start + 1).strip("|").count("|") + 1  # nothing is escaped there
    stop = start + 2
    while stop < end and _line(state, stop) and state.sCount[stop] >= state.blkIndent:
        stop += 1
    cells = state.env.get("cells", 0) + columns * (stop - start - 1)
    if cells <= MAX_CELLS:
        state.env["cells"] = cells
        return table(state, start, end, silent)
    token = state.push("code_block", "code", 0)
    token.content = state.getLines(start, stop, state.blkIndent, False) + "\n"
    token.map = [start, stop]
    state.line = stop
    return True


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].strip()


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - the parser calls it by this name
        """Only what has a host to show; a relative link would lead into these pages."""
        return bool(host_of(url))


_parser = _Parser("commonmark", {"html": False}).enable("table").disable("image")
_parser.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
_parser.core.ruler.push("adjust", _adjust)
