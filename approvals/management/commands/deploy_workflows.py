"""Puts the workflows of a folder on Google, or on the emulator, with Google's own client."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from google.api_core.exceptions import AlreadyExists, Conflict, GoogleAPICallError
from google.auth.exceptions import GoogleAuthError

from approvals.callbacks import workflows_client
from workflows.bundle import BundleError, bundle


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
            client = workflows_client()
            for name, source in bundle(folder).items():
                workflow = {
                    "source_contents": source,
                    "service_account": service_account,
                    "user_env_vars": variables,
                }
                verb = self._deploy(client, name, workflow)
                self.stdout.write(f"{verb} {name}")
        except (BundleError, GoogleAPICallError, GoogleAuthError, OSError) as error:
            raise CommandError(f"Not deployed: {error}") from error

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
