"""What the fork server has ready for its children: all modules, and the text of every script."""

from pynenc_redis_lua.scripts.library import library
from triggers import workers  # noqa: F401

for name in library().names:
    _ = library().script(name).rendered
