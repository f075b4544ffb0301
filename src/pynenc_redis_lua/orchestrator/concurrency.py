"""Concurrency control: what invocations share that exclude each other.

Values of arguments are hashed before they become part of anything that is kept.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pynenc.conf.config_task import ConcurrencyControlType

from pynenc_redis_lua.codec import pack, to_bytes

if TYPE_CHECKING:
    from pynenc.call import Call, PreSerializedCall
    from pynenc.invocation.dist_invocation import DistributedInvocation


def digest(value: str | bytes) -> str:
    """Return 128 bits that stand for a value."""
    data = value if isinstance(value, bytes) else to_bytes(value)
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def argument_digests(arguments: dict[str, str]) -> bytes:
    """Return the names of arguments and digests of their values, packed."""
    return pack(*(part for name, value in arguments.items() for part in (name, digest(value))))


def concurrency_key(
    call: Call[Any, Any] | PreSerializedCall[Any, Any], mode: ConcurrencyControlType
) -> str:
    """Return what the call shares with those that exclude it, or nothing if none do."""
    if mode == ConcurrencyControlType.DISABLED:
        return ""
    arguments: dict[str, str] = {}
    if mode != ConcurrencyControlType.TASK:
        arguments = call.serialized_arguments
    if mode == ConcurrencyControlType.KEYS:
        arguments = {name: arguments[name] for name in call.task.conf.key_arguments}
    fields = [part for item in sorted(arguments.items()) for part in item]
    return digest(pack(call.task.task_id.key, mode.value, *fields))


def control(invocation: DistributedInvocation[Any, Any]) -> tuple[str, str, str, bytes]:
    """Return slot key, registration key, whether to reroute, and digests of the arguments."""
    call, conf = invocation.call, invocation.call.task.conf
    slot = concurrency_key(call, conf.running_concurrency)
    unique = concurrency_key(call, conf.registration_concurrency)
    reroutes = "1" if conf.reroute_on_concurrency_control else ""
    digests = argument_digests(call.serialized_arguments) if slot or unique else b""
    return slot, unique, reroutes, digests
