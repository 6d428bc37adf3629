"""Where a person reads an execution: in Google's console, or on the emulator's page of it."""

from django.conf import settings

from approvals.google.addresses import is_execution_name

CONSOLE = "https://console.cloud.google.com/workflows/workflow"


def execution_page(name: str) -> str:
    """The page of an execution by its resource name; empty where that is no such name."""
    if not is_execution_name(name):
        return ""
    _, project, _, location, _, workflow, _, execution = name.split("/")
    if settings.WORKFLOWS_EMULATOR_HOST:
        return f"{settings.WORKFLOWS_EMULATOR_HOST}/ui/executions/{execution}"
    place = f"{location}/{workflow}/execution/{execution}"
    return f"{CONSOLE}/{place}/summary?project={project}"
