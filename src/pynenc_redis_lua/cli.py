"""The command line: ``pynenc-redis-lua check``."""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from typing import TYPE_CHECKING, NoReturn, TextIO

from redis.exceptions import RedisError

from pynenc_redis_lua.client import Settings, connection_to
from pynenc_redis_lua.conf import ConfigRedis
from pynenc_redis_lua.consistency import check, is_empty
from pynenc_redis_lua.errors import RedisLuaError
from pynenc_redis_lua.scripts.api import Scripts
from pynenc_redis_lua.scripts.library import library

if TYPE_CHECKING:
    from collections.abc import Sequence

CONSISTENT, INCONSISTENT, FAILED = 0, 1, 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # It quotes the command line, in which a URL may hold a password.
        super().error(re.sub(r"\S*://.*", "<URL>", message, flags=re.DOTALL))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        arguments: The command line without the program; that of the process if None.

    Returns:
        0 if the app is consistent or has been repaired, 1 if problems remain, 2 if it could not be
        checked.
    """
    asked = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        # Ids are any text; a terminal of another encoding shows an escape.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        return _check(_scripts(asked), asked.app_id, repair=asked.repair)
    except (RedisLuaError, RedisError) as error:
        _say(f"pynenc-redis-lua: {error}", sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="pynenc-redis-lua", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    text = "verify every index of an app against every record, while its workers work"
    command = commands.add_parser("check", help=text, description=text, allow_abbrev=False)
    command.add_argument("--app-id", required=True, help="the app to look at")
    command.add_argument(
        "--url", help="where its data is, as redis_url; PYNENC__REDIS_URL if it is not given"
    )
    command.add_argument("--cluster", action="store_true", help="the server is a Redis Cluster")
    command.add_argument("--repair", action="store_true", help="mend what is found")
    return parser


def _scripts(asked: argparse.Namespace) -> Scripts:
    values: dict[str, object] = {}
    if asked.url is not None:
        values["redis_url"] = asked.url
    if asked.cluster:
        values["redis_cluster"] = True
    settings = Settings.from_conf(ConfigRedis(values))
    return Scripts(connection_to(settings), asked.app_id, library())


def _check(scripts: Scripts, app_id: str, *, repair: bool) -> int:
    where = scripts.connection.settings.address
    if is_empty(scripts) and scripts.app_get_info(app_id=app_id).tag == "NONE":
        _say(f"pynenc-redis-lua: there is no app {app_id!r} on {where}", sys.stderr)
        return FAILED
    looked_at = Counter[str]()
    found = repaired = 0
    for problem in check(scripts, repair=repair, looked_at=looked_at):
        _say(str(problem))
        found += 1
        repaired += problem.repaired
    _say(f"app {app_id!r} on {where}")
    for key, count in looked_at.items():
        if count:
            _say(f"{count:>12,} {key}")
    _say(_summary(found, repaired))
    return CONSISTENT if found == repaired else INCONSISTENT


def _summary(found: int, repaired: int) -> str:
    if not found:
        return "consistent"
    said = f"{found:,} {'problem' if found == 1 else 'problems'}"
    return f"{said}, {repaired:,} repaired" if repaired else said


def _say(line: str, stream: TextIO | None = None) -> None:
    print(line, file=stream or sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
