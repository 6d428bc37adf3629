"""Lines of the log: in the fields that Cloud Logging reads, one for each event, without secrets."""

import ast
import io
import json
import logging
import logging.config
import re
import time
from contextlib import contextmanager
from datetime import datetime
from uuid import uuid4

import pytest
import requests
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, OperationalError

from approvals.models import ApiKey
from approvals.origin import Origin, coming_from
from config.logs import MAX_CHAIN, GoogleFormatter, RequestFilter, TextFormatter, logging_config
from tests.factories import make_approval, make_caller, make_group, make_user
from tests.pages import ROOT, names, section, table
from tests.watch import TRIED

TRACE, SPAN = "105445aa7843bc8bf206b12000100000", "00f067aa0ba902b7"
TOKEN = "ya29.a0Canary-Token_1"
FORGED = '\r\n{"level":"INFO","message":"approved"}\u2028\x1b[2J\x85end'
LOG = logging.getLogger(TRIED)


@contextmanager
def written(formatter):
    """What is logged inside the block, as it is written."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    handler.addFilter(RequestFilter())
    loggers = [logging.getLogger(name) for name in ("approvals", TRIED)]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield out
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


@pytest.fixture
def log():
    """Log something and get the object that Cloud Logging gets."""

    def one(write, project="some-project", **origin):
        with written(GoogleFormatter(project)) as out, coming_from(Origin(**origin)):
            write()
        (line,) = out.getvalue().splitlines()
        return json.loads(line)

    return one


def fail(error, cause=None):
    """Log this exception, raised from that one."""
    try:
        if cause is not None:
            chained(error, cause)
        raised(error)
    except Exception:
        LOG.exception("row left for later")


def raised(error):
    raise error


def chained(error, cause):
    try:
        raised(cause)
    except Exception as first:
        raise error from first


class TestForGoogle:
    def test_the_event_has_its_severity_and_time(self, log):
        found = log(lambda: LOG.warning("notice %s", "refused", extra={"notices": 3}))

        assert (found["message"], found["severity"]) == ("notice refused", "WARNING")
        assert (found["logger"], found["notices"]) == ("tried", 3)
        assert found["time"].endswith("Z")
        assert abs(datetime.fromisoformat(found["time"]).timestamp() - time.time()) < 60

    def test_its_trace_leads_to_all_lines_of_the_request(self, log):
        found = log(lambda: LOG.info("settled"), request=TRACE, span=SPAN, sampled=True)

        assert found["request_id"] == TRACE
        assert found["logging.googleapis.com/trace"] == f"projects/some-project/traces/{TRACE}"
        assert found["logging.googleapis.com/spanId"] == SPAN
        assert found["logging.googleapis.com/trace_sampled"] is True

    def test_without_a_project_or_a_request_there_is_no_trace(self, log):
        assert "logging.googleapis.com/trace" not in log(lambda: LOG.info("a"))
        assert "logging.googleapis.com/trace" not in log(
            lambda: LOG.info("a"), project="", request=TRACE
        )

    def test_approval_and_decision_are_labels(self, log):
        about = {"approval": uuid4(), "decision": str(uuid4()), "tries": 2}

        found = log(lambda: LOG.info("delivery stored", extra=about))

        assert found["logging.googleapis.com/labels"] == {
            "approval": str(about["approval"]),
            "decision": about["decision"],
        }
        assert found["tries"] == 2
        assert "approval" not in found

    def test_fields_that_a_call_gives_do_not_replace_ours(self, log):
        found = log(lambda: LOG.info("a", extra={"severity": "EMERGENCY", "time": "never"}))

        assert (found["severity"], found["time"][:2]) == ("INFO", "20")

    def test_an_error_says_where_and_its_exception_is_for_error_reporting(self, log):
        found = log(lambda: fail(ValueError("salary 5100")))

        place = found["logging.googleapis.com/sourceLocation"]
        assert place["file"].endswith("test_logs.py")
        assert (place["function"], place["line"].isdigit()) == ("fail", True)
        assert found["@type"].endswith("ReportedErrorEvent")
        assert found["stack_trace"].startswith("Traceback (most recent call last):\n")
        assert found["stack_trace"].endswith("\nbuiltins.ValueError")
        assert "in raised" in found["stack_trace"]

    def test_an_error_without_exception_is_none_for_error_reporting(self, log):
        found = log(lambda: LOG.error("trouble"))

        assert "logging.googleapis.com/sourceLocation" in found
        assert "@type" not in found

    def test_whatever_a_call_gives_can_be_written(self, log):
        strange = {"ids": {uuid4()}, "raw": b"\xff", "of": object(), "text": "\udcff"}

        assert log(lambda: LOG.info("a", extra=strange))["message"] == "a"


class TestExceptions:
    @pytest.mark.parametrize(
        "error",
        [
            requests.ConnectionError(f"HTTPSConnectionPool: /callbacks/abcdefgh?token={TOKEN}"),
            IntegrityError("Key (callback_url)=(https://…/abcdefgh) already exists."),
            KeyError("salary 5100"),
            ValueError("invalid literal for int(): '5100'"),
        ],
    )
    @pytest.mark.parametrize("formatter", [GoogleFormatter(), TextFormatter()])
    def test_they_are_told_by_their_class(self, error, formatter):
        with written(formatter) as out:
            fail(error)

        assert f"{type(error).__module__}.{type(error).__qualname__}" in out.getvalue()
        for secret in (TOKEN, "5100", "abcdefgh"):
            assert secret not in out.getvalue()

    @pytest.mark.parametrize(
        "error",
        [
            OperationalError("database is locked"),
            TypeError("'NoneType' object is not iterable"),
            ImproperlyConfigured("Set SECRET_KEY."),
        ],
    )
    def test_those_that_speak_of_names_alone_have_their_text(self, log, error):
        assert log(lambda: fail(error))["stack_trace"].endswith(f": {error}")

    def test_what_led_to_it_stands_before_it_by_its_class_too(self, log):
        found = log(lambda: fail(TypeError("bad"), cause=KeyError("salary")))["stack_trace"]

        assert found.index("builtins.KeyError\n\nWhich led to:") < found.index("TypeError: bad")
        assert "salary" not in found.replace('cause=KeyError("salary")', "")

    def test_a_chain_has_an_end(self, log):
        error = KeyError("0")
        for number in range(20):
            error, last = KeyError(str(number)), error
            error.__context__ = last

        assert log(lambda: fail(error))["stack_trace"].count("Traceback") == MAX_CHAIN


class TestOneLine:
    @pytest.mark.parametrize("formatter", [GoogleFormatter(), TextFormatter()])
    def test_nothing_ends_it_or_moves_the_cursor(self, formatter):
        with written(formatter) as out:
            LOG.info("said %s", FORGED, extra={"why": FORGED, "approval": FORGED})

        text = out.getvalue()
        assert text.count("\n") == 1
        assert text[:-1].isprintable()

    def test_a_text_of_an_exception_neither(self):
        with written(TextFormatter()) as out:
            fail(OperationalError(FORGED))

        assert '\n{"level"' not in out.getvalue()
        assert "\x1b" not in out.getvalue()
        assert (
            out.getvalue().splitlines()[-1].startswith("django.db.utils.OperationalError: \\r\\n")
        )

    def test_a_traceback_is_in_the_line(self, log):
        assert log(lambda: fail(OperationalError(FORGED)))["stack_trace"].count("Traceback") == 1


SECRETS = {
    "bearer": ("Authorization: Bearer abc.DEF-123", "abc.DEF-123"),
    "access token": (f"{{'access_token': '{TOKEN}'}}", TOKEN),
    "id token": ("token eyJhbGciOiJ9.eyJpc3MiOi.c2ln-bmF0", "eyJpc3MiOi"),
    "api key": ("key csk_Ab1_cD2 and csp_Zz9", "Ab1_cD2"),
    "personal token": ("key csk_Ab1_cD2 and csp_Zz9", "Zz9"),
    "callback": ("POST /v1/projects/1/callbacks/0123abcd-ef_90 failed", "0123abcd-ef_90"),
}


class TestSecrets:
    @pytest.mark.parametrize("kind", SECRETS)
    @pytest.mark.parametrize("formatter", [GoogleFormatter(), TextFormatter()])
    def test_what_looks_like_one_is_cut_out(self, kind, formatter):
        text, secret = SECRETS[kind]
        with written(formatter) as out:
            LOG.info("said: %s", text, extra={"why": text})

        assert out.getvalue().count("[removed]") >= 2
        assert secret not in out.getvalue()

    def test_a_line_that_lost_one_is_still_json(self, log):
        for text, _ in SECRETS.values():
            assert log(lambda said=text: LOG.info("said", extra={"why": f'"{said}"'}))["why"]

    def test_other_words_stay(self, log):
        said = "no callbacks/ here, the bearer of news, task csx_1, eye"

        assert log(lambda: LOG.info(said))["message"] == said


class TestAccess:
    @pytest.fixture
    def lines(self, db):
        """The lines of requests, as Cloud Logging gets them."""
        with written(GoogleFormatter("some-project")) as out:
            yield lambda: [
                found
                for found in map(json.loads, out.getvalue().splitlines())
                if found["logger"] == "approvals.access"
            ]

    def test_a_request_is_one_without_what_was_looked_for(self, client, lines):
        client.get("/sign-in/?next=/secret-plan", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"})

        (found,) = lines()
        assert found["message"] == "GET /sign-in/ 200"
        assert re.fullmatch(r"\d+\.\d{3}s", found["httpRequest"].pop("latency"))
        assert found["httpRequest"] == {
            "requestMethod": "GET",
            "requestUrl": "/sign-in/",
            "status": 200,
        }
        assert found["logging.googleapis.com/spanId"] == SPAN
        assert "secret-plan" not in json.dumps(found)

    def test_it_names_a_person_by_their_id(self, client, lines):
        ana = make_user("ana@example.com")
        make_group("managers", ana)
        approval = make_approval()
        client.post("/sign-in/", {"username": "ana@example.com", "password": "demo"})
        client.get(approval.get_absolute_url())

        signed_in, read = lines()
        assert signed_in["person"] == read["person"] == str(ana.pk)
        assert read["logging.googleapis.com/labels"] == {"approval": str(approval.pk)}
        assert "ana@" not in json.dumps([signed_in, read])

    def test_it_names_a_caller_by_its_id(self, client, lines):
        caller = make_caller()
        _, key = ApiKey.objects.issue(caller)

        client.get("/api/v1/approvals", headers={"Authorization": f"Bearer {key}"})

        assert lines()[-1]["caller"] == str(caller.pk)

    def test_it_asks_nobody_who_they_are(self, client, lines, django_assert_num_queries):
        with django_assert_num_queries(0):
            client.get("/nowhere-at-all")

        assert "person" not in lines()[0]

    def test_trouble_is_a_warning_and_a_probe_is_no_news(self, client, lines, monkeypatch):
        client.raise_request_exception = False
        client.get("/healthz")
        monkeypatch.setattr("approvals.health.token_source", None)
        client.get("/readyz")

        assert [(found["severity"], found["message"]) for found in lines()] == [
            ("WARNING", "GET /readyz 500")
        ]


class TestConfiguration:
    @pytest.mark.parametrize("form", ["json", "text"])
    def test_it_is_one_that_python_takes(self, form):
        built = logging.config.dictConfigClass(logging_config(form, "some-project"))

        formatter = built.configure_formatter(dict(built.config["formatters"][form]))

        assert isinstance(formatter, TextFormatter if form == "text" else GoogleFormatter)

    def test_requests_are_for_machines(self):
        levels = [
            logging_config(form)["loggers"]["approvals.access"]["level"]
            for form in ("json", "text")
        ]

        assert levels == ["INFO", "WARNING"]

    def test_libraries_that_say_too_much_are_kept_quiet(self):
        loggers = logging_config("json")["loggers"]

        for name in ("urllib3", "google", "django.db", "django.template"):
            assert logging.getLevelName(loggers[name]["level"]) >= logging.INFO
        assert loggers["apprise"] == {"handlers": ["nowhere"], "propagate": False}


METHODS = {"debug", "info", "warning", "error", "exception"}


def events():
    """(level, message) of every call that logs; `…` for what is worked out."""
    for path in (ROOT / "approvals").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(ast.Attribute(ast.Name("log"), level), [message, *_]):
                    if level in METHODS:
                        yield level, message


class TestMessages:
    def test_every_event_is_listed_with_its_severity(self):
        rows = table(section("operations.md", "## Logs"), "message", "severity", "means")
        listed = {name: row[1] for row in rows for name in names([row])}
        found = {
            (ast.literal_eval(message), "ERROR" if level == "exception" else level.upper())
            for level, message in events()
            if isinstance(message, ast.Constant)
        }

        assert len(found) > 20
        for message, level in found:
            pattern = re.escape(message).replace("%s", r"\S+")
            matching = [row for name, row in listed.items() if re.fullmatch(pattern, name)]
            assert matching, f"{message} is not listed"
            assert f"`{level}`" in matching[0], message
