"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import contender, quick, report
from benchmarks.bench import Bench
from benchmarks.cases import CASES
from benchmarks.record import Record
from benchmarks.verdicts import verdicts

if TYPE_CHECKING:
    from benchmarks.contender import Contender

SIZES = (1_000, 100_000, 1_000_000)
HERE = Path(__file__).parent
RESULTS, README = HERE / "results", HERE.parent / "README.md"


def main() -> int:
    """Measure, write the record and the report; return 1 if something that must hold does not."""
    known = contender.contenders()
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--case", action="append", choices=CASES, help="default: all")
    parser.add_argument("--contender", action="append", choices=known, help="default: all")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default: 5)")
    parser.add_argument(
        "--size",
        type=int,
        action="append",
        help="finished invocations of an app (default: 1000, 100000 and 1000000)",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the report goes")
    parser.add_argument(
        "--quick", action="store_true", help="only hold what is always the same to pinned.json"
    )
    parser.add_argument("--pin", action="store_true", help="write pinned.json anew")
    parser.add_argument("--redo", action="store_true", help="write the report of latest.json anew")
    options = parser.parse_args()
    if options.quick or options.pin:
        return quick.run(to_pin=options.pin)
    if options.redo:
        return publish(options.results, *report.read(options.results / "latest.json"), known)
    chosen = [known[name] for name in options.contender or known]
    samples = []
    with Bench(chosen, options.rounds, options.size or SIZES) as bench:
        for name in options.case or CASES:
            start = time.monotonic()
            print(f"{name} ", end="", file=sys.stderr, flush=True)
            samples += CASES[name](bench)
            print(f" {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
            # A run that is ended early keeps what it has: `--redo --results build/bench/partial`.
            about = report.meta(bench)
            report.write(contender.BUILD / "partial", about, Record(samples))
    return publish(options.results, about, Record(samples), known)


def publish(
    folder: Path, about: dict[str, Any], record: Record, known: dict[str, Contender]
) -> int:
    """Write all that is written of a run, and print what must hold."""
    from benchmarks import plots  # noqa: PLC0415 - the extra "bench" is for this alone

    report.write(folder, about, record)
    drawn = plots.draw(folder, record, known)
    text = report.markdown(about, record, known)
    (folder / "latest.md").write_text(text + "".join(f"\n![]({name})\n" for name in drawn))
    judged = list(verdicts(record))
    print(report.judged(judged))
    if folder == RESULTS:
        pictures = "".join(f"\n![]({HERE.name}/{RESULTS.name}/{name})\n" for name in drawn)
        report.into_readme(README, report.summary(about, record, known) + pictures)
    return 1 if about["failures"] or any(one.holds is False for one in judged) else 0


if __name__ == "__main__":
    sys.exit(main())
