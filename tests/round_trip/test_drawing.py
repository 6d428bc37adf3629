"""The drawing of a real run: the path so far, where it waits, and the path that it then took."""

from typing import Any

from tests.emulators import Execution, eventually
from tests.round_trip.system import EXPENSE, Person, System


def drawing(person: Person, approval: str) -> str:
    answer = person.get(f"/approvals/{approval}/way/")
    assert answer.status_code == 200
    return answer.text


def waiting(person: Person, approval: str) -> str:
    """The drawing, once it shows that the run waits: what Google said is kept for five seconds."""
    found: str = eventually(
        lambda: page if "waits here" in (page := drawing(person, approval)) else None, "the path"
    )
    return found


def both(system: System, execution: Execution) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = eventually(
        lambda: rows if len(rows := system.approvals(execution)) == 2 else None, "both questions"
    )
    return found


def boxes(page: str) -> dict[str, str]:
    """How each step of the picture stands, by its name."""
    found = {}
    for box in page.split('<svg class="box ')[1:]:
        texts = [part.partition("<")[0] for part in box.split('">')[1:]]
        words = [text for text in texts if text.strip()]
        found[words[0]] = words[-1]
    return found


class TestDrawing:
    def test_a_run_is_followed_from_the_question_to_the_end(self, system, ana):
        execution = system.emulator.execute("expense-approval", EXPENSE)
        approval = system.asked(execution)

        page = waiting(ana, approval)

        stages = boxes(page)
        assert stages["describe"] == "✓ done"
        assert stages["ask"] == "● waits here"
        assert stages["pay"] == "writes a line to its log"
        assert "The path so far could not be read" not in page

        assert ana.decide(approval, "approved").status_code == 303
        execution.result()
        page = eventually(  # what was asked of Google is kept for five seconds
            lambda: page if boxes(page := drawing(ana, approval))["paid"] == "✓ done" else None,
            "the path that was taken",
        )

        stages = boxes(page)
        assert stages["ask"] == stages["pay"] == "✓ done"
        assert "Paid 1240 EUR" in page
        assert stages["give up"] != "✓ done"
        took = page.partition('<ol class="way-lines">')[2].partition("</ol>")[0]
        assert took.index("<bdi>pay</bdi>") < took.index("<bdi>paid</bdi>")
        assert "waits here" not in page

    def test_of_two_questions_at_once_each_has_its_step(self, system, ana):
        release = {"service": "shop", "version": "1", "requester": "eva@example.com", "changes": ""}
        execution = system.emulator.execute("release-gate", release)
        titles = {row["title"]: row["id"] for row in both(system, execution)}

        page = waiting(ana, titles["Release shop 1, quality"])

        assert boxes(page)["ask"] == "● waits here"
        assert "How it goes on depends on more than this answer." in page

    def test_a_workflow_that_was_changed_meanwhile_says_so(self, system, ana):
        known = system.emulator.ask("GET", f"{system.emulator.parent}/workflows/expense-approval")
        source, env = known["sourceContents"], known["userEnvVars"]
        system.emulator.deploy("expense-twice", source, env)
        execution = system.emulator.execute("expense-twice", EXPENSE)
        approval = system.asked(execution)

        system.emulator.deploy("expense-twice", source.replace("give_up", "let_it_be"))

        page = drawing(ana, approval)
        assert "The workflow has been changed since." in page
        assert "give up" in page
