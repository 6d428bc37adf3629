"""Definitions over REST: deploying, reading, changing, deleting; operations and locations."""

import pytest

from tests.emulator.rest import BROKEN, SOURCE, WAITING, create, error_of, workflows
from tests.emulators import LOCATION, NUMBER, PROJECT, WORKFLOW


class TestCreateWorkflow:
    def test_the_operation_is_done_and_can_be_asked_for_again(self, emulator):
        operation = create(emulator, "created", description="d", labels={"team": "a"}).json()

        assert operation["done"] is True
        assert operation["metadata"]["verb"] == "create"
        assert operation["metadata"]["target"] == workflows(emulator, "created")
        made = operation["response"]
        assert made["@type"] == "type.googleapis.com/google.cloud.workflows.v1.Workflow"
        assert (made["state"], made["description"]) == ("ACTIVE", "d")
        assert made["revisionId"].startswith("000001-")
        assert made["serviceAccount"].endswith(WORKFLOW)
        assert emulator.ask("GET", operation["name"]) == operation
        listed = emulator.ask("GET", f"{emulator.parent}/operations")["operations"]
        assert operation in listed
        assert emulator.ask("DELETE", operation["name"]) == {}
        assert emulator.request("GET", operation["name"]).status_code == 404

    def test_a_source_that_does_not_build_is_refused_with_step_line_and_column(self, emulator):
        answer = create(emulator, "broken", sourceContents=BROKEN)

        error = error_of(answer)
        assert (answer.status_code, error["status"]) == (400, "INVALID_ARGUMENT")
        assert error["message"].startswith("main.yaml:4:")
        assert "step 'done'" in error["message"]
        assert error["details"][0]["fieldViolations"][0]["field"] == "workflow.source_contents"

    def test_told_so_the_operation_ends_with_the_error_as_on_google(self, start_emulator):
        emulator = start_emulator(options=["--operation-errors"])
        operation = create(emulator, "broken", sourceContents=BROKEN).json()

        assert (operation["done"], operation["error"]["code"]) == (True, 3)
        assert operation["error"]["message"].startswith("main.yaml:4:")
        assert operation["metadata"]["target"] == workflows(emulator, "broken")
        assert "response" not in operation
        assert emulator.ask("GET", operation["name"]) == operation
        assert emulator.request("GET", workflows(emulator, "broken")).status_code == 404
        assert create(emulator, "1", sourceContents=SOURCE).status_code == 400
        create(emulator, "safe")
        changed = emulator.ask("PATCH", workflows(emulator, "safe"), json={"sourceContents": "- "})
        assert changed["error"]["code"] == 3
        assert emulator.ask("GET", workflows(emulator, "safe"))["sourceContents"] == SOURCE

    def test_a_name_that_is_taken_is_a_conflict(self, emulator):
        create(emulator, "taken")

        assert error_of(create(emulator, "taken"))["status"] == "ALREADY_EXISTS"

    @pytest.mark.parametrize(
        ("fields", "named"),
        [
            ({"colour": "red"}, "colour"),
            ({"description": "x" * 1001}, "description"),
            ({"description": 7}, "description"),
            ({"labels": {"Team": "a"}}, "labels"),
            ({"labels": {"1": "a"}}, "labels"),
            ({"labels": {"team": "A"}}, "labels"),
            ({"labels": {"k" * 64: "a"}}, "labels"),
            ({"labels": {f"k{n}": "" for n in range(65)}}, "labels"),
            ({"callLogLevel": "LOUD"}, "callLogLevel"),
            ({"userEnvVars": {"GOOGLE_X": "1"}}, "userEnvVars"),
            ({"userEnvVars": {"A": "x" * 4097}}, "userEnvVars"),
            ({"userEnvVars": {"": "x"}}, "userEnvVars"),
            ({"userEnvVars": {f"V{n}": "x" for n in range(21)}}, "userEnvVars"),
            ({"sourceContents": "#" * (128 * 1024 + 1)}, "sourceContents"),
            ({"sourceContents": ""}, "sourceContents"),
        ],
    )
    def test_a_field_that_is_wrong_is_named(self, emulator, fields, named):
        error = error_of(create(emulator, "fields", **fields))

        assert error["status"] == "INVALID_ARGUMENT"
        assert named in error["message"]

    def test_what_is_just_within_the_limits_is_kept(self, emulator):
        fields = {
            "description": "\N{GRINNING FACE}" * 1000,
            "labels": {f"é{n}-_": "ß9" for n in range(64)},
            "userEnvVars": {f"V{n}": "x" * 4096 for n in range(20)},
        }

        made = create(emulator, "x" * 64, **fields).json()["response"]

        assert {name: made[name] for name in fields} == fields

    def test_tags_are_taken_and_not_shown(self, emulator):
        made = create(emulator, "tagged", tags={"tagKeys/1": "tagValues/2"}).json()["response"]

        assert "tags" not in made
        path = workflows(emulator, "tagged")
        answer = emulator.request("PATCH", path, params={"updateMask": "tags"}, json={})
        assert "tags" in error_of(answer)["message"]

    def test_enums_and_names_come_in_both_spellings(self, emulator):
        answer = create(emulator, "spellings", call_log_level=1, executionHistoryLevel=2)

        made = answer.json()["response"]
        assert made["callLogLevel"] == "LOG_ALL_CALLS"
        assert made["executionHistoryLevel"] == "EXECUTION_HISTORY_DETAILED"


class TestUpdateWorkflow:
    def test_only_the_fields_of_the_mask_change(self, emulator):
        create(emulator, "masked", description="kept", labels={"a": "b"})

        changed = emulator.ask(
            "PATCH",
            workflows(emulator, "masked"),
            params={"updateMask": "source_contents"},
            json={"sourceContents": WAITING, "description": "not in the mask", "labels": {}},
        )["response"]

        assert (changed["description"], changed["labels"]) == ("kept", {"a": "b"})
        assert changed["sourceContents"] == WAITING
        assert changed["revisionId"].startswith("000002-")

    def test_a_field_of_the_mask_that_is_not_given_is_cleared(self, emulator):
        create(emulator, "cleared", userEnvVars={"A": "1"}, description="kept")

        path = workflows(emulator, "cleared")
        emulator.ask("PATCH", path, params={"updateMask": "userEnvVars"}, json={})

        shown = emulator.ask("GET", path)
        assert "userEnvVars" not in shown
        assert shown["description"] == "kept"

    def test_without_a_mask_all_is_replaced(self, emulator):
        create(emulator, "replaced", description="gone")

        path = workflows(emulator, "replaced")
        emulator.ask("PATCH", path, json={"name": path, "sourceContents": SOURCE})

        assert "description" not in emulator.ask("GET", path)

    def test_parameters_may_be_spelled_as_in_the_protocol_buffer(self, start_emulator):
        emulator = start_emulator()
        for name in ("one", "two", "three"):
            answer = emulator.request(
                "POST",
                f"{emulator.parent}/workflows",
                params={"workflow_id": name},
                json={"sourceContents": SOURCE, "description": "old"},
            )
            assert answer.status_code == 200
        path, listing = workflows(emulator, "one"), f"{emulator.parent}/workflows"
        old = emulator.ask("GET", path)["revisionId"]
        change = {"description": "new", "sourceContents": WAITING}

        emulator.ask("PATCH", path, params={"update_mask": "source_contents"}, json=change)

        changed = emulator.ask("GET", path)
        assert (changed["description"], changed["sourceContents"]) == ("old", WAITING)
        read = emulator.ask("GET", path, params={"revision_id": old})
        assert read["sourceContents"] == SOURCE
        asked = {"page_size": 2, "order_by": "name desc"}
        first = emulator.ask("GET", listing, params=asked)
        asked["page_token"] = first["nextPageToken"]
        second = emulator.ask("GET", listing, params=asked)
        names = [each["name"] for page in (first, second) for each in page["workflows"]]
        assert names == [workflows(emulator, name) for name in ("two", "three", "one")]

    def test_an_unknown_field_in_the_mask_is_refused(self, emulator):
        create(emulator, "strict")

        answer = emulator.request(
            "PATCH", workflows(emulator, "strict"), params={"updateMask": "colour"}, json={}
        )

        assert "colour" in error_of(answer)["message"]

    def test_only_what_a_workflow_does_makes_a_revision(self, emulator):
        create(emulator, "revised")
        path = workflows(emulator, "revised")

        for number, (name, value) in enumerate(
            (
                ("sourceContents", WAITING),
                ("serviceAccount", "payer@x.example"),
                ("userEnvVars", {"A": "1"}),
            ),
            start=2,
        ):
            for body in ({name: value}, {"description": f"{number}", "labels": {"n": f"{number}"}}):
                mask = {"updateMask": ",".join(body)}
                made = emulator.ask("PATCH", path, params=mask, json=body)["response"]
                assert made["revisionId"].startswith(f"00000{number}-"), body
        assert len(made["revisionId"]) == 10
        assert int(made["revisionId"][7:], 16) >= 0

    def test_what_is_not_there_cannot_be_changed(self, emulator):
        path = workflows(emulator, "none")

        for method in ("PATCH", "DELETE"):
            answer = emulator.request(method, path, json={"sourceContents": SOURCE})
            assert error_of(answer)["status"] == "NOT_FOUND"

    def test_a_broken_source_changes_nothing(self, emulator):
        create(emulator, "safe")

        path = workflows(emulator, "safe")
        answer = emulator.request("PATCH", path, json={"sourceContents": BROKEN})

        assert answer.status_code == 400
        assert emulator.ask("GET", path)["sourceContents"] == SOURCE


class TestReadWorkflows:
    def test_revisions_are_listed_newest_first_and_can_be_read(self, emulator):
        emulator.deploy("history", SOURCE)
        emulator.deploy("history", WAITING)
        path = workflows(emulator, "history")

        newest, oldest = emulator.ask("GET", f"{path}:listRevisions")["workflows"]

        assert (newest["sourceContents"], oldest["sourceContents"]) == (WAITING, SOURCE)
        first = emulator.ask("GET", path, params={"revisionId": oldest["revisionId"]})
        assert first["sourceContents"] == SOURCE
        missing = emulator.request("GET", path, params={"revisionId": "000009-abc"})
        assert missing.status_code == 404

    def test_lists_come_in_pages_without_sources(self, start_emulator):
        emulator = start_emulator()
        for name in ("b", "a", "c"):
            emulator.deploy(name, SOURCE)

        first = emulator.ask("GET", workflows(emulator), params={"pageSize": 2})
        params = {"pageSize": 2, "pageToken": first["nextPageToken"]}
        second = emulator.ask("GET", workflows(emulator), params=params)

        names = [shown["name"].rpartition("/")[2] for shown in first["workflows"]]
        assert names == ["a", "b"]
        assert [shown["name"] for shown in second["workflows"]] == [workflows(emulator, "c")]
        assert "nextPageToken" not in second
        assert "sourceContents" not in first["workflows"][0]
        other = {"pageToken": first["nextPageToken"], "filter": 'state="ACTIVE"'}
        for params in ({"pageToken": "junk"}, other, {"pageSize": "-1"}, {"pageSize": "many"}):
            assert emulator.request("GET", workflows(emulator), params=params).status_code == 400

    def test_filters_are_applied_or_refused_but_never_ignored(self, emulator):
        create(emulator, "filtered", labels={"team": "blue", "shade": "dark"})
        path = workflows(emulator)

        for text in (
            'labels.team="blue" AND state=ACTIVE',
            'name:"workflows/filt"',
            "labels:shade",
        ):
            shown = emulator.ask("GET", path, params={"filter": text})
            assert [found["name"] for found in shown["workflows"]] == [f"{path}/filtered"], text
        assert emulator.ask("GET", path, params={"filter": 'state="UNAVAILABLE"'}) == {}
        for text, status in (("blue", 501), ("colour=red", 400), ("state=", 400)):
            answer = emulator.request("GET", path, params={"filter": text})
            assert answer.status_code == status, text
        assert emulator.request("GET", path, params={"orderBy": "colour"}).status_code == 400

    def test_a_page_follows_the_last_whatever_came_or_went_meanwhile(self, start_emulator):
        emulator = start_emulator()
        for name in ("b", "d", "f", "h"):
            emulator.deploy(name, SOURCE)

        first = emulator.ask("GET", workflows(emulator), params={"pageSize": 2})
        emulator.deploy("a", SOURCE)
        emulator.ask("DELETE", workflows(emulator, "b"))
        params = {"pageSize": 2, "pageToken": first["nextPageToken"]}
        second = emulator.ask("GET", workflows(emulator), params=params)
        emulator.ask("DELETE", workflows(emulator, "d"))
        again = emulator.ask("GET", workflows(emulator), params=params)

        listed = [found["name"].rpartition("/")[2] for found in second["workflows"]]
        assert listed == ["f", "h"]
        assert [found["name"].rpartition("/")[2] for found in again["workflows"]] == ["h"]

    def test_operations_come_in_pages_newest_first_and_filtered(self, start_emulator):
        emulator = start_emulator()
        names = [emulator.deploy(name, SOURCE)["name"] for name in ("a", "b", "c")]
        path = f"{emulator.parent}/operations"

        first = emulator.ask("GET", path, params={"pageSize": 2})
        deleted = emulator.ask("DELETE", workflows(emulator, "a"))["name"]
        params = {"pageSize": 2, "pageToken": first["nextPageToken"]}
        second = emulator.ask("GET", path, params=params)

        shown = [done["name"] for page in (first, second) for done in page["operations"]]
        assert shown == names[::-1]
        for text, expected in (
            ("metadata.verb=delete", [deleted]),
            (f'metadata.target="*/b" AND name="{names[1]}"', [names[1]]),
            ("done=false OR error:*", []),
        ):
            found = emulator.ask("GET", path, params={"filter": text}).get("operations", [])
            assert [done["name"] for done in found] == expected, text

    def test_what_all_revisions_share_is_shown_as_it_is_now(self, emulator):
        create(emulator, "shared", description="old", labels={"a": "old"})
        path = workflows(emulator, "shared")
        first = emulator.ask("GET", path)["revisionId"]
        body = {"sourceContents": WAITING, "description": "new"}
        emulator.ask("PATCH", path, json=body)

        shown = emulator.ask("GET", path, params={"revisionId": first})

        assert (shown["sourceContents"], shown["description"]) == (SOURCE, "new")
        assert "labels" not in shown

    def test_the_project_is_known_by_its_number_too(self, emulator):
        create(emulator, "numbered")
        path = f"projects/{NUMBER}/locations/{LOCATION}/workflows/numbered"

        assert emulator.ask("GET", path)["name"] == path

    def test_there_is_one_location(self, emulator):
        place = {"name": emulator.parent, "locationId": LOCATION}
        path = f"projects/{PROJECT}/locations"

        assert emulator.ask("GET", emulator.parent) == place
        assert emulator.ask("GET", path) == {"locations": [place]}
        assert emulator.ask("GET", path, params={"filter": "locationId=mars"}) == {}

    def test_all_locations_are_the_one(self, emulator):
        create(emulator, "everywhere")
        anywhere = f"projects/{PROJECT}/locations/-/workflows"

        shown = emulator.ask("GET", anywhere, params={"filter": 'name="*/everywhere"'})

        assert [found["name"] for found in shown["workflows"]] == [
            workflows(emulator, "everywhere")
        ]


class TestDeleteWorkflow:
    def test_its_executions_end_and_everything_of_it_is_gone(self, emulator):
        emulator.deploy("doomed", WAITING)
        execution = emulator.execute("doomed")
        path = workflows(emulator, "doomed")

        operation = emulator.ask("DELETE", path)

        assert operation["response"] == {"@type": "type.googleapis.com/google.protobuf.Empty"}
        assert emulator.request("GET", path).status_code == 404
        assert emulator.request("GET", execution.name).status_code == 404
        assert emulator.request("DELETE", path).status_code == 404
        assert emulator.ask("GET", operation["name"])["done"] is True
