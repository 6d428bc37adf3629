"""`uuid`: random, so the world's."""

from emulator.library.registry import world

world("uuid.generate()", blocking=False)
