"""Every cell of the delivery tables, played with a real emulator and a workflow in each mode.

A *simple* workflow branches on the body of the callback; a *full* one asks `settle`. What each
execution was given is read from the emulator's own notes. Time of the emulator is virtual, and
what our record says of times is moved, so nothing is waited for.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from approvals import identity
from approvals.google import callbacks, certificates, wire
from approvals.identity import Keys
from approvals.models import Approval
from approvals.progress import in_words
from tests.emulators import EmulatorProcess
from tests.round_trip.protocol import (
    SOURCE,
    STRANGER,
    Account,
    Act,
    Scene,
    cannot_look,
    clock,
    fault,
    later,
    tokens,
)

decide, round_, forge, cancel = Scene.decide, Scene.round, Scene.forge, Scene.cancel


@dataclass(frozen=True)
class End:
    """What is to be true in the end: of the delivery, of the record, of the execution.

    taken: how often the execution was given our answer. posts: how often it reached Google.
    tries: how often we tried, if that is not the same.
    """

    state: str
    words: str
    trouble: str = ""
    taken: int = 1
    posts: int = 1
    tries: int | None = None
    events: tuple[str, ...] = ("stored", "confirmed")


READ = End("confirmed", "The workflow took the answer.")
SETTLED = End("confirmed", "The workflow asked for the outcome and was given it.")
LATE = End("missed", "before the answer could be delivered.", "missed", 0, 0, 1, ("missed",))
UNSURE = End(
    "missed", "whether it read the answer is not known.", "missed", 0, 1, None, ("missed",)
)
UNHEARD = End(
    "stored", "the workflow is not listening for it", "not_listening", 0, events=("stored",)
)
PEOPLE_READ = {
    "stored": "Google has it",
    "confirmed": "The workflow has it",
    "unknown": "Sending",
}
# A lost answer that was taken: in half a minute nothing more is known, and a copy is sent.
COPY = replace(UNHEARD, taken=1, posts=2, words="it took an earlier copy, or")
TO_THE_COPY = [round_, later(31), round_, later(61), round_]


@dataclass(frozen=True)
class Case:
    """A script, and how it ends for a workflow of each mode; None where it has no such end."""

    name: str
    script: list[Act]
    simple: End | None = READ
    full: End | None = SETTLED
    given: dict[str, Any] = field(default_factory=dict)


ANSWERS = [
    Case("200 while it waits", [decide, round_, round_]),
    Case("200 before it waits", [decide, round_, round_, clock(50), round_], given={"before": 50}),
    Case(
        "200 after its wait, unread",
        [clock(10), decide, round_, round_, later(61), round_],
        UNHEARD,
        None,
        {"timeout": 10},
    ),
    Case(
        "200 after its wait, and it finished",
        [clock(10), decide, round_, round_, later(61), round_, clock(1000), round_],
        replace(UNSURE, words="was not listening for it", events=("stored", "missed")),
        None,
        {"timeout": 10},
    ),
    Case(
        "200 after its wait, and it finished before anybody looked",
        [clock(10), decide, round_, clock(1000), round_],
        replace(UNSURE, events=("stored", "missed")),
        None,
        {"timeout": 10},
    ),
    Case(
        "200 after its wait, and it finished in the first minute",
        [clock(10), decide, round_, round_, clock(1000), round_],
        replace(UNSURE, events=("stored", "missed")),
        None,
        {"timeout": 10},
    ),
    Case(
        "200 before it waits, and then it finished",
        [decide, round_, round_, clock(1000), round_],
        given={"before": 50},
    ),
    Case(
        "429 for our own first try",
        [decide, fault("status", statuses=[503], stored=True), round_, round_, clock(50), round_],
        replace(READ, posts=2),
        replace(SETTLED, posts=2),
        {"before": 50},
    ),
    Case(
        "429 for somebody else's, which it then takes",
        [forge, decide, round_, clock(50), round_, *TO_THE_COPY],
        replace(UNHEARD, posts=2, events=("blocked", "stored")),
        replace(SETTLED, taken=0, events=("blocked", "confirmed")),
        {"before": 50},
    ),
    Case(
        "429 for somebody else's, which stays",
        [forge, decide, round_],
        End("blocked", "Somebody else has answered", "foreign", 0, events=("blocked",)),
        End("blocked", "Somebody else has answered", "foreign", 0, events=("blocked",)),
        {"before": 50},
    ),
    Case(
        "429 for a quota",
        [decide, fault("status", statuses=[429], retryAfter=7), round_, round_, round_],
        replace(READ, posts=2),
        replace(SETTLED, posts=2),
    ),
    Case("404 when cancelled", [cancel, decide, round_], LATE, LATE),
    Case(
        "404 when it had finished",
        [clock(10), decide, round_],
        LATE,
        None,
        {"timeout": 10, "after": 0},
    ),
    Case(
        "404 when it had failed",
        [clock(10), decide, round_],
        LATE,
        None,
        {"timeout": 10, "after": 0, "fails": True},
    ),
    Case(
        "404 though it runs",
        [decide, round_, round_, round_],
        End("blocked", "does not know the question", "no_callback", 0, 0, 2, ("blocked",)),
        End("blocked", "does not know the question", "no_callback", 0, 0, 2, ("blocked",)),
        {"wrong": "x"},
    ),
    Case(
        "404 once, and then it is there",
        [decide, fault("status", statuses=[404]), round_, round_, round_],
        replace(READ, posts=2),
        replace(SETTLED, posts=2),
    ),
    Case(
        "401, and then it is mended",
        [decide, tokens("revoked"), round_, tokens("good"), round_, round_],
        replace(READ, tries=2, posts=1, events=("blocked", "stored", "confirmed")),
        replace(SETTLED, tries=2, posts=1, events=("blocked", "confirmed")),
    ),
    Case(
        "403, and then it is mended",
        [decide, tokens("stranger"), round_, tokens("good"), round_, round_],
        replace(READ, tries=2, posts=1, events=("blocked", "stored", "confirmed")),
        replace(SETTLED, tries=2, posts=1, events=("blocked", "confirmed")),
    ),
    Case(
        "no token",
        [decide, tokens("none"), round_, tokens("good"), round_, round_],
        replace(READ, tries=2),
        replace(SETTLED, tries=2),
    ),
    *(
        Case(
            f"{status}, and then it is mended",
            [decide, fault("status", statuses=[status]), round_, round_, round_],
            replace(READ, posts=2, events=("blocked", "stored", "confirmed")),
            None,
        )
        for status in (400, 405, 409, 413, 415)
    ),
    Case(
        "503",
        [decide, fault("status", statuses=[503, 503]), round_, round_, round_, round_],
        replace(READ, posts=3),
        replace(SETTLED, posts=3),
    ),
    *(
        Case(
            f"{status}, not stored",
            [decide, fault("status", statuses=[status]), round_, round_, round_],
            replace(READ, posts=2),
            None,
        )
        for status in (408, 500, 504)
    ),
]
BROKEN: dict[str, dict[str, Any]] = {
    "a 502": {"kind": "status", "statuses": [502]},
    "a reset": {"kind": "reset"},
    "a stall": {"kind": "stall", "seconds": 1},
}
SPOILT: dict[str, dict[str, Any]] = {
    "slow": {"kind": "slow", "seconds": 1},
    "cut": {"kind": "cut"},
    "of somebody else": {"kind": "wrong-body"},
}
LOST = [
    *(
        case
        for name, broken in BROKEN.items()
        for case in (
            Case(
                f"{name} before it is stored",
                [decide, fault(**broken), round_, round_, round_],
                replace(READ, posts=2),
                replace(SETTLED, posts=2),
            ),
            Case(
                f"{name} after it is stored, unread",
                [decide, fault(**broken, stored=True), round_, round_, clock(50), round_],
                given={"before": 50},
            ),
            Case(
                f"{name} after it is stored, read",
                [decide, fault(**broken, stored=True), round_, *TO_THE_COPY],
                COPY,
            ),
            Case(
                f"{name} after it is stored, read, and it finished",
                [decide, fault(**broken, stored=True), round_, round_],
                replace(UNSURE, taken=1),
                given={"after": 0},
            ),
        )
    ),
    *(
        Case(f"the body of a 200 is {name}", [decide, fault(**broken), round_, round_])
        for name, broken in SPOILT.items()
    ),
    Case(
        "a late 200",
        [decide, fault("delay", seconds=1, stored=True), round_, *TO_THE_COPY],
        COPY,
    ),
    Case(
        "a first try that arrives after the second",
        [
            decide,
            Scene.dies_before_sending,
            round_,
            Scene.what_was_on_its_way_arrives,
            later(61),
            round_,
        ],
        COPY,
        replace(SETTLED, posts=2),
    ),
    Case(
        "lost before a late wait",
        [decide, fault("reset"), round_, round_, clock(50), round_, round_],
        replace(READ, posts=2),
        replace(SETTLED, posts=2),
        {"before": 50},
    ),
    Case(
        "lost before a very late wait",
        [decide, fault("reset"), round_, later(31), round_, clock(50), round_],
        replace(READ, posts=2),
        replace(SETTLED, posts=2),
        {"before": 50},
    ),
]
SIGHTS = [
    Case(
        "stored, and it succeeded",
        [decide, round_, round_],
        replace(READ, words="The workflow finished after the answer was delivered."),
        given={"after": 0},
    ),
    Case(
        "stored, and it failed",
        [decide, round_, round_],
        replace(UNSURE, taken=1, events=("stored", "missed")),
        given={"after": 0, "fails": True},
    ),
    Case(
        "stored, and cancelled before it waited",
        [decide, round_, cancel, round_],
        replace(UNSURE, events=("stored", "missed")),
        replace(UNSURE, events=("missed",)),
        given={"before": 50},
    ),
    Case(
        "in doubt, and cancelled",
        [decide, fault("reset"), round_, cancel, round_],
        UNSURE,
        UNSURE,
    ),
    *(
        Case(
            f"in doubt, and the look is answered {status}",
            [decide, fault("reset"), round_, cannot_look(status), cannot_look(status), round_],
            End("unknown", "", trouble, 0, events=()),
            None,
        )
        for status, trouble in (
            (401, "credentials"),
            (403, "role"),
            (429, ""),
            (500, ""),
            (503, ""),
        )
    ),
    Case(
        "in doubt, and the look fails once",
        [decide, fault("reset"), round_, cannot_look(500), round_, round_, round_],
        replace(READ, posts=2),
        replace(SETTLED, posts=2),
    ),
    Case(
        "stored, and the look fails once",
        [decide, round_, cannot_look(500), round_, round_],
    ),
    Case(
        "put back by hand before it waits",
        [decide, Scene.is_put_back_by_hand, round_, clock(50), round_],
        replace(READ, events=("requeued", "stored", "confirmed")),
        replace(SETTLED, events=("requeued", "confirmed")),
        {"before": 50},
    ),
    Case(
        "put back by hand while it is unread",
        [decide, round_, Scene.is_put_back_by_hand, round_, clock(50), round_],
        replace(READ, events=("stored", "requeued", "confirmed")),
        replace(SETTLED, events=("requeued", "confirmed")),
        {"before": 50},
    ),
]
CRASHES = [
    Case(
        "killed before sending",
        [decide, Scene.dies_before_sending, round_, round_],
        replace(READ, tries=2),
        replace(SETTLED, tries=2),
    ),
    Case(
        "killed after sending, unread",
        [decide, Scene.dies_after_sending, round_, clock(50), round_],
        given={"before": 50},
    ),
    Case("killed after sending, read", [decide, Scene.dies_after_sending, *TO_THE_COPY], COPY),
    Case(
        "killed after noting it",
        [decide, Scene.dies_after_noting, round_],
        replace(READ, events=("confirmed",)),
    ),
    Case(
        "woken by a forged body, and then decided",
        [forge, decide, round_, round_, later(61), round_],
        UNHEARD,
        SETTLED,
    ),
    Case(
        "an endpoint is given to a second question",
        [Scene.register_another_for_the_same_endpoint, decide, round_, round_],
    ),
]
CASES = [*ANSWERS, *LOST, *SIGHTS, *CRASHES]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    """Its time is virtual; a stranger has no role in the project."""
    options = ("--time", "virtual", "--grant", f"{STRANGER}=")
    data = tmp_path_factory.mktemp("protocol") / "emulator.sqlite3"
    with EmulatorProcess(data, auth="iam", options=options) as running:
        yield running


@pytest.fixture(scope="module")
def deployed(emulator):
    """The workflow, which calls the inbox at this address; deployed once for each."""
    known = set()

    def deploy(inbox):
        if inbox not in known:
            emulator.deploy("protocol", SOURCE, {"INBOX": inbox})
            known.add(inbox)

    return deploy


@pytest.fixture
def account(emulator, live_server, deployed, settings, monkeypatch):
    """This process takes the emulator for Google, and the emulator reaches this inbox."""
    settings.WORKFLOWS_EMULATOR_HOST = emulator.url
    settings.BASE_URL = live_server.url
    account = Account(emulator)
    monkeypatch.setenv("GCE_METADATA_HOST", emulator.url.removeprefix("http://"))
    monkeypatch.setattr(wire, "_credentials", account)
    monkeypatch.setattr(callbacks, "TIMEOUT", (5.0, 0.4))
    wire._local.__dict__.pop("session", None)
    keys = Keys(lambda: certificates.fetch_certificates(certificates.certificates_url()))
    monkeypatch.setattr(identity, "google_keys", keys)
    deployed(live_server.url)
    yield account
    wire._local.__dict__.pop("session", None)


def played(mode):
    return [
        pytest.param(case, end, mode, id=f"{case.name}, {mode}")
        for case in CASES
        if (end := getattr(case, mode))
    ]


@pytest.mark.parametrize(("case", "end", "mode"), [*played("simple"), *played("full")])
def test_each_cell_ends_as_listed(case, end, mode, emulator, account):
    it = Scene(emulator, account, mode == "full", case.given)

    for act in case.script:
        act(it)

    row, received = it.delivery, it.received
    assert (row.state, row.trouble) == (end.state, end.trouble), row.reason
    assert end.words in row.reason
    assert in_words(row.approval) == ("Needs attention" if end.trouble else PEOPLE_READ[end.state])
    assert len([each for each in received if "taken" in each]) == end.taken
    assert len(received) == end.posts
    assert row.attempts.count() == (end.posts if end.tries is None else end.tries)
    assert told(it.approval, mode) == told_of(end.events, mode)


def told(approval: Approval, mode: str) -> list[str]:
    """The record after the decision."""
    kinds = [event.kind for event in approval.events.all()]
    return told_of(kinds[kinds.index("decided") + 1 :], mode)


def told_of(kinds, mode: str) -> list[str]:
    """A full workflow may settle before we note that the answer is stored."""
    return [kind for kind in kinds if mode == "simple" or kind != "stored"]
