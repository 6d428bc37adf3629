"""Facts as people read them: numbers, amounts, days, lists, long texts, and what changed."""

from decimal import Decimal

import pytest
from django.utils import timezone, translation

from approvals.facts import amount_of, facts_of, key_fact_of, lines_of, shown, sums_of


def said(label, value, currency=""):
    return shown(label, value, currency).text


def told(fields, before=None):
    """(label, now, before, kind) of each row."""
    return [
        (fact.label, fact.now and fact.now.text, fact.before and fact.before.text, fact.kind)
        for fact in facts_of(list(fields.items()), None if before is None else before.items())
    ]


class TestShow:
    @pytest.mark.parametrize(
        ("label", "value", "text"),
        [
            ("Views", 12400, "12,400"),
            ("Days", 14, "14"),
            ("Items", 1240, "1240"),
            ("Share", 0.25, "0.25"),
            ("Invoice number", 20264711, "20264711"),
            ("cost_centre", 471100, "471100"),
            ("Year", 2026, "2026"),
            ("Tax number", 12400, "12400"),
            ("Invoice amount", 1240, "1,240"),
            ("Cost of order", 1240, "1,240"),
            ("Number of laptops", 12000, "12,000"),
            ("Account balance", 12000, "12,000"),
            ("Invoice value (EUR)", 1240, "1,240 EUR"),
            ("Amount", 1240, "1,240"),
            ("Net amount", 1240.5, "1,240.5"),
            ("Weight (kg)", 1240, "1,240 kg"),
            ("Large", 2**53, "9,007,199,254,740,992"),
            ("Tiny", 1e-7, "0.0000001"),
            ("Below", -12400, "-12,400"),
            ("Yes", True, "Yes"),
            ("No", False, "No"),
            ("None", None, "not given"),
            ("Empty", "", "not given"),
            ("Nothing", [], "not given"),
        ],
    )
    def test_each_kind_of_value_has_its_words(self, label, value, text):
        assert said(label, value) == text

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("1240 EUR", "1,240 EUR"),
            ("12400.50 EUR", "12,400.50 EUR"),
            ("1240€", "1,240 €"),
            # What could be read in two ways, or is no sum, stays as it was sent.
            ("00012345678901 ABC", "00012345678901 ABC"),
            ("+49 EUR", "+49 EUR"),
            ("12,400.00 EUR", "12,400.00 EUR"),
            ("1.240 EUR", "1.240 EUR"),
            ("about 1240 EUR", "about 1240 EUR"),
            ("4711", "4711"),
            ("0049 151 1234", "0049 151 1234"),
        ],
    )
    def test_a_sum_in_a_text_gets_separators_only_where_it_is_plain(self, value, text):
        assert said("Amount", value) == text

    def test_amounts_have_the_currency_that_a_fact_of_its_own_names(self):
        fields = {"Amount": 12400, "Tax": 99.9, "Days": 14, "Currency": "EUR"}

        assert [row[1] for row in told(fields)] == ["12,400 EUR", "99.90 EUR", "14", "EUR"]

    def test_a_day_is_written_out_and_machines_read_it(self):
        day = shown("Due", "2026-01-31")

        assert (day.text, day.at) == ("Saturday, 31 January 2026", "2026-01-31")

    def test_a_moment_stands_on_the_clock_of_the_reader(self):
        with timezone.override("Europe/Lisbon"):
            assert said("At", "2026-07-01T16:04:00Z") == "1 July 2026, 17:04 WEST"
        assert said("At", "2026-07-01T16:04") == "1 July 2026, 16:04"

    @pytest.mark.parametrize(
        "text", ["2026-02-30", "2026-1-1", "on 2026-01-31", "2026-01-31T25:00"]
    )
    def test_what_is_no_day_stays_text(self, text):
        assert (said("Due", text), shown("Due", text).at) == (text, "")

    @pytest.mark.parametrize("text", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
    @pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
    def test_never_and_always_are_shown_on_every_clock(self, text, zone):
        with timezone.override(zone):
            assert shown("Valid until", text).text

    def test_a_number_without_end_is_no_amount(self):
        assert amount_of([("Amount", "9" * 40 + " EUR")]) is None
        assert str(amount_of([("Amount", "9" * 18 + " EUR")])).endswith(" EUR")

    def test_the_items_of_a_list_are_told_apart(self):
        assert shown("Who", ["Ana", 12400, True]).items == ("Ana", "12,400", "Yes")

    def test_a_long_text_is_folded_and_loses_nothing(self):
        text = "word " * 100

        value = shown("Why", text)

        assert value.text == text
        assert text.startswith(value.start)
        assert len(value.start) < len(text) / 2
        assert shown("Why", "a\n" * 9).start
        assert not shown("Why", "short").start

    def test_hidden_characters_are_marked(self):
        evil = "12\u202e40 EUR"

        assert said("Amount", evil) == "12⟨U+202E⟩40 EUR"
        assert shown("Who", [evil]).items == ("12⟨U+202E⟩40 EUR",)
        assert "\u202e" not in said(f"Weight ({evil})", 1)

    def test_another_language_writes_numbers_its_own_way(self):
        with translation.override("de"):
            assert said("Summe", 12400.5, "EUR") == "12.400,50 EUR"


class TestCompare:
    def test_every_fact_says_what_became_of_it(self):
        before = {"Amount": 100, "Same": "x", "Gone": "y"}
        now = {"Amount": 240, "Same": "x", "New": True}

        assert told(now, before) == [
            ("Amount", "240", "100", "changed"),
            ("Same", "x", None, "same"),
            ("New", "Yes", None, "new"),
            ("Gone", None, "y", "gone"),
        ]

    def test_another_currency_is_another_amount(self):
        before = {"Amount": 100, "Currency": "EUR"}

        rows = told({"Amount": 100, "Currency": "USD"}, before)

        assert rows[0] == ("Amount", "100 USD", "100 EUR", "changed")

    def test_another_type_with_the_same_words_is_a_change(self):
        assert told({"Count": "14"}, {"Count": 14}) == [("Count", "14", "14", "changed")]

    def test_without_an_earlier_one_nothing_is_changed(self):
        assert told({"Amount": 1}) == [("Amount", "1", None, "same")]
        assert told({"Amount": 1}, {})[0][3] == "new"


class TestAmount:
    @pytest.mark.parametrize(
        ("fields", "amount"),
        [
            ({"Days": 3, "Amount": 1240, "Currency": "EUR"}, ("1240", "EUR")),
            ({"Total (USD)": 99.5}, ("99.5", "USD")),
            ({"Price": "12,400.50 EUR"}, ("12400.50", "EUR")),
            ({"Preis": "12.400,50 €"}, ("12400.50", "€")),
            ({"Sum": "1.240 EUR"}, ("1240", "EUR")),
            ({"netAmount": 5}, ("5", "")),
        ],
    )
    def test_it_is_found_however_it_is_written(self, fields, amount):
        found = amount_of(fields.items())

        assert (found.number, found.unit) == (Decimal(amount[0]), amount[1])

    @pytest.mark.parametrize(
        "fields", [{}, {"Days": 3}, {"Amount": "a lot"}, {"Amount": True}, {"Sum": "1,2,3 EUR"}]
    )
    def test_there_may_be_none(self, fields):
        assert amount_of(fields.items()) is None


class TestSum:
    def sums(self, *requests):
        found = sums_of(each.items() for each in requests)
        return [(total.label, str(total.number), total.unit) for total in found]

    def test_numbers_of_one_label_are_added_and_texts_are_not(self):
        found = self.sums({"Amount": 1.5, "Of": "x", "N": 1}, {"Amount": 2, "Of": "y", "N": True})

        assert found == [("Amount", "3.5", "")]

    def test_cents_add_up_exactly(self):
        assert self.sums({"Amount": 0.1}, {"Amount": 0.2}) == [("Amount", "0.3", "")]

    def test_currencies_are_kept_apart(self):
        found = self.sums(
            {"Amount": 1, "currency": "EUR"},
            {"Amount": 2, "currency": "USD"},
            {"Amount": 3, "currency": "EUR"},
        )

        assert found == [("Amount", "4", "EUR"), ("Amount", "2", "USD")]

    def test_numbers_that_name_something_are_not_added(self):
        found = self.sums({"Invoice number": 4711, "Days": 2}, {"Invoice number": 4712, "Days": 3})

        assert found == [("Days", "5", "")]

    def test_quantities_are_added_also_of_what_has_numbers(self):
        found = self.sums({"Number of laptops": 2}, {"Number of laptops": 3})

        assert found == [("Number of laptops", "5", "")]

    @pytest.mark.parametrize("label", ["Payment", "Salary"])
    def test_what_may_be_money_is_not_added_across_currencies(self, label):
        assert self.sums({label: 100, "Currency": "EUR"}, {label: 50, "Currency": "USD"}) == []
        assert self.sums({label: 100, "Currency": "EUR"}, {label: 50, "Currency": "EUR"}) == [
            (label, "150", "")
        ]

    def test_currencies_are_told_apart_however_they_are_written(self):
        found = self.sums(
            {"Amount (net)": 100, "Currency": "eur"}, {"Amount (net)": 50, "Currency": "usd"}
        )

        assert found == [("Amount (net)", "100", "EUR"), ("Amount (net)", "50", "USD")]
        assert self.sums(
            {"Amount": 1, "Currency": "euro"}, {"Amount": 2, "Currency": "pounds"}
        ) == [
            ("Amount", "1", "euro"),
            ("Amount", "2", "pounds"),
        ]

    def test_shares_and_labels_that_stand_twice_are_not_added(self):
        assert self.sums({"VAT (%)": 19}, {"VAT (%)": 7}) == []
        assert sums_of([[("Amount", 1), ("Amount", 2)], [("Amount", 5)]]) == []

    @pytest.mark.parametrize("number", [float("inf"), float("nan"), 1e300, 10**400])
    def test_numbers_beyond_all_measure_are_shown_and_not_added(self, number):
        fields = {"Amount (EUR)": number}

        assert lines_of(fields.items())[0][1].startswith(str(number)[:40])
        assert self.sums(fields, fields) == []

    def test_one_alone_has_no_total(self):
        assert self.sums({"Amount": 1}) == []


class TestTellInText:
    def test_each_value_has_the_words_that_it_has_in_the_table(self):
        fields = {"Amount": 12400, "Currency": "EUR", "Notes": ["one", "two"], "On": "2026-01-31"}

        assert lines_of(fields.items()) == [
            ("Amount", "12,400 EUR"),
            ("Currency", "EUR"),
            ("Notes", "one\ntwo"),
            ("On", "Saturday, 31 January 2026"),
        ]

    def test_the_first_fact_stands_beside_the_title(self):
        assert key_fact_of([("Amount", 12400), ("Currency", "EUR")]) == ("Amount", "12,400 EUR")
        assert key_fact_of([("Notes", ["one", "two"])]) == ("Notes", "one, two")
        assert key_fact_of([]) is None

    def test_beside_the_title_it_is_one_line(self):
        assert key_fact_of([("Note", "ok\n\n* Pay EVIL, 1 EUR")]) == (
            "Note",
            "ok * Pay EVIL, 1 EUR",
        )
        assert key_fact_of([("Notes", ["one\ntwo", "three"])]) == ("Notes", "one two, three")
