"""Puts the workflows of a folder on Google, or on the emulator, with Google's own client."""

import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from google.api_core.exceptions import AlreadyExists, BadRequest, Conflict, GoogleAPICallError
from google.auth.exceptions import GoogleAuthError

from approvals.google.clients import workflows_client
from workflows.bundle import BundleError, bundle

# How the message of an error begins that came over REST: the request.
REQUEST = re.compile(r"\A[A-Z]+ https?://\S+: ")


class Command(BaseCommand):
    help = "Deploy every workflow of a folder; shared subworkflows are appended."

    def add_arguments(self, parser: CommandParser) -> None:
        folder = settings.BASE_DIR / "workflows"
        parser.add_argument("folder", nargs="?", type=Path, default=folder)
        parser.add_argument(
            "--env",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="an environment variable of the workflows; COUNTERSIGN_URL is always set",
        )
        parser.add_argument("--service-account", default="", help="whom the workflows run as")

    def handle(self, *, folder: Path, env: list[str], service_account: str, **options: Any) -> None:
        if not settings.GOOGLE_CLOUD_PROJECT:
            raise CommandError("Set GOOGLE_CLOUD_PROJECT: the project to deploy to.")
        variables = {"COUNTERSIGN_URL": settings.BASE_URL}
        for pair in env:
            name, equals, value = pair.partition("=")
            if not (name and equals):
                raise CommandError(f"--env {pair}: give it as NAME=VALUE.")
            variables[name] = value
        try:
            bundles = bundle(folder)
            client = workflows_client()
            refused = []
            for name, complete in bundles.items():
                workflow = {
                    "source_contents": complete.text,
                    "service_account": service_account,
                    "user_env_vars": variables,
                }
                try:
                    verb = self._deploy(client, name, workflow)
                except BadRequest as error:  # of this workflow alone; the others may be right
                    self.stderr.write(complete.explain(REQUEST.sub("", error.message)))
                    refused.append(name)
                else:
                    self.stdout.write(f"{verb} {name}")
        except GoogleAPICallError as error:
            raise CommandError(f"Not deployed: {REQUEST.sub('', error.message)}") from error
        except (BundleError, GoogleAuthError, OSError) as error:
            raise CommandError(f"Not deployed: {error}") from error
        if refused:
            raise CommandError(
                f"{len(refused)} of {len(bundles)} not deployed: {', '.join(refused)}"
            )

    def _deploy(self, client: Any, name: str, workflow: dict[str, Any]) -> str:
        parent = f"projects/{settings.GOOGLE_CLOUD_PROJECT}/locations/{settings.WORKFLOWS_LOCATION}"
        try:
            client.create_workflow(parent=parent, workflow_id=name, workflow=workflow).result()
        except (AlreadyExists, Conflict):
            workflow["name"] = f"{parent}/workflows/{name}"
            mask = {"paths": [key for key, value in workflow.items() if value and key != "name"]}
            client.update_workflow(workflow=workflow, update_mask=mask).result()
            return "updated"
        return "created"
