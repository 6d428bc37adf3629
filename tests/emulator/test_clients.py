"""Google's own Python libraries, unpatched, against the emulator."""

import json
import os
import subprocess
import sys
import textwrap

import pytest
from google.api_core import exceptions
from google.cloud import workflows_v1
from google.oauth2.credentials import Credentials

from tests.emulators import APP, WORKFLOW, EmulatorProcess

SOURCE = "- done: {return: 1}\n"


@pytest.fixture
def client(emulator: EmulatorProcess) -> workflows_v1.WorkflowsClient:
    """Google's client for definitions, over REST."""
    return workflows_v1.WorkflowsClient(
        transport="rest",
        client_options={"api_endpoint": emulator.url},
        credentials=Credentials(token=emulator.token()),
    )


class TestWorkflowsClient:
    def test_it_creates_reads_lists_updates_and_deletes(self, client, emulator):
        name = f"{emulator.parent}/workflows/by-client"
        made = client.create_workflow(
            parent=emulator.parent,
            workflow_id="by-client",
            workflow=workflows_v1.Workflow(
                source_contents=SOURCE,
                description="by Google's client",
                call_log_level=workflows_v1.Workflow.CallLogLevel.LOG_ALL_CALLS,
            ),
        ).result(timeout=10)

        assert (made.name, made.state.name) == (name, "ACTIVE")
        assert client.get_workflow(name=name).source_contents == SOURCE
        assert name in [found.name for found in client.list_workflows(parent=emulator.parent)]

        changed = client.update_workflow(
            workflow=workflows_v1.Workflow(name=name, source_contents=SOURCE.replace("1", "2")),
            update_mask={"paths": ["source_contents"]},
        ).result(timeout=10)
        assert changed.revision_id.startswith("000002-")
        assert changed.description == "by Google's client"
        revisions = client.list_workflow_revisions(request={"name": name})
        assert [found.revision_id[:6] for found in revisions] == ["000002", "000001"]

        client.delete_workflow(name=name).result(timeout=10)
        with pytest.raises(exceptions.NotFound):
            client.get_workflow(name=name)

    def test_it_shows_where_a_source_is_wrong(self, client, emulator):
        with pytest.raises(exceptions.BadRequest, match=r"main\.yaml:1:\d+: .*step 'done'"):
            client.create_workflow(
                parent=emulator.parent,
                workflow_id="broken",
                workflow=workflows_v1.Workflow(source_contents="- done: {return: '${1 +}'}\n"),
            )

    def test_it_knows_a_conflict_and_a_missing_permission(self, client, emulator):
        emulator.deploy("there", SOURCE)
        workflow = workflows_v1.Workflow(source_contents=SOURCE)

        with pytest.raises(exceptions.Conflict):
            client.create_workflow(parent=emulator.parent, workflow_id="there", workflow=workflow)
        with pytest.raises(exceptions.Forbidden):
            client.get_workflow(name="projects/other/locations/us-central1/workflows/there")


class TestGoogleAuth:
    """In a process of its own: google-auth reads the metadata server's address when imported."""

    def test_default_credentials_deliver_a_callback_and_refresh(self, emulator):
        source = """
        - create: {call: events.create_callback_endpoint, result: callback}
        - wait: {call: events.await_callback, args: {callback: "${callback}"}, result: request}
        - done: {return: "${request.http_request.body}"}
        """
        emulator.deploy("for-auth", source)
        execution = emulator.execute("for-auth")

        seen = self.run(
            emulator,
            """
            import google.auth
            from google.auth.transport.requests import AuthorizedSession, Request
            credentials, project = google.auth.default(
                scopes=["https://www.googleapis.com/auth/cloud-platform"]
            )
            with AuthorizedSession(credentials) as session:
                answer = session.post(sys.argv[1], json={"approved": True}, timeout=10)
                email = credentials.service_account_email
                first = credentials.token
                credentials.refresh(Request())
            print(json.dumps([answer.status_code, project, email, credentials.token != first]))
            """,
            execution.callback_url(),
        )

        assert seen == [200, "countersign-demo", APP, True]
        assert execution.result() == {"approved": True}

    def test_an_id_token_is_fetched_and_verified(self, emulator):
        seen = self.run(
            emulator,
            """
            from google.auth.transport.requests import Request
            from google.oauth2 import id_token
            token = id_token.fetch_id_token(Request(), "https://inbox.example")
            claims = id_token.verify_token(
                token, Request(), audience="https://inbox.example", certs_url=sys.argv[1]
            )
            print(json.dumps([claims["iss"], claims["email"], claims["google"]["compute_engine"]]))
            """,
            f"{emulator.url}/oauth2/v1/certs",
        )

        assert seen[:2] == ["https://accounts.google.com", APP]
        assert seen[2]["project_id"] == "countersign-demo"

    def test_no_name_of_another_host_is_asked_for(self, emulator):
        seen = self.run(
            emulator,
            """
            import socket
            asked, real = set(), socket.getaddrinfo
            socket.getaddrinfo = lambda h, *a, **k: (asked.add(h), real(h, *a, **k))[1]
            import google.auth
            from google.auth.transport.requests import AuthorizedSession
            credentials, _ = google.auth.default()
            with AuthorizedSession(credentials) as session:
                session.get(sys.argv[1], timeout=10)
            print(json.dumps(sorted(asked)))
            """,
            f"{emulator.url}/v1/{emulator.parent}/workflows",
        )

        assert seen == ["127.0.0.1"]

    def run(self, emulator: EmulatorProcess, code: str, *arguments: str) -> list[object]:
        program = "import json, sys\n" + textwrap.dedent(code)
        done = subprocess.run(
            [sys.executable, "-W", "error::ResourceWarning", "-c", program, *arguments],
            env={**os.environ, **emulator.environment},
            text=True,
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        seen: list[object] = json.loads(done.stdout)
        return seen


def test_a_token_for_tests_can_be_anyones(emulator):
    token = emulator.id_token("https://inbox.example", WORKFLOW, expires_in=60)

    assert token.count(".") == 2
