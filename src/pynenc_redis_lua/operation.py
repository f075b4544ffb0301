"""Ids by which the server knows a call that is repeated, and who repeats it."""

from __future__ import annotations

import os
import secrets
import threading
from functools import cache


def new_operation() -> str:
    """Return an id for one operation; a repeated call carries the same one."""
    return secrets.token_hex(8)


def consumer_id() -> str:
    """Return the id of this thread as a taker of invocations.

    A consumer's last reply is kept for it; two threads of one id would overwrite each other's.
    """
    return f"{_process_id(os.getpid())}-{threading.get_ident():x}"


@cache
def _process_id(_: int) -> str:
    # The argument is the process: a forked child, and one that gets the number again elsewhere, is
    # another consumer.
    return secrets.token_hex(6)
