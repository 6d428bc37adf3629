"""`events`: callback endpoints. The world keeps them."""

from emulator.library.registry import world

world('events.create_callback_endpoint(http_callback_method="POST")', blocking=False)
world("events.await_callback(callback, timeout=43200.0)", blocking=True)
