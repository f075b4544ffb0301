"""Hypothesis on machines that run other tests beside: no limit on the time of one example."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
