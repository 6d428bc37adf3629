"""What a source says at its top about the form that starts it."""

import pytest

from approvals.declaration import MAX_LINES, BrokenDeclaration, declared
from tests.pages import ROOT
from workflows.bundle import bundle

STEPS = "main:\n  steps: []\n"
FORM = """\
#   form:
#     type: object
#     required: [amount]
#     properties:
#       amount: {type: number, title: Amount}
#       until: {type: string, format: date, default: 2026-01-31}
"""


def source(block: str, before: str = "# What it does.\n#\n") -> str:
    return f"{before}{block}\n{STEPS}"


class TestRead:
    def test_title_form_and_groups_are_read(self):
        found = declared(
            source(
                f"# countersign:\n#   title: Pay\n#   description: Money.\n{FORM}#   groups: [a]"
            )
        )

        assert found is not None
        assert (found.title, found.description, found.groups) == ("Pay", "Money.", ("a",))
        assert list(found.form["properties"]) == ["amount", "until"]

    def test_a_date_stays_a_text(self):
        found = declared(source(f"# countersign:\n#   title: Pay\n{FORM}"))

        assert found is not None
        assert found.form["properties"]["until"]["default"] == "2026-01-31"

    def test_comments_around_it_do_not_belong_to_it(self):
        block = f"# countersign:\n#   title: Pay\n#\n{FORM}# Written by Eva: with care."

        assert declared(source(block)) is not None
        assert declared("---\n" + source(block)) is not None

    @pytest.mark.parametrize(
        "text", ["", STEPS, source("# Uses countersign: see there."), f"{STEPS}# countersign:\n"]
    )
    def test_a_source_without_a_block_at_its_top_declares_nothing(self, text):
        assert declared(text) is None

    def test_the_examples_declare_what_can_be_started(self):
        found = {name: declared(each.text) for name, each in bundle(ROOT / "workflows").items()}

        assert {name for name, each in found.items() if each} >= {
            "expense-approval",
            "release-gate",
            "supplier-payment",
            "translation-review",
        }


class TestRefuse:
    @pytest.mark.parametrize(
        ("block", "why"),
        [
            ("# countersign:", "Below countersign:"),
            (f"# countersign:\n{FORM}", "title"),
            ("# countersign:\n#   title: Pay", "form"),
            (f"# countersign:\n#   title: [Pay\n{FORM}", "expected"),
            (f"# countersign:\n#   title: Pay\n#   colour: red\n{FORM}", "colour"),
            (f"# countersign:\n#   title: Pay\n#   groups: a\n{FORM}", "groups"),
            (f"# countersign:\n#   title: Pay\n#   groups: []\n{FORM}", "groups"),
            (f"# countersign:\n#   title: Pay\n{FORM}#       requester: {{type: string}}", "who"),
            (f"# countersign:\n#   title: Pay\n{FORM}#       yes: {{type: string}}", "texts"),
            (f"# countersign:\n#   title: Pay\n{FORM}#       file: {{type: array}}", "file"),
            ("# countersign:\n#   title: &a Pay\n#   description: *a", "Aliases"),
            (
                f"# countersign:\n#   title: Pay\n{FORM}#       a: {{type: number, default: .nan}}",
                "JSON",
            ),
            ("# countersign:\n#   form: " + "[" * 5000, "deep"),
            ("# countersign:\n" + "#   title: a\n" * (MAX_LINES + 1), "longer"),
            ("# countersign:\n#   title: !!python/name:os.system x", "could not determine"),
        ],
    )
    def test_a_block_that_cannot_be_used_says_why(self, block, why):
        with pytest.raises(BrokenDeclaration, match=why):
            declared(source(block))
