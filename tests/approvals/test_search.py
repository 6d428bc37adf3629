"""Full-text search: what is found, by which words, and that nothing typed breaks it."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.indexing import Indexer
from approvals.models import Approval, Delivery, SearchText
from approvals.retention import remove_contents
from approvals.search import matching
from approvals.words import LONGEST, words_of
from tests.approvals.reading import decide
from tests.factories import make_approval, make_type


def found(text):
    """The titles of the approvals that are found."""
    return sorted(matching(Approval.objects.all(), text).values_list("title", flat=True))


class TestWords:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("Hotel in Berlin", ["hotel", "in", "berlin"]),
            ("MÜLLER Müller muller", ["muller"]),
            ("Straße STRASSE", ["strasse"]),
            ("eva@example.com", ["eva", "example", "com"]),
            ("INV-2024_07", ["inv", "2024", "07"]),
            ("1,240.00 EUR", ["1", "240", "00", "eur", "1240"]),
            ("1 240 000", ["1", "240", "000", "1240000"]),
            ("1.5 and 12,5", ["1", "5", "and", "12"]),
            ("ﬁnal Ⅳ ½", ["final", "iv", "1", "2"]),
            ("ΣΊΣΥΦΟΣ", ["σισυφοσ"]),
            ("*:'\"&|!()-", []),
        ],
    )
    def test_case_accents_and_signs_do_not_count(self, text, words):
        assert words_of(text) == words

    @given(st.text())
    def test_they_are_letters_and_digits_and_the_same_when_cut_again(self, text):
        words = words_of(text)

        assert all(word.isalnum() and len(word) <= LONGEST for word in words)
        assert words_of(" ".join(words)) == words


class TestFind:
    @pytest.fixture(autouse=True)
    def _asked(self, managers, eva):
        make_type("payment", "group:managers")
        make_approval(
            title="Rechnung der Müller GmbH",
            type="payment",
            summary="Für **Büromöbel**, see [contract](https://x.example)",
            fields={"Amount": "1,240.00 EUR", "Cost centre": "4711 North", "Days": 17.5},
        )
        make_approval(
            title="Hotel in Berlin", requested_by="sam@partner.example", fields={"Nights": 2}
        )

    @pytest.mark.parametrize(
        "text",
        [
            "rechnung",
            "MULLER",
            "müller gmbh",
            "gmbh rechnung",
            "buromobel",
            "1240",
            "1,240.00",
            "4711",
            "17.5",
            "payment",
            "Eva Lind",
            "eva@example.com",
            "rech",
            "müller büro",
        ],
    )
    def test_by_title_text_facts_type_and_requester(self, text):
        assert found(text) == ["Rechnung der Müller GmbH"]

    def test_the_last_word_may_be_only_begun_and_no_other(self):
        assert found("hotel ber") == ["Hotel in Berlin"]
        assert found("ber hotel") == found("hot berlin") == []

    @pytest.mark.parametrize(
        "text", ["1240 rech", "1,240 rech", "1,240.00 EUR mül", "1,24", "gmbh 1,240.0"]
    )
    def test_also_where_a_number_with_separators_stands_before_it_or_is_it(self, text):
        assert found(text) == ["Rechnung der Müller GmbH"]

    @pytest.mark.parametrize("text", ["2,500", "2,500,", "2,500,0", "2 500 0", "2,500,000"])
    def test_a_number_with_separators_may_be_only_begun_where_it_is_the_last(self, text, managers):
        make_approval(title="Millions", summary="2,500,000 EUR or 2 500 000 EUR")

        assert found(text) == ["Millions"]
        assert found(f"{text} EUR") == (["Millions"] if text == "2,500,000" else [])
        assert found("hote 2,500") == []

    @pytest.mark.parametrize("text", ["", "-", "nothing", "hotel NOT berlin", "hotel müller"])
    def test_all_words_must_be_there_and_none_is_an_operator(self, text):
        assert found(text) == []

    @pytest.mark.parametrize(
        "text", ['"hotel', "hotel*", "hotel' OR '1'='1", "title:hotel -x", "(hotel", "hotel \x00"]
    )
    def test_signs_are_no_operators(self, text):
        assert set(found(text)) <= {"Hotel in Berlin"}
        assert found(text.split("OR")[0].split("-")[0].replace("title:", ""))

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(st.text(max_size=300))
    def test_whatever_is_typed_is_answered(self, text):
        assert set(found(f"hotel {text}")) <= {"Hotel in Berlin"}

    @settings(
        suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
    )
    @given(st.text(min_size=1, max_size=100).filter(words_of))
    def test_whatever_is_asked_is_found_by_its_own_words(self, text):
        approval = Approval.objects.get(title="Hotel in Berlin")
        SearchText.objects.filter(approval=approval).update(text=" ".join(words_of(text)))

        assert "Hotel in Berlin" in found(text)


class TestKeep:
    def test_removed_contents_are_not_found_any_more_and_the_title_is(self, managers, ana):
        approval = make_approval(
            title="Hotel", summary="Confidential", fields={"Guest": "Ms Secret"}
        )
        decide(approval, by=ana)
        Delivery.confirm(approval.pk, actor="system")
        assert found("confidential") == found("secret") == ["Hotel"]

        remove_contents(approval)

        assert found("confidential") == found("secret") == []
        assert found("hotel") == ["Hotel"]

    def test_the_worker_finds_words_for_what_has_none_the_newest_first(
        self, managers, eva, monkeypatch
    ):
        monkeypatch.setattr("approvals.indexing.BATCH", 2)
        for number in range(5):
            approval = make_approval(title=f"Number {number}")
            Approval.objects.filter(pk=approval.pk).update(
                created_at=timezone.now() - timedelta(days=number)
            )
        SearchText.objects.all().delete()
        assert found("number") == []
        work = Indexer()

        assert work()
        assert found("number") == ["Number 0", "Number 1"]
        assert found("eva lind") == ["Number 0", "Number 1"]
        assert [work(), work(), work()] == [True, True, False]
        assert len(found("number")) == 5

    def test_what_the_release_before_has_removed_leaves_the_search(self, managers, ana):
        approval = make_approval(title="Hotel", summary="Confidential")
        decide(approval, by=ana)
        Approval.objects.filter(pk=approval.pk).update(summary="", removed_at=timezone.now())
        assert found("confidential") == ["Hotel"]

        assert not Indexer()()

        assert found("confidential") == []
        assert found("hotel") == ["Hotel"]

    def test_it_looks_again_later_and_not_far_back(self, managers):
        work = Indexer()
        assert not work()
        for days in (0, 3):
            approval = make_approval(title=f"{days} days")
            Approval.objects.filter(pk=approval.pk).update(
                created_at=timezone.now() - timedelta(days=days)
            )
        SearchText.objects.all().delete()

        assert not work()  # not yet
        work.next_look = 0.0

        assert work()
        assert found("days") == ["0 days"]
