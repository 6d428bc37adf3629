"""The guards of the product, each with the change that switches it off, and who must notice.

`python -m tests.sabotage` makes the changes, one at a time, in a copy of the tree: a named test has
to turn red. `tests/test_sabotage.py` sees that each text still stands exactly once.
"""

from dataclasses import dataclass

POSTGRES, SQLITE = "PostgreSQL", "SQLite"


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard.

    Args:
        name: what it is, as a promise.
        file: where it stands.
        text: how; exactly once in the file.
        instead: what stands there without it.
        tests: those of which one at least must fail then; files, classes or functions.
        database: on which they are run: where the guard matters.
        also: further changes, as (file, text, instead), where a guard stands twice.
    """

    name: str
    file: str
    text: str
    instead: str
    tests: tuple[str, ...]
    database: str = SQLITE
    also: tuple[tuple[str, str, str], ...] = ()

    @property
    def changes(self) -> tuple[tuple[str, str, str], ...]:
        return (self.file, self.text, self.instead), *self.also


RACES = "tests/approvals/test_races.py"
DELIVERY = "tests/approvals/test_delivery.py"
DELIVERY_ROWS = "tests/approvals/test_delivery_rows.py"
CALLBACKS = "tests/approvals/test_callbacks.py"
IDENTITY = "tests/approvals/test_identity.py"
WIRE = "tests/approvals/test_wire.py"
VERIFICATION = "tests/approvals/test_verification.py"

DECIDING = (
    Guard(
        "a vote is taken by a conditional UPDATE, not read, checked and saved",
        "approvals/models/voting.py",
        "held = rows.filter(pk=self.pk).update(changed_at=timezone.now())",
        "held = rows.filter(pk=self.pk).exists()",
        (f"{RACES}::TestVoteAgainstVote",),
        POSTGRES,
    ),
    Guard(
        "an approval is closed by a conditional UPDATE",
        "approvals/models/closing.py",
        "if not candidates.filter(pk=self.pk).update(",
        "if not candidates.filter(pk=self.pk).exists() or not self.rows().update(",
        (f"{RACES}::TestClosing",),
        POSTGRES,
    ),
    Guard(
        "a transaction of SQLite takes the lock before it reads",
        "config/settings.py",
        '"transaction_mode": "IMMEDIATE"',
        '"transaction_mode": "DEFERRED"',
        (RACES,),
    ),
    Guard(
        "whoever answers sees the state after waiting for the row, not before",
        "approvals/models/voting.py",
        "        if held:\n            self.refresh_from_db()\n",
        "",
        (f"{RACES}::TestUndo",),
    ),
    Guard(
        "a vote is for what was read",
        "approvals/models/voting.py",
        "mine = self.rows().needing(by).filter(revision=revision)",
        "mine = self.rows().needing(by)",
        (RACES, "tests/approvals/test_voting.py::TestStages"),
    ),
    Guard(
        "a run of which a wait timed out is not called to have the answer",
        "approvals/verdicts.py",
        "        if trace is Trace.HEARD:\n",
        "        if trace:\n",
        ("tests/approvals/test_verdicts.py", "tests/approvals/test_delivery.py"),
    ),
    Guard(
        "contents are removed in the order of whoever delivers",
        "approvals/retention.py",
        'if not over.update(body=models.F("body")):',
        "if not over.exists():",
        ("tests/approvals/test_retention.py::TestAtOnce",),
        POSTGRES,
    ),
    Guard(
        "nobody answers their own request",
        "approvals/models/question.py",
        "return without(people, self.requester_mailbox)",
        "return people",
        ("tests/approvals/test_voting.py", "tests/approvals/test_models.py"),
    ),
    Guard(
        "one callback URL carries one approval",
        "approvals/migrations/0001_initial.py",
        "models.UniqueConstraint(fields=('callback_url',), name='one_approval_per_callback')",
        "models.UniqueConstraint(fields=('id', 'title'), name='one_approval_per_callback')",
        (f"{RACES}::TestRegistering", "tests/approvals/test_api.py::TestRegister"),
        POSTGRES,
        (
            (
                "approvals/registration.py",
                "    Callback.objects.create(url=place.callback_url, approval=approval)\n",
                "",
            ),
        ),
    ),
    Guard(
        "two that register at once are one, and neither is refused",
        "approvals/registration.py",
        "except IntegrityError:\n        # What",
        "except ZeroDivisionError:\n        # What",
        (f"{RACES}::TestRegistering",),
        POSTGRES,
    ),
    Guard(
        "outcome and delivery are one transaction",
        "approvals/models/closing.py",
        "        Delivery.objects.create(\n            id=decision_id,",
        "        from functools import partial\n        from django.db import transaction as t\n"
        "        t.on_commit(lambda: None)\n        (lambda **row: t.on_commit(partial(\n"
        "            Delivery.objects.create, **row)))(\n            id=decision_id,",
        ("tests/approvals/test_record.py::TestTransitions", f"{DELIVERY}::TestDeliver"),
    ),
)
DELIVERING = (
    Guard(
        "a claim holds against whoever else has seen the row",
        "approvals/models/outbox.py",
        "self.due().filter(pk=delivery.pk, **seen)",
        "self.filter(pk=delivery.pk)",
        (f"{DELIVERY_ROWS}::TestLease",),
    ),
    Guard(
        "who has lost the lease writes nothing",
        "approvals/models/delivery.py",
        "            mine = Delivery.objects.filter(pk=self.pk, lease=self.lease)\n"
        "            if not mine.update(**changes):",
        "            mine = Delivery.objects.filter(pk=self.pk)\n"
        "            if not mine.update(**changes):",
        (f"{DELIVERY_ROWS}::TestLease", f"{DELIVERY}::TestConfirm"),
    ),
    Guard(
        "who has lost the lease sends nothing",
        "approvals/models/delivery.py",
        "            mine = Delivery.objects.filter(pk=self.pk, lease=self.lease)\n"
        "            if not mine.update(state=State.SENDING):",
        "            mine = Delivery.objects.filter(pk=self.pk)\n"
        "            if not mine.update(state=State.SENDING):",
        (f"{DELIVERY_ROWS}::TestLease",),
    ),
    Guard(
        "after a doubt Google is looked at before anything is sent",
        "approvals/verdicts.py",
        "if reply is None and not (past.landed or past.doubt or past.unsure):",
        "if reply is None:",
        (f"{DELIVERY}::TestDoubt", "tests/approvals/test_verdicts.py::TestSights"),
    ),
    Guard(
        "inside a transaction nothing is sent",
        "approvals/dispatch.py",
        "if connection.in_atomic_block:",
        "if False:",
        (f"{DELIVERY}::TestDeliverNow",),
    ),
)
LANES = "tests/approvals/test_lanes.py"
EVENLY = (
    Guard(
        "a host that does not answer is left alone for a while",
        "approvals/breaker.py",
        "if self.failures < FAILURES or len(self._sources) < self.enough:",
        "if True:",
        (f"{LANES}::TestBreaker",),
    ),
    Guard(
        "through an open breaker goes one probe",
        "approvals/breaker.py",
        "(now >= self.until and self.probe is None)",
        "now >= self.until",
        (f"{LANES}::TestBreaker",),
    ),
    Guard(
        "a workflow's lane leaves threads to the others",
        "approvals/lanes.py",
        "view.lanes[name] < lane.window and ",
        "",
        (f"{LANES}::TestPlaces",),
    ),
)
SENDING = (
    Guard(
        "answers go to Google's hosts alone",
        "approvals/google/addresses.py",
        "origins = [_GOOGLE]",
        'origins = [r"https?://[^/]+"]',
        (f"{CALLBACKS}::TestParse", f"{CALLBACKS}::TestPost"),
    ),
    Guard(
        "the token is attached after the address was taken apart",
        "approvals/google/callbacks.py",
        "    try:\n        address = CallbackAddress.parse(url)\n"
        "    except BadCallbackUrl as error:\n        return Reply(",
        "    import contextlib\n    with contextlib.suppress(Exception):\n"
        "        session().post(url, data=b'{}', timeout=2)\n"
        "    try:\n        address = CallbackAddress.parse(url)\n"
        "    except BadCallbackUrl as error:\n        return Reply(",
        (CALLBACKS,),
    ),
    Guard(
        "a redirect of the callback is not followed",
        "approvals/google/callbacks.py",
        "allow_redirects=False",
        "allow_redirects=True",
        (f"{CALLBACKS}::TestPost",),
    ),
    Guard(
        "a redirect of a look is not followed",
        "approvals/google/wire.py",
        "allow_redirects=False",
        "allow_redirects=True",
        (f"{CALLBACKS}::TestLook",),
    ),
    Guard(
        "neither .netrc nor proxies see the token",
        "approvals/google/wire.py",
        "        found.trust_env = False\n",
        "",
        (f"{CALLBACKS}::TestPost",),
    ),
    Guard(
        "an answer without an end is left",
        "approvals/google/wire.py",
        "MAX_ANSWER = 1_000_000",
        "MAX_ANSWER = 10**15",
        (f"{CALLBACKS}::TestLook",),
    ),
    Guard(
        "an answer that drips is left",
        "approvals/google/wire.py",
        "length <= most and time.monotonic() < deadline",
        "length <= most",
        (f"{WIRE}::TestBodyOf",),
    ),
    Guard(
        "of an answer no more is read at a time than has arrived",
        "approvals/google/wire.py",
        "response.raw.read1(AT_A_TIME",
        "response.raw.read(AT_A_TIME",
        (f"{WIRE}::TestBodyOf",),
    ),
)
COMING_IN = (
    Guard(
        "a token is for this inbox",
        "approvals/identity.py",
        "audience=audience, clock_skew_in_seconds=SKEW",
        "audience=None, clock_skew_in_seconds=SKEW",
        (f"{IDENTITY}::TestServiceAccount",),
    ),
    Guard(
        "without an audience no token is good",
        "approvals/identity.py",
        "    if not audience:\n        raise",
        "    if False:\n        raise",
        (f"{IDENTITY}::TestServiceAccount",),
    ),
    Guard(
        "a token is Google's",
        "approvals/identity.py",
        'if claims.get("iss") not in issuers:',
        "if False:",
        (IDENTITY,),
    ),
    Guard(
        "an e-mail that nobody verified is nobody's",
        "approvals/identity.py",
        'if claims.get("email_verified") is not True:',
        "if False:",
        (IDENTITY,),
    ),
    Guard(
        "a token lives an hour",
        "approvals/identity.py",
        "if not _times_fit(claims, time.time(), max_life):",
        "if False:",
        (IDENTITY,),
    ),
    Guard(
        "whoever has a known key does not wait while keys are fetched",
        "approvals/identity.py",
        "wait = 0.0 if key_id in usable else",
        "wait = -1.0 if key_id in usable else",
        (f"{IDENTITY}::TestWhileKeysAreFetched",),
    ),
    Guard(
        "after a fetch that failed, known keys are used for a minute before the next",
        "approvals/identity.py",
        "self._refetch if known or not found.failed else 1",
        "self._refetch if not found.failed else 1",
        (f"{IDENTITY}::TestKeys",),
    ),
    Guard(
        "an unknown key is refused only where the keys are those of now",
        "approvals/identity.py",
        "if not settled or found.failed or not usable:",
        "if not usable:",
        (f"{IDENTITY}::TestWhileKeysAreFetched",),
    ),
    Guard(
        "a caller names callbacks of its own projects",
        "approvals/models/caller.py",
        "return project in split_projects(self.projects)",
        "return True",
        ("tests/approvals/test_api.py::TestRegister",),
    ),
    Guard(
        "a caller sees its own approvals",
        "approvals/api/callers.py",
        "Approval.objects.filter(caller=_caller(request))",
        "Approval.objects.all()",
        ("tests/approvals/test_api.py::TestRead", "tests/approvals/test_api.py::TestSettle"),
    ),
    Guard(
        "people see what they may read",
        "approvals/models/querysets.py",
        "mine |= _asks(principal, now=False)\n        return self.filter(mine)",
        "mine |= _asks(principal, now=False)\n        return self.all()",
        ("tests/approvals/test_pages.py::TestAccess",),
    ),
    Guard(
        "a body has an end",
        "config/settings.py",
        "DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024",
        "DATA_UPLOAD_MAX_MEMORY_SIZE = None",
        ("tests/approvals/test_api_limits.py::TestLimits",),
    ),
    Guard(
        "what others write is text on our pages",
        "config/settings.py",
        '        "OPTIONS": {\n            "context_processors"',
        '        "OPTIONS": {\n            "autoescape": False,\n            "context_processors"',
        ("tests/approvals/test_page_detail.py::TestDetail",),
    ),
    Guard(
        "a form comes from our own page",
        "config/settings.py",
        '    "django.middleware.csrf.CsrfViewMiddleware",\n',
        "",
        ("tests/approvals/test_pages.py::TestAccess",),
    ),
    Guard(
        "who asks too much waits",
        "approvals/api/limits.py",
        "if not self.allow_request(request):",
        "if False:",
        ("tests/approvals/test_api_rates.py",),
    ),
    Guard(
        "who guesses passwords is stopped",
        "config/settings.py",
        "AXES_FAILURE_LIMIT = 10\n",
        "AXES_FAILURE_LIMIT = 10_000\n",
        ("tests/approvals/test_guessing.py::TestGuess",),
    ),
)
RECORD = (
    Guard(
        "the database refuses to change what is recorded",
        "approvals/migrations/0002_record_triggers.py",
        "    guard(editor.connection, apps)\n",
        "    del apps, editor\n",
        ("tests/approvals/test_guards.py",),
    ),
    Guard(
        "the database of PostgreSQL refuses it too",
        "approvals/guards.py",
        'whens = {"UPDATE": changed, "DELETE": ""}',
        'whens = {"UPDATE": changed}',
        ("tests/approvals/test_guards.py::TestDelete",),
        POSTGRES,
    ),
    Guard(
        "a line that was changed is found",
        "approvals/verification.py",
        "if line.sha256 != line.computed():",
        "if False:",
        (f"{VERIFICATION}::TestVerify",),
    ),
    Guard(
        "a line that is gone is found",
        "approvals/verification.py",
        "if line.number != number:",
        "if False:",
        (f"{VERIFICATION}::TestVerify",),
    ),
    Guard(
        "lines are put in order by the row that they are of",
        "approvals/models/record.py",
        '            mine.update(record_length=models.F("record_length") + 1)\n'
        '            length, head, status = mine.values_list("record_length", '
        '"record_head", "status")[0]\n',
        '            length, head, status = mine.values_list("record_length", '
        '"record_head", "status")[0]\n            length += 1\n'
        "            mine.update(record_length=length)\n",
        (f"{RACES}::TestLines", RACES),
        POSTGRES,
    ),
)
ALL = (*DECIDING, *DELIVERING, *EVENLY, *SENDING, *COMING_IN, *RECORD)
