"""results.json as a plot: what was measured against the targets, and the latencies. Run by Python with matplotlib."""

import json
import sys

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot

COLOURS = {"this service": "#1b7837", "FastAPI + SQLAlchemy": "#5e7fb8", "Fastify + postgres.js": "#d08a2e"}
MET, NOT_MET = "#1b7837", "#b2182b"


def main(source: str, plot: str) -> None:
    with open(source) as file:  # noqa: PTH123
        results = json.load(file)
    mpl.rcParams |= {
        "font.size": 9,
        "svg.hashsalt": "images",
        "svg.fonttype": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(14, 7), width_ratios=[1, 1], layout="constrained")
    figure.suptitle(f"{results['rows']:,} images, {results['machine']}, {results['date'][:10]}", fontsize=10)
    draw_targets(left, results["targets"])
    draw_latencies(right, results["works"])
    figure.savefig(plot, metadata={"Date": None} if plot.endswith(".svg") else None)


def draw_targets(axes, targets) -> None:
    """How far each goes beyond its target: 1 is the target, on a logarithmic scale, more is better."""
    targets = [target for target in reversed(targets) if target["measured"]]
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
    axes.set_xlim(min(beyond, default=1) / 3, max(beyond, default=1) * 3)
    axes.set_xlabel("how far beyond the target")
    axes.set_title("Measured, to its target: right of the line is met", fontsize=10, loc="left")


def draw_latencies(axes, works) -> None:
    """From p50, a dot, to p99, a line's end."""
    shown = [work for work in reversed(works) if work["who"] in COLOURS]
    shown.sort(key=lambda work: [other["work"] for other in works].index(work["work"]), reverse=True)
    for row, work in enumerate(shown):
        p50, p99 = (work["latencies"][share] * 1000 for share in ("p50", "p99"))
        axes.plot([p50, p99], [row, row], color=COLOURS[work["who"]], linewidth=3, marker="o", markevery=[0])
        axes.text(p99, row, f"  {p50:.1f} to {p99:.1f} ms", va="center", fontsize=8)
    axes.set_yticks(range(len(shown)), [f"{work['work']}: {work['who']}" for work in shown])
    axes.set_xscale("log")
    axes.margins(x=0.3)
    axes.set_xlabel("ms")
    axes.set_title("Latency of 32 connections: p50, p99", fontsize=10, loc="left")


if __name__ == "__main__":
    main(*sys.argv[1:])
