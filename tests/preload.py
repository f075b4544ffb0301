"""What the fork server has ready for its children: all modules, and the text of every script."""

from life import tools  # noqa: F401
from pynenc_redis_lua.scripts.library import library

for name in library().names:
    _ = library().script(name).rendered
