"""The settings in the environment of the tests, for mypy's plugin, which sets none itself."""

import tests.environment  # noqa: F401 - it sets what the next line reads
from config.settings import *  # noqa: F403 - these are the settings
