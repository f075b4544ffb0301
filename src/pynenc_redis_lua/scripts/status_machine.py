"""pynenc's status machine, as the scripts get it: generated from the installed pynenc."""

from __future__ import annotations

from pynenc.invocation.status import InvocationStatus, get_status_definition

# What the scripts call the flags of pynenc's StatusDefinition.
_FLAGS = {
    "final": "is_final",
    "available": "available_for_run",
    "requires": "requires_ownership",
    "acquires": "acquires_ownership",
    "releases": "releases_ownership",
    "overrides": "overrides_ownership",
}


def status_machine() -> dict[str, tuple[str, str]]:
    """Return of each status of pynenc its flags, and the statuses that it may become, in words.

    Their order does not depend on hashes. No flag is a part of another one.
    """
    return {status.value: _rules(status) for status in sorted(InvocationStatus)}


def _rules(status: InvocationStatus) -> tuple[str, str]:
    definition = get_status_definition(status)
    flags = [flag for flag, attribute in _FLAGS.items() if getattr(definition, attribute)]
    targets = sorted(target.value for target in definition.allowed_transitions)
    return " ".join(flags), " ".join(targets)
