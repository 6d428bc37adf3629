"""The environment of the tests, set before Django reads its settings (pytest loads this first)."""

import os

os.environ.setdefault("SECRET_KEY", "only-for-the-tests")
os.environ.setdefault("DEBUG", "1")  # static files without their build
for name in (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "WORKFLOWS_EMULATOR_HOST",
    "WORKFLOWS_EMULATOR_GRPC_HOST",
    "EMAIL_URL",
):
    os.environ.pop(name, None)  # nothing of the developer's own reaches the tests
