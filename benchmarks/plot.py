"""Plot of a run: its measurements against the targets, and the latencies. Run by Python with matplotlib."""

import json
import sys
from pathlib import Path
from typing import Any

from matplotlib import pyplot, rcParams
from matplotlib.ticker import NullLocator

COLORS = {"this service": "#1b7837", "FastAPI + SQLAlchemy": "#5e7fb8", "Fastify + postgres.js": "#d08a2e"}
MET, NOT_MET = "#1b7837", "#b2182b"


def main(source: str, plot: str) -> None:
    results = json.loads(Path(source).read_text())
    rcParams.update(
        {
            "font.size": 9,
            "svg.hashsalt": "images",
            "svg.fonttype": "none",
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(14, 7), width_ratios=[1, 1], layout="constrained")
    figure.suptitle(f"{results['rows']:,} images, {results['machine']}, {results['date'][:10]}", fontsize=10)
    draw_targets(left, results["targets"])
    draw_latencies(right, results["works"])
    figure.savefig(plot)


def draw_targets(axes: Any, targets: list[dict[str, Any]]) -> None:
    """Draw each figure as a multiple of its target, on a logarithmic scale. More than 1 is better than the target."""
    targets = [target for target in reversed(targets) if target["measured"] and target["bound"]]
    names = [target["what"] for target in targets]
    ratios = [target["measured"] / target["bound"] for target in targets]
    beyond = [1 / ratio if target["at_most"] else ratio for ratio, target in zip(ratios, targets, strict=True)]
    bars = axes.barh(
        names, [ratio - 1 for ratio in beyond], left=1, color=[MET if t["met"] else NOT_MET for t in targets]
    )
    labels = [f"{t['measured']:.2f} ({'≤' if t['at_most'] else '≥'} {t['bound']:g})" for t in targets]
    for bar, label, ratio in zip(bars, labels, beyond, strict=True):
        outside = {"x": ratio, "ha": "left" if ratio >= 1 else "right"}
        axes.text(y=bar.get_y() + bar.get_height() / 2, s=f" {label} ", va="center", fontsize=8, **outside)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks([0.1, 0.2, 0.5, 1, 2, 5, 10], ["0.1", "0.2", "0.5", "1", "2", "5", "10"])
    axes.set_xlim(min(beyond, default=1) / 3, max(beyond, default=1) * 3)
    axes.set_xlabel("times the target")
    axes.set_title("Measured, to its target: right of the line is met", fontsize=10, loc="left")


def draw_latencies(axes: Any, works: list[dict[str, Any]]) -> None:
    """Draw each latency as a line from p50, with a dot, to p99."""
    shown = [work for work in reversed(works) if work["who"] in COLORS]
    shown.sort(key=lambda work: [other["work"] for other in works].index(work["work"]), reverse=True)
    for row, work in enumerate(shown):
        p50, p99 = (work["latencies"][share] * 1000 for share in ("p50", "p99"))
        axes.plot([p50, p99], [row, row], color=COLORS[work["who"]], linewidth=3, marker="o", markevery=[0])
        axes.text(p99, row, f"  {p50:.1f} to {p99:.1f} ms", va="center", fontsize=8)
    axes.set_yticks(range(len(shown)), [f"{work['work']}: {work['who']}" for work in shown])
    axes.set_xscale("log")
    axes.margins(x=0.4)
    axes.set_xlabel("ms")
    axes.set_title("Latency of 32 connections: p50, p99", fontsize=10, loc="left")


if __name__ == "__main__":
    main(*sys.argv[1:])
