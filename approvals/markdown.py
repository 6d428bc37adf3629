"""Markdown that strangers wrote, as HTML that cannot harm: a summary from a workflow.

CommonMark and tables; no raw HTML, no images; links to http, https and mailto only, each
followed by the host it leads to. What the parser makes is sanitized once more.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
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


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802 - the parser calls it by this name
        """Only what has a host to show; a relative link would lead into these pages."""
        return bool(host_of(url))


_parser = _Parser("commonmark", {"html": False}).enable("table").disable("image")
_parser.core.ruler.push("adjust", _adjust)
