"""Forms as a page shows them: from a JSON Schema to fields, and back to values."""

from approvals.fields import answered, beginning, fields_of, filled, sent, texts_of

FORM = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "format": "textarea", "title": "Text", "maxLength": 50},
        "day": {"type": "string", "format": "date"},
        "mail": {"type": "string", "format": "email"},
        "few": {"type": "string", "enum": ["a", "b", "c", "d"]},
        "many": {"type": "integer", "enum": [1, 2, 3, 4, 5], "default": 2},
        "share": {"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.25},
        "again": {"type": "boolean", "title": "Again?", "description": "Use them again."},
        "name": {"type": "string"},
    },
    "required": ["text", "again"],
}


def field(name, texts=None, errors=None):
    return next(f for f in fields_of(FORM, texts or {}, errors) if f.name == f"form.{name}")


class TestShow:
    def test_each_type_has_a_control_that_suits_it(self):
        kinds = {each.name: (each.kind, each.type, each.mode) for each in fields_of(FORM, {})}

        assert kinds == {
            "form.text": ("area", "text", ""),
            "form.day": ("line", "date", ""),
            "form.mail": ("line", "email", ""),
            "form.few": ("radios", "text", ""),
            "form.many": ("select", "text", "numeric"),
            "form.share": ("line", "text", "decimal"),
            "form.again": ("box", "text", ""),
            "form.name": ("line", "text", ""),
        }

    def test_titles_are_labels_and_limits_are_words(self):
        assert (field("text").label, field("text").help) == ("Text", "At most 50 characters.")
        assert (field("name").label, field("name").help) == ("name", "")
        assert field("share").help == "From 0 to 1, in steps of 0.25."
        assert field("again").help == "Use them again."

    def test_lengths_read_as_people_say_them(self):
        def said(**limits):
            form = {"properties": {"a": {"type": "string", **limits}}}
            return fields_of(form, {})[0].help

        assert said(minLength=1) == ""
        assert said(minLength=1, maxLength=9) == "At most 9 characters."
        assert said(minLength=2, maxLength=2) == "Exactly 2 characters."
        assert said(minLength=15, maxLength=42) == "From 15 to 42 characters."
        assert said(minLength=8) == "At least 8 characters."

    def test_where_the_keys_were_sorted_required_says_the_order(self):
        kind = {"type": "string"}
        form = {"properties": {"a": kind, "b": kind, "c": kind}, "required": ["c", "a"]}
        meant = {"properties": {"b": kind, "a": kind, "c": kind}, "required": ["c", "a"]}

        assert [each.label for each in fields_of(form, {})] == ["c", "a", "b"]
        assert [each.label for each in fields_of(meant, {})] == ["b", "a", "c"]

    def test_required_is_what_must_be_there_and_a_box_may_stay_empty(self):
        assert [each.name for each in fields_of(FORM, {}) if each.required] == ["form.text"]

    def test_the_text_and_the_error_of_a_field_stand_at_it(self):
        wrong = field("share", {"share": "much"}, {"share": "Please give a number."})

        assert (wrong.text, wrong.error) == ("much", "Please give a number.")
        assert [choice.chosen for choice in field("few", {"few": "b"}).choices] == [
            False,
            True,
            False,
            False,
        ]


class TestBegin:
    def test_the_request_counts_before_the_schema(self):
        assert beginning(FORM, {}) == {"many": 2}
        assert beginning(FORM, {"many": 3, "name": "x"}) == {"many": 3, "name": "x"}

    def test_values_become_texts_and_come_back_the_same(self):
        values = {"text": "a\nb", "many": 4, "share": 0.25, "again": True, "few": "a"}

        texts = texts_of(FORM, values)

        assert texts["again"] == "on"
        assert answered(FORM, {}, texts, negative=False) == values


class TestAnswer:
    def test_only_what_belongs_to_the_form_is_read(self):
        posted = {"form.text": "x", "text": "y", "form.other": "z", "comment": "c"}

        assert sent(FORM, posted) == {**dict.fromkeys(FORM["properties"], ""), "text": "x"}

    def test_a_rejection_that_left_the_form_alone_has_no_values(self):
        untouched = texts_of(FORM, beginning(FORM, {"name": "x"}))

        assert answered(FORM, beginning(FORM, {"name": "x"}), untouched, negative=True) == {}
        changed = {**untouched, "name": "y"}
        assert answered(FORM, {"name": "x"}, changed, negative=True)["name"] == "y"

    def test_what_is_no_number_is_kept_for_the_refusal(self):
        assert answered(FORM, {}, {"share": "1,5"}, negative=False)["share"] == "1,5"


class TestFilled:
    def test_it_tells_what_was_changed_and_from_what(self):
        lines = filled(
            FORM, beginning(FORM, {"name": "x", "text": "old"}), {"text": "new", "many": 2}
        )

        assert [(each.label, each.value, each.before, each.changed) for each in lines] == [
            ("Text", "new", "old", True),
            ("many", 2, 2, False),
            ("name", None, "x", True),
        ]

    def test_without_a_form_or_an_answer_there_is_nothing(self):
        assert filled(None, {}, {}) == []
        assert filled(FORM, {"name": "x"}, {}) == []
