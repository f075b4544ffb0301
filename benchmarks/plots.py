"""Plots as SVG: no background, and colours that are read on white as on black."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.verdicts import US

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

    from benchmarks.contender import Contender
    from benchmarks.record import Record

INK = "#7d8590"
OURS = "#e0662f"
COLOURS = (OURS, "#3d8fd1", "#4c9f63", "#b06ab3", "#b8902c", "#d1596f", "#2fa7a0", "#8a7be0")
BARS = {
    "submit": "submits a second, one by one",
    "batch": "submits a second, in a batch",
    "life": "lives a second, in one process",
}


def draw(folder: Path, record: Record, known: dict[str, Contender]) -> list[str]:
    """Draw what was measured into a folder; returns the names of the files."""
    style = dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK
    )
    drawn = []
    with mpl.rc_context({**style, "svg.hashsalt": "pynenc", "font.size": 9}):
        for name, plot in (("rates", rates), ("workers", workers), ("growth", growth)):
            figure = plot(record, known)
            if figure is not None:
                path = folder / f"{name}.svg"
                figure.savefig(path, transparent=True, metadata={"Date": None}, bbox_inches="tight")
                plt.close(figure)
                drawn.append(path.name)
    return drawn


def rates(record: Record, known: dict[str, Contender]) -> plt.Figure | None:
    """Draw who does how many in a second, with the least and the largest of the rounds."""
    cases = [case for case in BARS if record.contenders(case)]
    if not cases:
        return None
    figure, all_axes = plt.subplots(1, len(cases), figsize=(4.2 * len(cases), 3.4), squeeze=False)
    for axes, case in zip(all_axes[0], cases, strict=True):
        found = {name: record.each(case, name, "seconds") for name in record.contenders(case)}
        found = {name: of for name, of in found.items() if of and name in known}
        names = sorted(found, key=lambda name: -found[name].median)
        values = [1 / found[name].median for name in names]
        spread = [
            [value - 1 / found[name].largest for name, value in zip(names, values, strict=True)],
            [1 / found[name].least - value for name, value in zip(names, values, strict=True)],
        ]
        colours = [OURS if name == US else INK for name in names]
        bars = axes.barh([known[name].title for name in names], values, color=colours, xerr=spread,
                         error_kw={"ecolor": INK, "lw": 1})  # fmt: skip
        axes.bar_label(bars, fmt="{:,.0f}", padding=3, color=INK)
        axes.set_title(BARS[case], fontsize=10)
        axes.margins(x=0.25)
        _plain(axes)
    figure.tight_layout()
    return figure


def workers(record: Record, known: dict[str, Contender]) -> plt.Figure | None:
    """Draw how many lives there are in a second as workers are added."""
    cases = [case for case in ("workers, thread", "workers, process") if record.contenders(case)]
    if not cases:
        return None
    figure, all_axes = plt.subplots(1, len(cases), figsize=(5 * len(cases), 3.4), squeeze=False)
    for axes, case in zip(all_axes[0], cases, strict=True):
        for name, colour in zip(known, COLOURS * 2, strict=False):
            points = {
                size: 1 / of.median
                for size in record.sizes(case)
                if (of := record.each(case, name, "seconds", size))
            }
            if points:
                width = 2.5 if name == US else 1.2
                axes.plot(list(points), list(points.values()), "o-", ms=3, lw=width, color=colour,
                          label=known[name].title)  # fmt: skip
        axes.set_xscale("log", base=2)
        axes.set_xticks(record.sizes(case), [str(size) for size in record.sizes(case)])
        axes.set_yscale("log")
        axes.set_xlabel("threads of a worker" if case.endswith("thread") else "worker processes")
        axes.set_ylabel("lives a second")
        axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
        _plain(axes)
    figure.tight_layout()
    return figure


def growth(record: Record, known: dict[str, Contender]) -> plt.Figure | None:
    """Draw what reads and steps cost the server as an app grows."""
    del known
    groups = {"read, ": "reads", "scale, ": "steps"}
    if not any(case.startswith(tuple(groups)) for case in record.cases()):
        return None
    figure, all_axes = plt.subplots(1, 2, figsize=(10, 3.4))
    for axes, (prefix, title) in zip(all_axes, groups.items(), strict=True):
        cases = [case for case in record.cases() if case.startswith(prefix)]
        for case, colour in zip(cases, COLOURS, strict=False):
            points = {
                size: of.median * 1e6
                for size in record.sizes(case)
                if (of := record.each(case, US, "server_cpu", size))
            }
            axes.plot(list(points), list(points.values()), "o-", ms=3, color=colour,
                      label=case.removeprefix(prefix))  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("finished invocations in the app")
        axes.set_ylabel("µs of the server's CPU")
        axes.set_title(title, fontsize=10)
        axes.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
        _plain(axes)
    figure.tight_layout()
    return figure


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="both", color=INK, alpha=0.2, lw=0.5)
    axes.set_axisbelow(True)
