"""pynenc's status machine, as the scripts get it: generated from the installed pynenc."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc.invocation.status import InvocationStatus, get_status_definition

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the scripts call the flags of pynenc's StatusDefinition.
_FLAGS = {
    "final": "is_final",
    "available": "available_for_run",
    "requires": "requires_ownership",
    "acquires": "acquires_ownership",
    "releases": "releases_ownership",
    "overrides": "overrides_ownership",
}


def status_machine() -> str:
    """Return pynenc's status machine as words between spaces, for a plain find.

    Each status is a word, each of its flags (``success:final``), and each change that is allowed
    (``pending>running``). Their order does not depend on hashes.
    """
    words = [word for status in sorted(InvocationStatus) for word in _words(status)]
    return f" {' '.join(words)} "


def _words(status: InvocationStatus) -> Iterator[str]:
    definition = get_status_definition(status)
    yield status.value
    for flag, attribute in _FLAGS.items():
        if getattr(definition, attribute):
            yield f"{status.value}:{flag}"
    for target in sorted(definition.allowed_transitions):
        yield f"{status.value}>{target.value}"
