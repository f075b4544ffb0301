"""pynenc's status machine, as the scripts get it: generated from the installed pynenc."""

from __future__ import annotations

from typing import NamedTuple

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


class Rule(NamedTuple):
    """A row of the Lua table: words between spaces, so that a plain find tests membership."""

    status: str
    allowed: str
    flags: str


def rules() -> list[Rule]:
    """Return a row for each status, in an order that does not depend on hashes."""
    return [_rule(status) for status in sorted(InvocationStatus)]


def _rule(status: InvocationStatus) -> Rule:
    definition = get_status_definition(status)
    allowed = sorted(target.value for target in definition.allowed_transitions)
    flags = [flag for flag, attribute in _FLAGS.items() if getattr(definition, attribute)]
    return Rule(status.value, _words(allowed), _words(flags))


def _words(words: list[str]) -> str:
    return "".join(f" {word}" for word in words) + " "
