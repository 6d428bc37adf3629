"""Who is let in, by which names, and what everybody else is told."""

from typing import Any

import requests

from tests.emulator.rest import SOURCE, error_of, workflows
from tests.emulators import APP, LOCATION, PROJECT, command
from tests.watch import OWN


class TestNames:
    def test_another_project_or_location_is_refused_with_the_right_one(self, emulator):
        project = emulator.request("GET", f"projects/other/locations/{LOCATION}/workflows")
        location = emulator.request("GET", f"projects/{PROJECT}/locations/mars/workflows")

        assert PROJECT in error_of(project)["message"]
        assert LOCATION in error_of(location)["message"]
        assert (project.status_code, location.status_code) == (403, 404)

    def test_with_authentication_off_any_name_will_do_and_is_answered(self, start_emulator):
        emulator = start_emulator(auth="off")
        parent = "projects/my-project/locations/europe-west9"
        params = {"workflowId": "guest"}
        body = {"sourceContents": SOURCE}

        made = emulator.ask("POST", f"{parent}/workflows", params=params, json=body, token="")

        assert made["name"].startswith(f"{parent}/operations/")
        assert made["metadata"]["target"] == made["response"]["name"] == f"{parent}/workflows/guest"
        assert emulator.ask("GET", made["name"], token="") == made
        path = f"{parent}/workflows/guest"
        listed = emulator.ask("GET", f"{parent}/workflows", token="")["workflows"]
        assert [found["name"] for found in listed] == [path]
        execution = emulator.ask("POST", f"{path}/executions", json={}, token="")["name"]
        assert execution.startswith(f"{path}/executions/")
        assert emulator.ask("GET", execution, token="")["name"] == execution
        assert emulator.ask("GET", f"{execution}/callbacks", token="") == {}
        own = f"{emulator.parent}/workflows/guest"
        assert emulator.ask("GET", own, token="")["name"] == own
        place = {"name": parent, "locationId": "europe-west9"}
        assert emulator.ask("GET", parent, token="") == place

    def test_authentication_is_never_off_for_others(self, tmp_path):
        for options in (("--host", "0.0.0.0", "--allow-remote"), ("--allow-remote",)):
            done = command("serve", "--auth=off", f"--data={tmp_path / 'd'}", *options)
            assert done.returncode == 2
            assert "--auth off is for this machine only" in done.stderr


class TestErrors:
    def test_every_way_to_go_wrong_has_googles_form(self, emulator):
        path = workflows(emulator)
        kind = {"Content-Type": "application/json"}
        asked: list[tuple[str, str, dict[str, Any], int]] = [
            ("GET", "nothing/here", {}, 404),
            ("GET", f"{path}/none", {}, 404),
            ("GET", f"{path}/none/executions", {}, 404),
            ("GET", f"{path}/none/executions/none", {}, 404),
            ("PUT", f"{path}/none", {}, 405),
            ("POST", path, {"data": b"{", "headers": kind}, 400),
            ("POST", path, {"data": b"[]", "headers": kind}, 400),
            ("POST", path, {"data": b"\xff", "headers": kind}, 400),
            ("POST", path, {"data": b"[" * 100_000, "headers": kind}, 400),
            ("POST", path, {"data": b'{"labels": NaN}', "headers": kind}, 400),
            ("POST", path, {"data": b" " * 2_000_000, "headers": kind}, 413),
            ("GET", path, {"params": {"access_token": "secret"}}, 400),
            ("GET", path, {"token": ""}, 401),
            ("GET", path, {"token": "junk"}, 401),
        ]
        for method, wrong, options, status in asked:
            answer = emulator.request(method, wrong, **options)
            assert answer.status_code == status, (method, wrong, answer.text)
            error_of(answer)

    def test_parameters_that_mean_nothing_here_are_ignored(self, emulator):
        params = {"$alt": "json;enum-encoding=int", "alt": "json", "prettyPrint": "false", "x": "y"}

        assert emulator.request("GET", workflows(emulator), params=params).status_code == 200


class TestWhoIsLetIn:
    def test_only_names_of_this_machine_are_answered(self, emulator):
        for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""):
            answer = requests.get(f"{emulator.url}/healthz", headers={"Host": host}, timeout=10)
            assert answer.status_code == 403, host
            assert "allow-remote" in error_of(answer)["message"]
        for host in ("localhost", "localhost:1", "[::1]:8787", "app.localhost"):
            answer = requests.get(f"{emulator.url}/healthz", headers={"Host": host}, timeout=10)
            assert (answer.status_code, answer.text) == (200, "ok\n"), host

    def test_a_web_page_from_elsewhere_is_refused(self, emulator):
        tokens = f"{emulator.url}/emulator/tokens"
        for origin, status in (("https://evil.example", 403), ("null", 403), (emulator.url, 200)):
            answer = requests.post(
                tokens, json={"email": APP}, headers={"Origin": origin}, timeout=10
            )
            assert answer.status_code == status, origin

    def test_a_connection_from_another_address_is_refused_unless_allowed(self, start_emulator):
        open_to_all = start_emulator(options=["--host", "0.0.0.0", "--allow-remote"])

        answer = requests.get(f"http://{OWN}:{open_to_all.port}/healthz", timeout=10)

        assert answer.status_code == 200
        tokens = f"http://{OWN}:{open_to_all.port}/emulator/tokens"
        if not OWN.startswith("127."):
            assert requests.post(tokens, json={"email": APP}, timeout=10).status_code == 403
