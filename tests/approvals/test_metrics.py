"""What Prometheus reads: the state of the whole system, to whoever may know it."""

import math
import re
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.db.models import Count
from django.utils import timezone
from prometheus_client.openmetrics.parser import text_string_to_metric_families as as_openmetrics
from prometheus_client.parser import text_string_to_metric_families as as_text

from approvals import metrics
from approvals.models import Approval, Attempt, Delivery, Notice, Worker
from approvals.models.outbox import State
from approvals.tallies import SETTLED, Durations, Tally
from tests.factories import make_approval, make_group, make_user
from tests.pages import names, section, table

NOW = timezone.now()


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A process that was just started."""
    monkeypatch.setattr(metrics, "registry", metrics.make_registry())


@pytest.fixture
def scrape(client, db, settings, monkeypatch):
    """Every sample by its name and labels; what the last one found is not believed."""
    settings.METRICS_TOKEN = "scraper"
    monkeypatch.setattr(metrics, "CACHED", 0.0)

    def ask():
        answer = client.get("/metrics", headers={"Authorization": "Bearer scraper"})
        assert answer.status_code == 200
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in as_text(answer.content.decode())
            for sample in family.samples
        }

    return ask


@pytest.fixture
def asked(db):
    """Ana and Ben are asked: four questions, of which Ana has answered two."""
    ana = make_user("ana@example.com")
    make_group("managers", ana, make_user("ben@example.com"))
    approvals = [make_approval() for _ in range(4)]
    approvals[0].decide("approved", by=ana, revision=1)
    approvals[1].decide("rejected", by=ana, revision=1, comment="No.")
    return approvals


def took(column, seconds, **which):
    """The deliveries took so long to get there; all of it is some time ago."""
    begun = timezone.now() - timedelta(days=1)
    times = {"created_at": begun, column: begun + timedelta(seconds=seconds)}
    Delivery.objects.filter(**which).update(**times)


class TestAccess:
    @pytest.mark.parametrize(
        "given", [None, "", "Bearer", "Bearer ", "Bearer wrong", "bearer scraper", "Basic scraper"]
    )
    def test_it_takes_the_token(self, client, db, settings, given):
        settings.METRICS_TOKEN = "scraper"
        settings.DEBUG = True

        answer = client.get("/metrics", headers={"Authorization": given} if given else {})

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
        assert b"countersign" not in answer.content

    def test_a_name_that_is_no_ascii_is_refused_as_any_other(self, client, db, settings):
        settings.METRICS_TOKEN = "scraper"

        assert client.get("/metrics", headers={"Authorization": "Bearer ü"}).status_code == 401

    @pytest.mark.parametrize(("debug", "status"), [(False, 404), (True, 200)])
    def test_without_one_it_is_for_development_alone(self, client, db, settings, debug, status):
        settings.DEBUG = debug

        assert client.get("/metrics").status_code == status

    def test_a_database_that_is_away_is_a_503(self, client, db, settings):
        settings.METRICS_TOKEN = "scraper"

        def away(*_):
            raise OperationalError("away")

        with connection.execute_wrapper(away):
            answer = client.get("/metrics", headers={"Authorization": "Bearer scraper"})

        assert answer.status_code == 503


class TestFormat:
    def test_openmetrics_are_for_whoever_asks_for_them(self, client, asked, settings):
        settings.DEBUG = True

        answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text"})

        found = {family.name: family for family in as_openmetrics(answer.content.decode())}
        assert answer["Content-Type"].startswith("application/openmetrics-text")
        assert found["countersign_decisions"].type == "counter"

    def test_names_are_as_prometheus_wants_them(self, db):
        for family in metrics.Whole().collect():
            assert re.fullmatch(r"countersign_[a-z]+(_[a-z]+)*", family.name)
            assert ("seconds" in family.name) == ("duration" in family.name or "age" in family.name)
            assert family.documentation.endswith(".")
            assert family.type in {"gauge", "counter", "histogram"}
            assert not family.name.endswith("_total")  # the library adds it

    def test_those_of_the_process_are_there_too(self, scrape):
        assert scrape()[("process_resident_memory_bytes",)] > 1_000_000

    def test_every_metric_is_documented_with_its_labels(self, db):
        rows = table(section("operations.md", "## Metrics"), "metric", "labels", "says")
        found = []
        for family in metrics.Whole().collect():
            suffix = "_total" if family.type == "counter" else ""
            labels = {label for each in family.samples for label in each.labels} - {"le"}
            found.append((f"`{family.name}{suffix}`", ", ".join(f"`{each}`" for each in labels)))

        assert [(row[0], row[1].partition(":")[0].partition(",")[0]) for row in rows] == found

    def test_values_of_labels_are_documented(self, db):
        rows = table(section("operations.md", "## Metrics"), "metric", "labels", "says")
        said = {names([row])[0]: names([row], 1)[1:] for row in rows}
        for family in metrics.Whole().collect():
            values = said[f"{family.name}{'_total' if family.type == 'counter' else ''}"]
            label = next((set(each.labels) - {"le"} for each in family.samples), set())
            found = [each.labels[name] for name in label for each in family.samples]
            assert values == found or family.name == "countersign_deliveries"

    def test_metrics_of_the_examples_exist(self, db):
        listed = {name for family in metrics.Whole().collect() for name in forms_of(family)}
        text = section("operations.md", "## Alerts")
        named = set(re.findall(r"\bcountersign_[a-z_]+", text))

        assert named <= listed
        assert len(named) > 5

    def test_values_of_labels_in_the_examples_exist(self, db):
        known = {
            (label, value)
            for family in metrics.Whole().collect()
            for each in family.samples
            for label, value in each.labels.items()
        }
        text = section("operations.md", "## Alerts")
        named = re.findall(r"\{(\w+)(?:=|=~|!=)\"([\w|]+)\"\}", text)

        assert len(named) > 3
        assert {(label, value) for label, values in named for value in values.split("|")} <= known


def forms_of(family):
    """The names under which a family is asked for."""
    ends = {"gauge": [""], "counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
    return {f"{family.name}{end}" for end in ends[family.type]}


class TestApprovals:
    def test_they_are_counted_by_status_and_outcome(self, scrape, asked):
        asked[2].withdraw(actor="system", reason="not needed")
        Approval.objects.filter(pk=asked[1].pk).update(status="maybe_later")

        found = scrape()

        by_status = {key[1]: n for key, n in found.items() if key[0] == "countersign_approvals"}
        assert by_status == {
            "pending": 1,
            "approved": 1,
            "rejected": 0,
            "expired": 0,
            "withdrawn": 1,
            "other": 1,
        }
        decided = {k[1]: n for k, n in found.items() if k[0] == "countersign_decisions_total"}
        assert decided == {"approved": 1, "rejected": 0, "other": 1}

    def test_the_oldest_pending_one_is_known(self, scrape, asked):
        Approval.objects.filter(pk=asked[2].pk).update(
            created_at=timezone.now() - timedelta(hours=2)
        )
        Approval.objects.filter(pk=asked[0].pk).update(
            created_at=timezone.now() - timedelta(hours=9)
        )

        age = scrape()[("countersign_approval_oldest_pending_age_seconds",)]

        assert age == pytest.approx(7200, abs=120)

    def test_ages_are_0_where_nothing_waits(self, scrape):
        found = scrape()

        assert found[("countersign_approval_oldest_pending_age_seconds",)] == 0
        assert found[("countersign_delivery_oldest_due_age_seconds",)] == 0


class TestDeliveries:
    def test_they_are_counted_by_state_and_trouble(self, scrape, asked):
        first, second = Delivery.objects.order_by("created_at")
        Delivery.objects.filter(pk=first.pk).update(state=State.BLOCKED, trouble="role")
        Delivery.objects.filter(pk=second.pk).update(
            next_attempt_at=timezone.now() - timedelta(minutes=7)
        )

        found = scrape()

        assert found[("countersign_deliveries", "blocked")] == 1
        assert found[("countersign_deliveries", "queued")] == 1
        assert found[("countersign_deliveries_in_trouble", "role")] == 1
        assert found[("countersign_needs_attention", "undeliverable")] == 1
        assert found[("countersign_needs_attention", "worker")] == 1
        assert found[("countersign_deliveries_due",)] == 2
        oldest = found[("countersign_delivery_oldest_due_age_seconds",)]
        assert oldest == pytest.approx(420, abs=60)

    def test_attempts_are_counted_by_result_when_they_have_one(self, scrape, asked):
        delivery = Delivery.objects.first()
        for result in ("unknown", "full", "stored"):
            delivery.begin_attempt().finish(result, status=None, detail="")
        delivery.begin_attempt()

        found = scrape()

        by_result = {r: found[("countersign_delivery_attempts_total", r)] for r in metrics.FINISHED}
        assert sum(by_result.values()) == 3
        assert by_result[Attempt.Result.FULL] == 1
        assert found[("countersign_delivery_attempts_unfinished",)] == 1


class TestDurations:
    def buckets(self, found, name):
        return {float(k[1]): n for k, n in found.items() if k[0] == f"{name}_bucket"}

    def test_each_is_in_its_bucket_and_all_above(self, scrape, asked):
        name = "countersign_delivery_stored_duration_seconds"
        first, second = Delivery.objects.all()
        took("stored_at", 0.2, pk=first.pk)
        took("stored_at", 400, pk=second.pk)

        found = scrape()

        buckets = self.buckets(found, name)
        assert (buckets[0.1], buckets[0.25], buckets[300.0]) == (0, 1, 1)
        assert (buckets[1800.0], buckets[math.inf]) == (2, 2)
        assert found[(f"{name}_count",)] == 2
        assert found[(f"{name}_sum",)] == pytest.approx(400.2, abs=0.01)
        assert list(buckets.values()) == sorted(buckets.values())

    def test_decisions_are_those_of_people(self, scrape, asked):
        asked[2].withdraw(actor="system", reason="not needed")

        assert scrape()[("countersign_decision_duration_seconds_count",)] == 2

    def test_a_clock_set_back_is_no_time_at_all(self, scrape, asked):
        took("confirmed_at", -5)

        found = scrape()

        assert found[("countersign_delivery_confirmed_duration_seconds_sum",)] == 0
        assert found[("countersign_delivery_confirmed_duration_seconds_count",)] == 2

    def test_rows_are_read_once_when_they_are_old_and_each_time_while_new(self, asked):
        rows = Durations(Delivery.objects.all(), "created_at", "stored_at", (60,))
        first, second = Delivery.objects.all()
        took("stored_at", 1, pk=first.pk)
        Delivery.objects.filter(pk=second.pk).update(created_at=NOW, stored_at=NOW)

        for moment in (NOW, NOW + timedelta(seconds=1), NOW + SETTLED, NOW + 2 * SETTLED):
            assert rows.read(moment)["other"].counts == [2, 0]

    def test_a_commit_that_comes_late_is_not_missed(self, asked):
        rows = Durations(Delivery.objects.all(), "created_at", "stored_at", (60,))
        assert rows.read(NOW)["other"].number == 0

        late = NOW - SETTLED + timedelta(seconds=1)
        Delivery.objects.update(created_at=late, stored_at=late)

        assert rows.read(NOW + timedelta(seconds=5))["other"].number == 2
        assert rows.read(NOW + 2 * SETTLED)["other"].number == 2

    def test_nothing_is_counted_twice_when_the_clock_is_set_back(self, asked):
        took("stored_at", 3)
        rows = Durations(Delivery.objects.all(), "created_at", "stored_at", (1, 5))
        before = rows.read(NOW)["other"]

        for moment in (NOW - timedelta(days=9), NOW):
            assert rows.read(moment)["other"] == before

    def test_two_processes_say_the_same(self, asked):
        took("stored_at", 3)
        early = Durations(Delivery.objects.all(), "created_at", "stored_at", (1, 5))
        early.read(NOW - timedelta(days=2))
        late = Durations(Delivery.objects.all(), "created_at", "stored_at", (1, 5))

        assert early.read(NOW) == late.read(NOW)

    def test_a_query_that_fails_counts_nothing_twice(self, asked):
        took("stored_at", 3)
        rows = Durations(Delivery.objects.all(), "created_at", "stored_at", (1, 5))
        calls = []

        def second_fails(execute, *given):
            calls.append(1)
            if len(calls) == 2:
                raise OperationalError("away")
            return execute(*given)

        with connection.execute_wrapper(second_fails), pytest.raises(OperationalError):
            rows.read(NOW)

        assert rows.read(NOW)["other"].number == 2

    def test_tallies_of_one_kind_add_up(self):
        one, other = Tally((1, 5)), Tally((1, 5))
        for seconds in (1, 3):
            one.add(seconds)
        other.add(9)

        both = Tally.of_all([one, other])

        assert both.cumulative() == [("1.0", 1), ("5.0", 2), ("+Inf", 3)]
        assert (both.seconds, both.number) == (13, 3)


class TestWorkers:
    def test_none_was_ever_heard_of(self, scrape):
        found = scrape()

        assert found[("countersign_workers",)] == 0
        assert found[("countersign_worker_heartbeat_age_seconds",)] == math.inf

    def test_those_alive_and_what_they_pause_are_counted(self, scrape):
        Worker.objects.create(name="a", paused=["one.example.com"])
        Worker.objects.create(name="b", paused=["one.example.com", "two.example.com"])
        gone = {"seen_at": timezone.now() - timedelta(minutes=9), "paused": ["three.example.com"]}
        Worker.objects.create(name="c", **gone)

        found = scrape()

        assert found[("countersign_workers",)] == 2
        assert found[("countersign_paused_hosts",)] == 2
        assert found[("countersign_worker_heartbeat_age_seconds",)] < 60

    def test_silence_is_measured_from_the_last_of_them(self, scrape):
        for minutes in (9, 4):
            seen = timezone.now() - timedelta(minutes=minutes)
            Worker.objects.create(name="a", seen_at=seen, stopped_at=seen)

        age = scrape()[("countersign_worker_heartbeat_age_seconds",)]

        assert age == pytest.approx(240, abs=30)


class TestCost:
    def test_it_is_a_handful_of_queries_whatever_there_is(
        self, asked, django_assert_max_num_queries
    ):
        with django_assert_max_num_queries(22):
            metrics.Whole().collect()

    def test_the_database_is_not_asked_twice_in_ten_seconds(self, asked, django_assert_num_queries):
        whole = metrics.Whole()
        found = whole.collect()

        with django_assert_num_queries(0):
            assert whole.collect() == found

    @pytest.mark.parametrize(
        ("model", "column"),
        [(Approval, "status"), (Delivery, "state"), (Attempt, "result"), (Notice, "state")],
    )
    def test_counts_need_no_table(self, db, model, column):
        """An index is enough: with a hundred thousand rows a table would take a second."""
        rows = model.objects.order_by().values_list(column).annotate(number=Count("*"))
        if connection.vendor == "postgresql":  # it reads small tables whole, unless told not to
            connection.cursor().execute("SET LOCAL enable_seqscan = off")
            connection.cursor().execute("SET LOCAL enable_bitmapscan = off")

        plan = rows.explain()

        assert "USING COVERING INDEX" in plan or "Index Only Scan" in plan, plan
