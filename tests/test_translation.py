"""Every word of pages and mails has its place in the catalogues, and is translated there."""

import gettext
import re
from functools import cache
from html.parser import HTMLParser

import pytest
from django.apps import apps
from django.conf import settings

from approvals.names import NAMES
from tests import messages as command
from tests.messages import (
    LOCALE,
    ROOT,
    as_python,
    catalogues,
    extracted,
    key,
    messages,
    read,
    sources,
    untranslated,
)

TEMPLATES = sorted(
    path
    for path in (ROOT / "templates").rglob("*.*")
    # A part of a tag, and a script: neither is HTML.
    if path.name not in {"_field_attributes.html", "sw.js"}
)
# What is the same in every language.
ALLOWED = {"CSV", "Countersign", "Ctrl", "Esc", "SHA"}
# Attributes that people read, or hear.
READ = ("alt", "aria-description", "aria-label", "aria-roledescription", "placeholder", "title")
PLACES = re.compile(r"%\((\w+)\)[sd]|\{(\w+)\}")
WORD = re.compile(r"[A-Za-z]{2,}")
TAG = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
TRANSLATED = re.compile(r"{%\s*blocktrans(late)?\b.*?endblocktrans(late)?\s*%}", re.DOTALL)
NO_WORDS = re.compile(r"{#.*?#}|{%\s*comment.*?endcomment\s*%}", re.DOTALL)
# Tags whose texts are names of files and addresses, or are translated.
OF_NAMES = (
    *("translate", "trans", "url", "static", "include", "extends", "load", "block"),
    *("if", "elif"),
)
# Blocks that stand in an attribute of the page around them.
ATTRIBUTES = re.compile(r"{%\s*block (bodyclass|page_class|polling)\b.*?endblock[^%]*%}", re.DOTALL)


@cache
def words():
    return {key(each): each for each in messages(extracted())}


@pytest.fixture(params=catalogues(), ids=lambda path: path.parts[-3])
def path(request):
    return request.param


def said(message):
    """Each form of a translation."""
    return [message.string] if isinstance(message.string, str) else list(message.string)


def asked(message):
    return [message.id] if isinstance(message.id, str) else list(message.id)


def places(text):
    return {one or other for one, other in PLACES.findall(text)}


class TestCatalogue:
    def test_every_language_that_can_be_chosen_has_one(self):
        there = {path.parts[-3] for path in catalogues()}

        assert {code for code, _ in settings.LANGUAGES} == {"en", *there}

    def test_what_pages_say_is_in_it_and_nothing_else(self, path):
        there = {key(each) for each in messages(read(path))}

        assert sorted(map(str, words().keys() - there)) == [], "run `make messages`"
        assert sorted(map(str, there - words().keys())) == [], "run `make messages`"

    def test_nothing_is_left_untranslated_or_guessed(self, path):
        assert [key(each) for each in untranslated(read(path))] == []

    def test_what_is_put_into_a_sentence_is_there_in_each_language(self, path):
        for each in messages(read(path)):
            known = set().union(*map(places, asked(each)))
            for text in said(each):
                assert places(text) <= known, key(each)
                # A singular may say "one" where the plural has a number.
                assert known - places(text) <= (known if each.pluralizable else set()), key(each)

    def test_there_is_a_form_for_each_number(self, path):
        catalogue = read(path)

        for each in messages(catalogue):
            if each.pluralizable:
                assert len(said(each)) == catalogue.num_plurals, key(each)

    def test_a_line_has_the_blanks_around_it_that_it_had(self, path):
        for each in messages(read(path)):
            for text in said(each):
                for side in (str.lstrip, str.rstrip):
                    one = asked(each)[0]
                    assert (side(one) == one) == (side(text) == text), key(each)

    def test_what_is_compiled_is_what_is_written(self, path):
        with path.with_suffix(".mo").open("rb") as file:
            compiled = gettext.GNUTranslations(file)

        for each in messages(read(path)):
            context, text = key(each)
            told = compiled.pgettext(context, text) if context else compiled.gettext(text)
            if not each.pluralizable:
                assert told == each.string, "run `make messages`"
                continue
            for number, form in enumerate(said(each)):
                # German: the first form is that of 1, the other that of all others.
                count = 2 if number else 1
                if context:
                    assert compiled.npgettext(context, each.id[0], each.id[1], count) == form
                else:
                    assert compiled.ngettext(each.id[0], each.id[1], count) == form

    def test_the_container_has_it(self):
        assert "COPY locale/ locale/" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
        assert "!locale/" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        assert settings.LOCALE_PATHS == [LOCALE]


class TestModules:
    def test_no_sentence_hides_in_another(self):
        """What stands in an f-string is not read by those who look for words."""
        hidden = re.compile(r"\{[\w.(]*(n?p?gettext(_lazy)?|phrase|\b_)\(")
        for name, text in sources():
            assert not (name.endswith(".py") and hidden.search(text.decode())), name


class TestNames:
    def test_what_columns_and_kinds_of_rows_are_called_is_known(self):
        made = set()
        for model in apps.get_app_config("approvals").get_models():
            meta = model._meta
            made |= {str(meta.verbose_name), str(meta.verbose_name_plural)}
            made |= {
                str(each.verbose_name) for each in (*meta.local_fields, *meta.local_many_to_many)
            }

        known = {text for _, text in words()}
        # What Django's own model of people brings, Django translates.
        assert made - known <= {"ID", "first name", "last name", "is staff", "superuser status"} | {
            "password",
            "last login",
            "date joined",
            "staff status",
            "groups",
            "user permissions",
        }
        assert set(NAMES) <= known


class Reader(HTMLParser):
    """The words that a template has by itself: in its text, and in attributes that are read."""

    def __init__(self):
        super().__init__()
        self.found, self.silent = [], 0

    def handle_starttag(self, tag, attrs):
        self.silent += tag in {"script", "style", "code", "kbd"}
        for name, value in attrs:
            # What a script shows is a sentence; what it looks for is a word.
            if name in READ or (name.startswith("data-") and " " in (value or "").strip()):
                self.note(value or "")

    def handle_endtag(self, tag):
        self.silent -= tag in {"script", "style", "code", "kbd"}

    def handle_data(self, data):
        if not self.silent:
            self.note(data)

    def note(self, text):
        self.found += [word for word in WORD.findall(text) if word not in ALLOWED]


def bare_words(template):
    """Words outside of tags that translate, and texts in other tags that read like words."""
    text = ATTRIBUTES.sub("", TRANSLATED.sub("", NO_WORDS.sub("", template)))
    reader = Reader()
    reader.feed(TAG.sub("", text))
    found = reader.found
    for tag in TAG.findall(text):
        name = tag.strip("{%} ").split(" ")[0]
        if name not in OF_NAMES:
            texts = re.findall(r'"([^"]*)"', tag)
            found += [each for each in texts if re.search(r"\b[A-Z][a-z]+|[a-z] [a-z]", each)]
        if name == "include":
            found += re.findall(r'\w+="([A-Z][^"]*)"', tag)
    return found


class TestTemplates:
    @pytest.mark.parametrize(
        "path", TEMPLATES, ids=lambda path: path.relative_to(ROOT / "templates").as_posix()
    )
    def test_it_has_no_words_but_those_that_are_translated(self, path):
        assert bare_words(path.read_text(encoding="utf-8")) == []

    @pytest.mark.parametrize(
        "template",
        [
            "<p>Hello</p>",
            '<a aria-label="Back to it">{{ name }}</a>',
            '<p data-lost="No connection.">{% translate "Lost" %}</p>',
            '{{ name|default:"Not given" }}',
            '{% include "_field.html" with label="Colleague" only %}',
            '{% translate "Hello" %} World',
        ],
    )
    def test_a_bare_word_is_found(self, template):
        assert bare_words(template)

    def test_the_words_of_a_template_are_read(self):
        text = (
            '<p>{% translate "It is here" %}</p>\n  {% blocktranslate count n=n trimmed %}\n'
            "One of {{ all }}{% plural %}{{ n }} of {{ all }}{% endblocktranslate %}"
        )

        python = as_python(text, "x.html")
        assert "gettext(u'It is here')" in python
        assert "ngettext(u'One of %(all)s', u'%(n)s of %(all)s', count)" in python


class TestCommand:
    def test_it_lists_what_is_to_be_translated_and_runs_no_program(
        self, tmp_path, monkeypatch, capsys
    ):
        copy = tmp_path / "locale" / "de" / "LC_MESSAGES" / "django.po"
        copy.parent.mkdir(parents=True)
        text = catalogues()[0].read_text(encoding="utf-8")
        copy.write_text(text.replace('msgstr "Genehmigen"', 'msgstr ""'), encoding="utf-8")
        template = extracted()
        monkeypatch.setattr(command, "extracted", lambda: template)
        monkeypatch.setattr(command, "ROOT", tmp_path)
        monkeypatch.setattr(command, "LOCALE", tmp_path / "locale")
        monkeypatch.setenv("PATH", "")

        assert command.main() == 1

        assert copy.with_suffix(".mo").exists()
        assert copy.read_text(encoding="utf-8").startswith("# German words")
        assert "'Approve'" in capsys.readouterr().out
        assert ("Approve",) in [key(each)[1:] for each in untranslated(read(copy))]
