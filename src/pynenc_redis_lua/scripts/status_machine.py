"""pynenc's status machine, as the scripts get it: generated from the installed pynenc.

The order of statuses does not depend on hashes.
"""

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


def status_flags() -> dict[str, list[str]]:
    """Return the statuses that have each flag."""
    return {
        flag: [
            status.value
            for status in sorted(InvocationStatus)
            if getattr(get_status_definition(status), attribute)
        ]
        for flag, attribute in _FLAGS.items()
    }


def status_targets() -> dict[str, list[str]]:
    """Return the statuses that each status may become."""
    return {
        status.value: sorted(
            target.value for target in get_status_definition(status).allowed_transitions
        )
        for status in sorted(InvocationStatus)
    }
