"""Ratios, verdicts and reports of small records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from benchmarks import quick, report
from benchmarks.contender import contenders
from benchmarks.record import Record, Sample, Spread
from benchmarks.verdicts import verdicts

if TYPE_CHECKING:
    from pathlib import Path

ABOUT = {
    "when": "2026-11-24T12:00:00+00:00",
    "machine": {"cpu": "a processor", "cores": 2, "python": "3.12.1", "load": 0.5},
    "server": {"server_name": "valkey", "valkey_version": "9.1.2"},
    "versions": {"us": {"pynenc": "0.4.0"}, "pynenc-redis": {"pynenc": "0.3.1"}},
    "failures": [],
}


def sample(case: str, contender: str, seconds: float, turn: int = 1, **more: float) -> Sample:
    return Sample(case, contender, 0, turn, 10, {"seconds": seconds, **more})


def test_ratios_are_of_pairs() -> None:
    # The machine is ten times slower in the second round; each pair has the same ratio.
    record = Record(
        [
            sample("submit", "us", 1.0),
            sample("submit", "pynenc-redis", 8.0),
            sample("submit", "pynenc-redis", 80.0, turn=2),
            sample("submit", "us", 10.0, turn=2),
            sample("submit", "us", 10.0, turn=3),
        ]
    )
    older, us = ("submit", "pynenc-redis", None), ("submit", "us", None)
    assert record.ratio(older, us, "seconds") == Spread(8.0, 8.0, 8.0)
    assert record.ratio(older, us, "server_cpu") is None
    assert record.each("submit", "us", "seconds") == Spread(1.0, 0.1, 1.0)
    assert record.each("submit", "nobody", "seconds") is None


@pytest.mark.parametrize(("seconds", "holds"), [(6.1, True), (5.9, False)])
def test_what_must_hold_is_judged(seconds: float, holds: bool) -> None:
    record = Record([sample("submit", "us", 1.0), sample("submit", "pynenc-redis", seconds)])
    found = {one.claim: one.holds for one in verdicts(record)}
    assert found.pop("submit, against pynenc-redis") is holds
    assert set(found.values()) == {None}


def test_the_worst_growth_and_the_longest_command_are_named() -> None:
    record = Record(
        [
            Sample("read, status", "us", size, turn, 1, {"server_cpu": cpu, "longest_block": block})
            for size, turn, cpu, block in [
                (1_000, 1, 1.0, 0.001),
                (1_000_000, 1, 1.6, 0.050),
                (1_000, 2, 1.0, 0.001),
                (1_000_000, 2, 1.6, 0.011),
            ]
        ]
    )
    growth, block = (
        one for one in verdicts(record) if "worst" in one.claim or "it is" in one.claim
    )
    assert (growth.claim.rpartition("is ")[2], growth.shown) == ("read, status", "1.60×")
    # Of the rounds, the better one: the other 39 ms were somebody else's.
    assert (block.claim.rpartition("in ")[2], block.shown) == (
        "read, status (1,000,000)",
        "11.0 ms",
    )
    assert not growth.holds
    assert not block.holds


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    samples = [sample("submit", "us", 0.5), sample("batch", "us", 0.25, commands=3.0)]
    report.write(tmp_path, ABOUT, Record(samples))
    about, record = report.read(tmp_path / "latest.json")
    assert about == ABOUT
    assert record.samples == samples
    assert json.loads((tmp_path / "latest.json").read_text())["samples"]


def test_the_report_has_rates_and_ratios() -> None:
    record = Record(
        [sample("submit", "us", 0.01, commands=420.0), sample("submit", "pynenc-redis", 0.07)]
    )
    text = report.markdown(ABOUT, record, contenders())
    assert "| pynenc-redis-lua | 1,000 |  | 42.0 |" in text
    assert "| pynenc-redis 0.3 | 143 | 7.00× (7.00 to 7.00) |  |" in text
    assert "at least once" in text


def test_the_readme_gets_the_newest_between_its_marks(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}old\n{report.END}after\n")
    report.into_readme(readme, "new\n")
    assert readme.read_text() == f"before\n{report.BEGIN}new\n{report.END}after\n"
    readme.write_text("nothing\n")
    with pytest.raises(ValueError, match="newest benchmark"):
        report.into_readme(readme, "new\n")


class TestPinned:
    HELD: quick.Figures = {"submit": {"commands": 42.0}, "memory": {"memory": 1_000.0}}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("found", "worse", "better"),
        [
            ({"submit": {"commands": 42.0}, "memory": {"memory": 1_019.0}}, 0, 0),
            ({"submit": {"commands": 42.1}, "memory": {"memory": 1_000.0}}, 1, 0),
            ({"submit": {"commands": 41.0}, "memory": {"memory": 1_021.0}}, 1, 1),
            ({"submit": {}, "memory": {"memory": 979.0}}, 1, 1),
            ({**HELD, "batch": {"commands": 1.0}}, 1, 0),
        ],
    )
    def test_what_got_worse_or_is_missing_is_told(
        self, found: quick.Figures, worse: int, better: int
    ) -> None:
        assert tuple(map(len, quick.compare(found, self.HELD))) == (worse, better)

    def test_each_step_is_pinned(self) -> None:
        pinned = quick.pinned()
        assert {"submit", "batch", "claim", "start", "finish", "memory"} <= set(pinned)
        assert pinned["submit"]["round_trips"] == 1
        assert pinned["start"]["round_trips"] == pinned["finish"]["round_trips"] == 1
