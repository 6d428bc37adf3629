"""The workflows in `workflows/` with the real inbox; people answer over its API, signed in."""

import requests

from tests.emulators import Execution, eventually
from tests.round_trip.system import Person, System

RELEASE = {
    "service": "checkout",
    "version": "2.14.0",
    "requester": "eva@example.com",
    "changes": "* Faster",
}
SUPPLIER = {"name": "Atlas", "country": "PT", "iban": "PT50000201231234567890154"}
FIXED = SUPPLIER | {"iban": "PT50000201231234567890155"}


class Inbox:
    """The API as a person's own program uses it: by the session of the pages."""

    def __init__(self, system: System, name: str) -> None:
        self.system = system
        self.person = Person(system.base, f"{name}@example.com")

    def answer(self, execution: Execution, title: str, outcome: str, **fields: object) -> None:
        """Answer the open question of that title, once it is there and mine."""
        approval = eventually(lambda: self.mine(execution, title), f"{title} for me", 30)
        revision = self.person.session.get(self.path(approval), timeout=20).json()["revision"]
        body = {"outcome": outcome, "revision": revision, **fields}
        token = self.person.session.cookies["csrf"]
        answer = self.person.session.post(
            self.path(approval), json=body, headers={"X-CSRFToken": token}, timeout=20
        )
        assert answer.status_code == 200, answer.text

    def mine(self, execution: Execution, title: str) -> str | None:
        for row in self.system.approvals(execution):
            if (row["title"], row["status"]) == (title, "pending"):
                ballot = self.person.session.get(self.path(row["id"]), timeout=20)
                if ballot.ok and ballot.json()["may_vote"]:
                    return str(row["id"])
        return None

    def path(self, approval: str) -> str:
        return f"{self.system.base}/api/v1/approvals/{approval}/vote"


class TestReleaseGate:
    def test_both_groups_agree(self, system):
        execution = system.emulator.execute("release-gate", RELEASE)

        Inbox(system, "ana").answer(execution, "Release checkout 2.14.0, quality", "approved")
        Inbox(system, "ben").answer(execution, "Release checkout 2.14.0, security", "approved")

        assert execution.result() == {
            "status": "released",
            "quality": "ana@example.com",
            "security": "ben@example.com",
        }

    def test_one_no_withdraws_the_other_question(self, system):
        execution = system.emulator.execute("release-gate", RELEASE)
        eventually(lambda: len(system.approvals(execution)) == 2, "both questions")

        title = "Release checkout 2.14.0, security"
        Inbox(system, "ben").answer(execution, title, "rejected", comment="An open hole.")

        assert execution.result() == {
            "status": "held",
            "quality": "withdrawn",
            "security": "rejected",
        }
        outcomes = {row["title"][-8:]: row["status"] for row in system.approvals(execution)}
        assert outcomes == {" quality": "withdrawn", "security": "rejected"}


class TestSupplierOnboarding:
    def test_it_is_corrected_asked_again_and_created(self, system):
        given = {"requester": "eva@example.com", "supplier": SUPPLIER}
        execution = system.emulator.execute("supplier-onboarding", given)
        ana, ben, dora, eva = (Inbox(system, name) for name in ("ana", "ben", "dora", "eva"))
        title, terms = "New supplier Atlas", {"payment_days": 14}

        ana.answer(execution, title, "approved", form={"payment_days": 30})
        ben.answer(execution, title, "changes_requested", comment="Wrong IBAN.")
        eva.answer(execution, "Please correct the data of Atlas", "approved", form=FIXED)
        for person in (ana, ben, dora):
            person.answer(execution, title, "approved", form=terms)

        result = execution.result()
        assert (result["status"], result["supplier"], result["terms"]) == ("created", FIXED, terms)
        second, correction, first = system.approvals(execution)
        assert (second["supersedes"], first["superseded_by"]) == (first["id"], second["id"])
        assert correction["votes"][0]["email"] == "eva@example.com"


class TestTranslationReview:
    def test_the_text_that_the_editor_wrote_is_published(self, system):
        given = {
            "document": "Terms",
            "language": "Portuguese",
            "requester": "eva@example.com",
            "original": "Goods remain ours.",
            "translation": "Os bens são nossos.",
        }
        execution = system.emulator.execute("translation-review", given)

        text = "Os bens permanecem nossos."
        Inbox(system, "ana").answer(
            execution, "Terms in Portuguese", "approved", form={"text": text}
        )

        result = execution.result()
        assert (result["text"], result["edited"]) == (text, True)


class TestCheck:
    def test_it_tells_who_would_be_asked_for_an_expense(self, system):
        token = system.emulator.id_token(system.base)
        told = requests.post(
            f"{system.base}/api/v1/approvals/check",
            json={"title": "Fair", "type": "expense", "fields": {"Amount": 7200}},
            headers={"Authorization": f"Bearer {token}"},
            timeout=20,
        ).json()

        assert told["stages"][0]["approvers"][0] == {
            "approver": "group:directors",
            "name": "directors",
            "why": "Expense: Amount > 5000",
            "people": 1,
            "excluded": None,
            "invited": False,
        }
