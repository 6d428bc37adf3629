"""What strangers wrote cannot harm, deceive or hide: Markdown, hosts and invisible characters."""

import pytest

from approvals.markdown import KEPT, MAX_CELLS, host_of, render
from approvals.plain import visible


def table(columns, rows, cell="x"):
    """A table with a cell of text in each row; the parser fills up the others."""
    lines = ["|a" * columns + "|", "|-" * columns + "|", *[f"|{cell}|"] * rows]
    return "\n".join(lines)


def cells(html):
    return html.count("<th>") + html.count("<td>")


class TestRender:
    def test_common_marks_become_html(self):
        assert "<strong>now</strong>" in render("Pay **now**")
        assert "<li>one</li>" in render("- one\n- two")
        assert "<code>x</code>" in render("`x`")

    def test_tables_keep_their_alignment_without_style(self):
        html = render("| a | b |\n| --- | ---: |\n| x | 1 |")

        assert "<td>x</td>" in html
        assert '<td class="right">1</td>' in html
        assert "style" not in html

    def test_a_table_of_ordinary_size_has_all_its_cells(self):
        assert cells(render(table(columns=10, rows=150))) == 10 * 151
        assert cells(render(table(columns=2, rows=MAX_CELLS // 2 - 1))) == MAX_CELLS

    @pytest.mark.parametrize(
        "source",
        [
            table(columns=500, rows=9000),
            table(columns=2, rows=MAX_CELLS // 2),
            "\n\n".join([table(columns=40, rows=40)] * 70),
            "> " + table(columns=500, rows=4000).replace("\n", "\n> "),
            "- " + table(columns=500, rows=4000).replace("\n", "\n  "),
        ],
    )
    def test_few_bytes_cannot_ask_for_many_cells(self, source):
        html = render(source)

        assert cells(html) <= MAX_CELLS
        assert len(html) < 5 * len(source) + 20 * MAX_CELLS
        assert "<pre>" in html

    def test_a_table_that_is_too_large_is_shown_as_it_was_written(self):
        source = table(columns=2, rows=MAX_CELLS, cell="<b>&")

        html = render(f"before\n{source}\n\n**after**")

        assert cells(html) == 0
        assert html.count("|&lt;b&gt;&amp;|\n") == MAX_CELLS
        assert html.startswith("<p>before</p>")
        assert "<strong>after</strong>" in html

    def test_the_next_view_is_not_rendered_again_and_what_is_kept_is_bounded(self):
        first = render("a text of this test")

        assert render("a text of this test") is first
        assert render.cache_info().maxsize == KEPT

    @pytest.mark.parametrize(
        ("source", "tag"), [("# A", "h3"), ("## A", "h4"), ("##### A", "h6"), ("A\n===", "h3")]
    )
    def test_headings_stand_below_those_of_the_page(self, source, tag):
        assert render(source).strip() == f"<{tag}>A</{tag}>"

    @pytest.mark.parametrize(
        "source",
        [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "a <b onclick=alert(1)>b</b>",
            "<iframe src=https://evil.example></iframe>",
            "<style>*{display:none}</style>",
            "<svg/onload=alert(1)>",
            "<!-- --><a href=javascript:alert(1)>x</a>",
            "<form action=https://evil.example><input name=a></form>",
        ],
    )
    def test_raw_html_is_text(self, source):
        html = render(source)

        for tag in ("<script", "<img", "<b ", "<iframe", "<style", "<svg", "<a", "<form", "<input"):
            assert tag not in html
        assert "&lt;" in html

    @pytest.mark.parametrize(
        "address",
        [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java&#115;cript:alert(1)",
            "vbscript:x",
            "data:text/html,<script>alert(1)</script>",
            "file:///etc/passwd",
            "/approvals/x/decide/",
            "//evil.example/",
            "?tab=decided",
            "ftp://example.com/x",
            "tel:1",
        ],
    )
    def test_only_whole_web_and_mail_addresses_are_links(self, address):
        html = render(f"[click]({address})")

        assert "href" not in html

    def test_images_are_not_loaded(self):
        assert "<img" not in render("![pixel](https://evil.example/p.gif)")

    def test_every_link_says_where_it_leads(self):
        html = render("[bank.example](https://evil.example/login)")

        assert 'href="https://evil.example/login"' in html
        assert 'rel="noopener noreferrer nofollow"' in html
        assert '<span class="host">(evil.example)</span>' in html

    def test_a_link_by_reference_and_an_autolink_say_it_too(self):
        assert "(evil.example)" in render("[x][1]\n\n[1]: https://evil.example")
        assert "(a.example)" in render("<https://a.example/x>")

    def test_hidden_characters_are_marked(self):
        assert "⟨U+202E⟩" in render("pay \u202eRUE 001")

    def test_class_names_of_the_page_cannot_be_borrowed(self):
        assert "<span" not in render('<span class="button">Approve</span>')
        assert "<span" not in render('<span class="host">(bank.example)</span>')

    @pytest.mark.parametrize(
        "source", ["[" * 5000, "> " * 3000 + "x", "*a_ " * 4000, "`" * 9999, "|-" * 5000]
    )
    @pytest.mark.timeout(10)
    def test_texts_made_to_be_slow_are_not(self, source):
        assert render(source)


class TestHost:
    @pytest.mark.parametrize(
        ("url", "host"),
        [
            ("https://example.com/a?b", "example.com"),
            ("http://EXAMPLE.com:8080/", "example.com"),
            ("https://bank.example@evil.example/", "evil.example"),
            ("mailto:ana@example.com", "ana@example.com"),
            ("https://\N{CYRILLIC SMALL LETTER A}pple.example/", "xn--pple-43d.example"),
            ("javascript:alert(1)", ""),
            ("https:///path", ""),
            ("/approvals/", ""),
            ("https://[", ""),
            ("https://evil.example\\@bank.example/", ""),
            ("https://bank.example\t.evil.example/", ""),
            (" https://example.com/", ""),
            ("", ""),
        ],
    )
    def test_the_host_behind_a_link(self, url, host):
        assert host_of(url) == host


class TestVisible:
    @pytest.mark.parametrize(
        "text",
        [
            "plain",
            "Malmö, 東京, Ελλάδα, עברית, العربية",
            "a line\nand another\tone",
            "family \N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}",
            "heart \u2764\ufe0f",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "क्\u200dष",
        ],
    )
    def test_honest_text_stays_as_it_is(self, text):
        assert visible(text) == text

    @pytest.mark.parametrize(
        "hidden",
        [
            *("\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068"),
            *("\u2069", "\u200e", "\u200f", "\u061c", "\u200b", "\u2060", "\ufeff", "\u00ad"),
            *("\u180e", "\u3164", "\u115f", "\u2800", "\u200d", "\u200c", "\u2028", "\u2029"),
            *("\x00", "\x1b", "\x7f", "\x9b", "\U000e0041", "\U000e0101", "\ue000", "\ud800"),
        ],
    )
    def test_what_takes_no_ink_gets_a_mark(self, hidden):
        assert visible(f"a{hidden}b") == f"a⟨U+{ord(hidden):04X}⟩b"

    def test_a_hidden_character_at_the_start_is_marked(self):
        assert visible("\u202eabc") == "⟨U+202E⟩abc"
        assert visible("\u200d") == "⟨U+200D⟩"
