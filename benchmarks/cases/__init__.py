"""The cases: each is a function from a bench to samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.cases import life, rest, scale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.bench import Bench
    from benchmarks.record import Sample

CASES: dict[str, Callable[[Bench], Iterator[Sample]]] = {
    "submit": life.submit,
    "batch": life.batch,
    "claim": life.claim,
    "life": life.life,
    "workers": life.workers,
    "latency": life.latency,
    "fan-out": rest.fan_out,
    "scale": scale.scale,
    "memory": rest.memory,
    "idle": rest.idle,
    "payloads": rest.payloads,
    "raw": rest.raw,
}
