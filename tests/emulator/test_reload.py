"""Files that change while `serve` runs."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.emulators import EmulatorProcess, eventually


def flow(answer: object) -> str:
    return f"main:\n  steps:\n    - done: {{return: {answer}}}\n"


LIBRARY = "shared:\n  steps:\n    - give: {return: %s}\n"
CALLER = "main:\n  steps:\n    - ask: {call: shared, result: x}\n    - done: {return: '${x}'}\n"
WAITING = (
    "main:\n  steps:\n    - nap: {call: sys.sleep, args: {seconds: 2}}\n    - done: {return: %s}\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "flows"
    place.mkdir()
    (place / "one.yaml").write_text(flow(1))
    return place


@pytest.fixture
def running(start_emulator, folder) -> EmulatorProcess:
    return start_emulator(workflows=folder, options=("--env", "PLACE=here"))


def revision(emulator: EmulatorProcess, workflow: str, number: int) -> str | None:
    """The name of the latest revision, once it has that number."""
    answer = emulator.request("GET", f"{emulator.parent}/workflows/{workflow}")
    name = str(answer.json().get("revisionId", ""))
    return name if name.startswith(f"{number:06d}-") else None


def wait_for(emulator: EmulatorProcess, workflow: str, number: int) -> str:
    found = partial(revision, emulator, workflow, number)
    return eventually(found, f"revision {number} of {workflow}")


def wait_to_say(emulator: EmulatorProcess, text: str) -> list[str]:
    return eventually(partial(emulator.logged, text), f"{text!r} in the output")


class TestChange:
    def test_new_executions_run_what_was_written_and_running_ones_what_they_began(
        self, running, folder
    ):
        # The first write gives the variables of --env, which is a revision of its own.
        (folder / "one.yaml").write_text(WAITING % 1)
        wait_for(running, "one", 3)
        old = running.execute("one")

        (folder / "one.yaml").write_text(flow(2))
        name = wait_for(running, "one", 4)

        assert running.execute("one").result() == 2
        assert old.result() == 1
        assert len(running.logged(f"workflow-deployed workflow=one revision={name} file=")) == 1

    def test_a_client_that_writes_by_renaming_is_understood(self, running, folder):
        swap = folder / ".one.yaml.swp"
        swap.write_text("nothing that builds: [")
        draft = folder / "4913"
        draft.write_text(flow(2))
        draft.replace(folder / "one.yaml")
        wait_for(running, "one", 3)
        (folder / "one.yaml").rename(folder / "one.yaml~")
        (folder / "one.yaml").write_text(flow(3))
        wait_for(running, "one", 4)

        assert running.execute("one").result() == 3
        assert running.logged("file-gone") == running.logged("broken") == []

    def test_many_writes_end_with_the_last(self, running, folder):
        for number in range(200):
            (folder / "one.yaml").write_text(flow(number))
        eventually(lambda: running.execute("one").result() == 199 or None)

        assert len(running.logged("workflow-deployed workflow=one")) < 20

    def test_the_other_fields_of_a_workflow_stay(self, running, folder):
        name = f"{running.parent}/workflows/one"
        body = {"description": "mine", "userEnvVars": {"OWN": "x"}}
        running.ask("PATCH", name, params={"updateMask": "description,userEnvVars"}, json=body)

        (folder / "one.yaml").write_text(flow(2))
        wait_for(running, "one", 4)

        shown = running.ask("GET", name)
        assert (shown["description"], shown["userEnvVars"]) == ("mine", {"OWN": "x"})

    def test_a_library_changes_all_its_callers(self, running, folder):
        (folder / "lib.yaml").write_text(LIBRARY % 1)
        (folder / "a.yaml").write_text(CALLER)
        (folder / "b.yaml").write_text(CALLER)
        wait_for(running, "a", 1)
        wait_for(running, "b", 1)

        (folder / "lib.yaml").write_text(LIBRARY % 2)
        wait_for(running, "a", 2)
        wait_for(running, "b", 2)

        assert [running.execute(each).result() for each in "ab"] == [2, 2]
        assert revision(running, "one", 2)


class TestAppear:
    def test_a_new_file_is_deployed_with_the_variables_of_the_start(self, running, folder):
        (folder / "two.yaml").write_text("- done: {return: '${sys.get_env(\"PLACE\")}'}\n")
        wait_for(running, "two", 1)

        assert running.execute("two").result() == "here"

    def test_a_folder_that_is_replaced_is_watched_again(self, running, folder, tmp_path):
        other = tmp_path / "other"
        other.mkdir()
        (other / "one.yaml").write_text(flow(2))
        shutil.rmtree(folder)
        other.rename(folder)
        wait_for(running, "one", 3)

        (folder / "one.yaml").write_text(flow(3))
        wait_for(running, "one", 4)

    def test_a_deployment_of_a_client_stays_until_the_file_changes(self, running, folder):
        running.deploy("one", flow(7))
        (folder / "two.yaml").write_text(flow(2))
        wait_for(running, "two", 1)

        assert running.execute("one").result() == 7


class TestBreak:
    def test_what_is_wrong_is_said_once_and_the_old_revision_stays(self, running, folder):
        path = folder / "one.yaml"
        path.write_text("- a: {next: nowhere}\n- b: {call: nothing}\n")
        wait_to_say(running, "workflow-broken workflow=one")
        (folder / "two.yaml").write_text(flow(2))
        wait_for(running, "two", 1)

        assert len(running.logged(f"{path}:1:13: ")) == 1
        assert len(running.logged(f"{path}:2:13: ")) == 1
        assert running.execute("one").result() == 1
        path.write_text(flow(1))
        wait_to_say(running, "workflow-unchanged workflow=one")

    def test_a_file_that_is_no_text_stops_no_other(self, running, folder):
        (folder / "latin.yaml").write_bytes(b"# caf\xe9\n")
        (folder / "one.yaml").write_text(flow(2))
        wait_for(running, "one", 3)

        assert len(running.logged("latin.yaml: not UTF-8 text")) == 1


class TestStartAmidTrouble:
    def test_what_waits_can_be_answered_while_its_file_is_broken(self, running, folder):
        path = folder / "one.yaml"
        path.write_text(
            "- make: {call: events.create_callback_endpoint, result: end}\n"
            "- wait: {call: events.await_callback, args: {callback: '${end}'}, result: told}\n"
            "- done: {return: '${told.http_request.body}'}\n"
        )
        old = wait_for(running, "one", 3)
        waiting = running.execute("one")
        waiting.callback_url()
        running.kill()
        path.write_text("- a: {next: nowhere}\n")
        (folder / "latin.yaml").write_bytes(b"# caf\xe9\n")
        (folder / "1st.yaml").write_text(flow(1))
        (folder / "two.yaml").write_text(flow(2))

        running.restart()

        assert len(running.logged(f"{path}:1:13: ")) == 1
        assert running.logged(f"workflow-broken workflow=one file={path} still={old}")
        assert running.logged("workflow ID '1st' must")
        assert len(running.logged("latin.yaml: not UTF-8 text")) == 1
        assert running.execute("two").result() == 2
        assert waiting.send("yes").status_code == 200
        assert waiting.result() == "yes"
        path.write_text(flow(5))
        wait_for(running, "one", 4)
        assert running.execute("one").result() == 5
        assert len(running.logged("latin.yaml: not UTF-8 text")) == 1


class TestDisappear:
    def test_a_deleted_file_is_said_and_stays_deployed(self, running, folder):
        (folder / "one.yaml").unlink()
        wait_to_say(running, "workflow-file-gone workflow=one still=000002-")

        assert running.execute("one").result() == 1

    def test_a_renamed_file_is_another_workflow(self, running, folder):
        (folder / "one.yaml").rename(folder / "uno.yaml")
        wait_for(running, "uno", 1)
        wait_to_say(running, "workflow-file-gone workflow=one")

        assert running.execute("uno").result() == 1


class TestOptions:
    def test_without_reload_nothing_changes(self, start_emulator, folder):
        emulator = start_emulator(
            workflows=folder, options=("--no-reload", "--watch", str(folder.parent))
        )
        (folder / "one.yaml").write_text(flow(2))
        (folder.parent / "beside.yaml").write_text(flow(3))
        wait_for(emulator, "beside", 1)

        assert emulator.execute("one").result() == 1

    def test_a_watched_folder_is_not_deployed_at_the_start(self, start_emulator, folder):
        (folder / "broken.yaml").write_text("- a: {next: nowhere}\n")
        emulator = start_emulator(options=("--watch", str(folder)))
        (folder / "two.yaml").write_text(flow(2))
        wait_for(emulator, "two", 1)

        assert revision(emulator, "one", 1) is None
        assert emulator.logged("broken") == []
