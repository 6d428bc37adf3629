"""The only way out: which addresses get a token, and what each answer means."""

import json
import socket
import threading
from contextlib import contextmanager

import pytest
from google.auth import compute_engine

from approvals.google import callbacks, wire
from approvals.google.addresses import BadCallbackUrl, CallbackAddress
from approvals.google.callbacks import Answer, Trace
from approvals.google.wire import CannotLook
from tests.approvals.conftest import TOKEN
from tests.approvals.scripted import scripted_server

PATH = (
    "/v1/projects/123456789012/locations/us-central1/workflows/expense"
    "/executions/46804f42-dc83-4a1e-bd0a-000000000001/callbacks/49c80f1a_2de91a"
)
GOOGLE = "https://workflowexecutions.googleapis.com"
GOOD = GOOGLE + PATH

HOSTILE = [
    "",
    "https://",
    "http://workflowexecutions.googleapis.com" + PATH,
    "HTTPS://workflowexecutions.googleapis.com" + PATH,
    "https://evil.example" + PATH,
    "https://evil.example\\@workflowexecutions.googleapis.com" + PATH,
    "https://workflowexecutions.googleapis.com@evil.example" + PATH,
    "https://user:pw@workflowexecutions.googleapis.com" + PATH,
    "https://workflowexecutions.googleapis.com.evil.example" + PATH,
    "https://workflowexecutions.googleapis.com%2eevil.example" + PATH,
    "https://workflowexecutions.googleapis.com:443" + PATH,
    "https://workflowexecutions.googleapis.com:8443" + PATH,
    "https://workflowexecutions.googleapis.com." + PATH,
    "https://evil-workflowexecutions.googleapis.com" + PATH,
    "https://workflowexecutions.evil.rep.googleapis.com.evil" + PATH,
    "https://workflowexecutions.a.b.rep.googleapis.com" + PATH,
    "https://workflowexecutions..rep.googleapis.com" + PATH,
    "https://storage.googleapis.com" + PATH,
    "https://workflowexecutions.googleapis.com/v1/../v1" + PATH[3:],
    "https://workflowexecutions.googleapis.com//v1" + PATH[3:],
    "https://workflowexecutions.googleapis.com/v2" + PATH[3:],
    GOOD + "?access_token=x",
    GOOD + "#fragment",
    GOOD + "/",
    GOOD + "/../../other",
    GOOD + "\n",
    GOOD + "\r\nX-Header: 1",
    GOOD + "\x00",
    GOOD + "%2f..",
    " " + GOOD,
    "\t" + GOOD,
    GOOD.replace("123456789012", "\uff11\uff12\uff13"),  # full-width digits
    GOOD.replace("123456789012", "../x"),
    GOOD.replace("callbacks", "callbacks/.."),
    GOOD.replace("49c80f1a", "4" * 5000),
    "file:///etc/passwd",
    "gopher://workflowexecutions.googleapis.com" + PATH,
    "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token",
    "http://metadata.google.internal" + PATH,
    "http://127.0.0.1:8787" + PATH,
    "http://[::1]:8787" + PATH,
    "//workflowexecutions.googleapis.com" + PATH,
    "javascript:alert(1)",
]


@contextmanager
def one_answer(text):
    """A host that reads what comes, says this and closes, once."""

    def serve():
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(text)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


class TestParse:
    @pytest.mark.parametrize(
        "origin", [GOOGLE, "https://workflowexecutions.europe-west3.rep.googleapis.com"]
    )
    def test_googles_hosts_are_accepted_and_come_back_unchanged(self, origin):
        address = CallbackAddress.parse(origin + PATH)

        assert address.url == origin + PATH
        assert address.project == "123456789012"
        assert address.execution_name.endswith("executions/46804f42-dc83-4a1e-bd0a-000000000001")

    @pytest.mark.parametrize("url", HOSTILE)
    def test_a_hostile_address_is_refused(self, url, settings):
        settings.WORKFLOWS_EMULATOR_HOST = ""
        with pytest.raises(BadCallbackUrl):
            CallbackAddress.parse(url)

    def test_the_emulator_is_accepted_only_where_it_is_set_and_only_its_very_origin(self, settings):
        settings.WORKFLOWS_EMULATOR_HOST = "http://127.0.0.1:8787"

        assert CallbackAddress.parse("http://127.0.0.1:8787" + PATH).origin.endswith(":8787")
        for other in ("http://127.0.0.1:87870", "http://127.0.0.1:8788", "http://127x0.0.1:8787"):
            with pytest.raises(BadCallbackUrl):
                CallbackAddress.parse(other + PATH)


class TestPost:
    def test_the_decision_is_sent_once_with_token_and_type(self, google):
        reply = callbacks.post(google.origin + PATH, '{"outcome": "approved"}')

        assert reply.answer == Answer.STORED
        [sent] = google.seen
        assert (sent.method, sent.path, sent.body) == ("POST", PATH, b'{"outcome": "approved"}')
        assert sent.headers["authorization"] == f"Bearer {TOKEN}"
        assert sent.headers["Content-Type"] == "application/json"

    @pytest.mark.parametrize(
        ("status", "answer"),
        [
            (200, Answer.STORED),
            (204, Answer.STORED),
            (301, Answer.REFUSED),
            (302, Answer.REFUSED),
            (307, Answer.REFUSED),
            (400, Answer.REFUSED),
            (403, Answer.DENIED),
            (404, Answer.GONE),
            (405, Answer.REFUSED),
            (408, Answer.UNKNOWN),
            (413, Answer.REFUSED),
            (429, Answer.FULL),
            (500, Answer.UNKNOWN),
            (502, Answer.UNKNOWN),
            (503, Answer.RETRY),
            (504, Answer.UNKNOWN),
        ],
    )
    def test_each_status_has_one_meaning(self, google, status, answer):
        google.answer(status)

        assert callbacks.post(google.origin + PATH, "{}").answer == answer
        assert len(google.seen) == 1

    def test_a_redirect_is_never_followed(self, google):
        with scripted_server() as canary:
            google.answer(302, Location=canary.origin + PATH)
            google.answer(307, Location=canary.origin + PATH)

            callbacks.post(google.origin + PATH, "{}")
            callbacks.post(google.origin + PATH, "{}")

            assert canary.seen == []

    @pytest.mark.parametrize("spelling", ["{canary}", "http://user@{host}", "{google}@{host}"])
    def test_no_token_and_no_byte_goes_to_another_host(self, google, spelling):
        with scripted_server() as canary:
            origin = spelling.format(
                canary=canary.origin,
                host=canary.origin.removeprefix("http://"),
                google=google.origin,
            )

            reply = callbacks.post(origin + PATH, "{}")

            assert reply.answer == Answer.REFUSED
            assert canary.seen == google.seen == []

    def test_netrc_and_proxies_are_not_read(self, google, tmp_path, monkeypatch):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login thief password secret\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

        assert callbacks.post(google.origin + PATH, "{}").answer == Answer.STORED
        assert google.seen[0].headers["authorization"] == f"Bearer {TOKEN}"

    def test_a_refused_connection_was_certainly_not_accepted(self, google, settings, monkeypatch):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            host = f"127.0.0.1:{unused.getsockname()[1]}"
        settings.WORKFLOWS_EMULATOR_HOST = f"http://{host}"
        monkeypatch.setenv("GCE_METADATA_HOST", host)

        reply = callbacks.post(f"http://{host}{PATH}", "{}")

        assert (reply.answer, reply.answered) == (Answer.RETRY, False)

    @pytest.mark.parametrize("first", [b"", b"this is no TLS"])
    def test_a_handshake_that_fails_was_certainly_not_accepted(
        self, google, settings, monkeypatch, first
    ):
        with one_answer(first) as host:
            settings.WORKFLOWS_EMULATOR_HOST = f"https://{host}"
            monkeypatch.setenv("GCE_METADATA_HOST", host)

            reply = callbacks.post(f"https://{host}{PATH}", "{}")

        assert (reply.answer, reply.answered) == (Answer.RETRY, False)
        assert "No connection" in reply.detail

    @pytest.mark.parametrize("first", [b"", b"this is no HTTP\r\n\r\n"])
    def test_what_breaks_after_sending_is_a_doubt(self, google, settings, monkeypatch, first):
        with one_answer(first) as host:
            settings.WORKFLOWS_EMULATOR_HOST = f"http://{host}"
            monkeypatch.setenv("GCE_METADATA_HOST", host)

            reply = callbacks.post(f"http://{host}{PATH}", "{}")

        assert (reply.answer, reply.answered) == (Answer.UNKNOWN, False)

    def test_a_connection_cut_after_sending_is_a_doubt(self, google):
        google.hang_up()

        assert callbacks.post(google.origin + PATH, "{}").answer == Answer.UNKNOWN

    @pytest.mark.parametrize(
        ("status", "answered"), [(200, True), (404, True), (429, True), (500, False), (503, False)]
    )
    def test_whether_the_host_is_well_is_told_beside_the_answer(self, google, status, answered):
        google.answer(status)

        assert callbacks.post(google.origin + PATH, "{}").answered is answered

    def test_a_body_is_sent_whole_on_each_of_two_tries(self, google):
        google.answer(401).answer(200)

        assert callbacks.post(google.origin + PATH, '{"a": "é"}').answer == Answer.STORED
        assert [said.body.decode() for said in google.seen] == ['{"a": "é"}'] * 2

    def test_retry_after_is_read_and_nonsense_in_it_ignored(self):
        assert callbacks.classify(503, "7").retry_after == 7.0
        assert callbacks.classify(503, "soon").retry_after is None
        assert callbacks.classify(503, "²").retry_after is None

    def test_the_emulator_never_gets_a_token_that_is_not_its_own(self, google, monkeypatch):
        monkeypatch.setenv("GCE_METADATA_HOST", "169.254.169.254")

        reply = callbacks.post(google.origin + PATH, "{}")

        assert (reply.answer, reply.answered) == (Answer.RETRY, False)
        assert google.seen == []


class TestCredentials:
    def test_with_the_emulator_a_key_file_that_lies_about_is_not_used(
        self, google, monkeypatch, tmp_path
    ):
        key = tmp_path / "key.json"
        key.write_text(
            json.dumps(
                {
                    "type": "authorized_user",
                    "client_id": "x",
                    "client_secret": "x",
                    "refresh_token": "real",
                }
            )
        )
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        monkeypatch.setattr(wire, "_credentials", None)

        assert isinstance(wire.credentials(), compute_engine.Credentials)
        assert isinstance(wire.credentials(), compute_engine.Credentials)

    def test_tokens_are_not_fetched_through_a_proxy(self, google):
        assert wire.session()._auth_request.session.trust_env is False


class TestLook:
    def test_waiters_and_unread_payloads_of_the_endpoint_are_found_over_all_pages(self, google):
        name = PATH.removeprefix("/v1/").replace("/callbacks/", "/callback/")
        google.answer(200, {"state": "ACTIVE"})
        google.answer(200, {"callbacks": [{"name": "x/other"}], "nextPageToken": "two&x#"})
        google.answer(
            200, {"callbacks": [{"name": name, "waiters": "2", "availablePayloads": ["{}"]}]}
        )

        sight = callbacks.look(google.origin + PATH)

        assert (sight.state, sight.waiters, sight.payloads) == ("ACTIVE", 2, ("{}",))
        assert "pageToken=two%26x%23" in google.seen[-1].path

    def test_a_list_without_an_end_is_left(self, google):
        google.answer(200, {"state": "ACTIVE"})
        for _ in range(30):
            google.answer(200, {"nextPageToken": "more"})

        with pytest.raises(CannotLook):
            callbacks.look(google.origin + PATH)

    def test_redirects_are_not_followed_here_either(self, google):
        with scripted_server() as canary:
            google.answer(302, Location=canary.origin + PATH)

            with pytest.raises(CannotLook):
                callbacks.look(google.origin + PATH)
            assert canary.seen == []

    def test_an_answer_without_an_end_is_left(self, google):
        google.answer(200, {"state": "x" * (wire.MAX_ANSWER + 1)})

        with pytest.raises(CannotLook):
            callbacks.look(google.origin + PATH)

    def test_an_unknown_execution_is_gone(self, google):
        google.answer(404)

        assert callbacks.look(google.origin + PATH).state == "GONE"

    @pytest.mark.parametrize("status", [302, 403, 429, 500])
    def test_any_other_answer_leaves_the_question_open(self, google, status):
        google.answer(status)

        with pytest.raises(CannotLook) as caught:
            callbacks.look(google.origin + PATH)
        assert (caught.value.status, caught.value.answered) == (status, status < 500)

    def test_an_answer_that_is_not_what_it_should_be_leaves_the_question_open(self, google):
        google.answer(200, {"status": "?"})
        google.hang_up()

        for answered in (True, False):
            with pytest.raises(CannotLook) as caught:
                callbacks.look(google.origin + PATH)
            assert caught.value.answered is answered


def failed(why=""):
    """A step that failed, and what its error was."""
    return {"state": "STATE_FAILED"} | ({"exception": {"payload": why}} if why else {})


WENT_WELL = {"state": "STATE_SUCCEEDED"}


class TestTrace:
    @pytest.mark.parametrize(
        ("entries", "found"),
        [
            ([WENT_WELL, WENT_WELL], Trace.HEARD),
            ([failed('{"message":"HTTP 500","tags":["HttpError"]}'), WENT_WELL], Trace.HEARD),
            ([failed('{"message":"…","tags":["TimeoutError"]}'), WENT_WELL], Trace.UNSURE),
            ([failed('"The callback timed out."'), WENT_WELL], Trace.UNSURE),
            ([failed(), WENT_WELL], Trace.UNSURE),
            ([], Trace.UNSURE),
        ],
        ids=str,
    )
    def test_a_run_heard_its_answer_where_no_step_of_it_timed_out(self, google, entries, found):
        google.answer(200, {"stepEntries": entries})

        assert callbacks.trace(google.origin + PATH) is found
        assert "/stepEntries?" in google.seen[-1].path

    def test_all_pages_of_its_steps_are_read(self, google):
        google.answer(200, {"stepEntries": [WENT_WELL], "nextPageToken": "more"})
        google.answer(200, {"stepEntries": [failed()]})

        assert callbacks.trace(google.origin + PATH) is Trace.UNSURE

    def test_steps_that_are_not_kept_or_beyond_number_tell_nothing(self, google):
        google.answer(404)
        assert callbacks.trace(google.origin + PATH) is Trace.UNSURE

        google.answer(200, {"stepEntries": [{"status": "?"}]})
        assert callbacks.trace(google.origin + PATH) is Trace.UNSURE

        for _ in range(wire.MAX_PAGES):
            google.answer(200, {"stepEntries": [WENT_WELL], "nextPageToken": "more"})
        assert callbacks.trace(google.origin + PATH) is Trace.UNSURE

    @pytest.mark.parametrize("status", [302, 403, 429, 500])
    def test_any_other_answer_leaves_the_question_open(self, google, status):
        google.answer(status)

        with pytest.raises(CannotLook) as caught:
            callbacks.trace(google.origin + PATH)
        assert caught.value.status == status
