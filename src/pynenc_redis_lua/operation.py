"""Ids by which the server knows a call that is repeated, and who repeats it."""

from __future__ import annotations

import os
import secrets
import threading

_process = 0
_prefix = ""


def new_operation() -> str:
    """Return an id for one operation; a repeated call carries the same one."""
    return secrets.token_hex(8)


def consumer_id() -> str:
    """Return the id of this thread as a taker of invocations.

    A consumer's last reply is kept for it; two threads of one id would overwrite each other's.
    """
    global _process, _prefix
    if _process != os.getpid():
        _process, _prefix = os.getpid(), secrets.token_hex(6)
    return f"{_prefix}-{threading.get_ident():x}"
