"""Test workflows and the people in them with pytest: `pytest_plugins = ["emulator.testing"]`."""

from emulator.stubs import raises, responds, returns
from emulator.testing.approval import Approval
from emulator.testing.callback import Callback, Response
from emulator.testing.errors import (
    AnswerRefused,
    CannotDeploy,
    NoStub,
    NotWaiting,
    RunFailed,
    StillWaiting,
    TestingError,
    TookTooLong,
)
from emulator.testing.past import Call, Line
from emulator.testing.played import PlayedInbox
from emulator.testing.plugin import (
    _workflows_background,
    _workflows_data,
    pytest_addoption,
    pytest_runtest_makereport,
    workflows,
)
from emulator.testing.run import Run
from emulator.testing.workbench import Workflows

__all__ = [
    "AnswerRefused",
    "Approval",
    "Call",
    "Callback",
    "CannotDeploy",
    "Line",
    "NoStub",
    "NotWaiting",
    "PlayedInbox",
    "Response",
    "Run",
    "RunFailed",
    "StillWaiting",
    "TestingError",
    "TookTooLong",
    "Workflows",
    "_workflows_background",
    "_workflows_data",
    "pytest_addoption",
    "pytest_runtest_makereport",
    "raises",
    "responds",
    "returns",
    "workflows",
]
