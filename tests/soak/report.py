"""Report of the soak test: requests, failures, latency and lost writes, for each act."""

from collections import Counter
from dataclasses import dataclass

from tests.soak.load import WITHOUT, WRONG, Outcome
from tests.soak.metrics import GAUGES, Sample

GRACE = 2.0  # seconds in which the service has to recover after PostgreSQL is up again


@dataclass(frozen=True)
class Act:
    name: str
    begun: float  # seconds of the event loop's clock
    ended: float
    resets: bool  # whether connections may be lost

    def meets(self, outcome: Outcome) -> bool:
        return outcome.begun < self.ended and outcome.ended > self.begun


@dataclass(frozen=True)
class Absence:
    """A time without PostgreSQL, or without the schema that the release needs: the right response is 503.

    While migrations are rolled back and applied, lists may also be incomplete, because their tables are not filled yet.
    """

    of: str
    begun: float
    ended: float

    def excuses(self, outcome: Outcome) -> bool:
        """Return whether the request ran in this time, and its failure is an allowed one."""
        right = outcome.result.startswith("503") and outcome.result != WITHOUT
        short = self.of == "schema" and outcome.work in ("own", "export") and outcome.result == WRONG
        return (right or short) and outcome.begun < self.ended + GRACE and outcome.ended > self.begun


@dataclass
class Report:
    acts: list[Act]
    absences: list[Absence]
    outcomes: list[Outcome]
    acknowledged: int  # writes
    lost: list[str]
    tracebacks: int  # in the instances' logs
    samples: list[Sample]

    def of(self, act: Act) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if act.begun <= outcome.begun < act.ended]

    def fault(self, outcome: Outcome) -> str:
        """Return a description of the failure of a request, or an empty string."""
        if outcome.result != "ok":
            return "" if self.excused(outcome) else outcome.result
        if outcome.reset and not any(
            act.resets and act.begun <= outcome.ended and outcome.begun <= act.ended for act in self.acts
        ):
            return "connection lost without a response"
        return ""

    def excused(self, outcome: Outcome) -> bool:
        return any(absence.excuses(outcome) for absence in self.absences)

    @property
    def failed(self) -> Counter[str]:
        """Return the number of requests for each failure that no absence excuses."""
        faults = ((outcome.work, self.fault(outcome)) for outcome in self.outcomes)
        return Counter(f"{work}: {fault}" for work, fault in faults if fault)


def p99(outcomes: list[Outcome]) -> float:
    """Return the 99th percentile of the latency of the successful requests, in ms."""
    times = sorted(outcome.ended - outcome.begun for outcome in outcomes if outcome.result == "ok")
    return 1000 * times[min(len(times) * 99 // 100, len(times) - 1)] if times else 0.0


def as_text(report: Report) -> str:
    quiet = p99(report.of(report.acts[0]))
    columns = ("seconds", "requests", "failed", "excused", "resent", "p99 ms", "vs quiet")
    lines = [f"{'':32}" + "".join(f"{column:>10}" for column in columns)]
    for act in report.acts:
        outcomes = report.of(act)
        figures = (
            f"{act.ended - act.begun:.1f}",
            f"{len(outcomes):,}",
            f"{sum(1 for outcome in outcomes if report.fault(outcome)):,}",
            f"{sum(1 for outcome in outcomes if report.excused(outcome)):,}",
            f"{sum(1 for outcome in outcomes if outcome.reset):,}",
            f"{p99(outcomes):.0f}",
            f"{p99(outcomes) / quiet:.1f}" if quiet else "",
        )
        lines.append(f"{act.name:32}" + "".join(f"{figure:>10}" for figure in figures))
    for absence in report.absences:
        excused = [outcome for outcome in report.outcomes if absence.excuses(outcome)]
        last = max((outcome.begun for outcome in excused), default=absence.begun) - absence.ended
        slowest = max((outcome.ended - outcome.begun for outcome in excused), default=0.0)
        lines.append(
            f"{absence.of} down for {absence.ended - absence.begun:.1f} s: {len(excused):,} excused requests,"
            f" the slowest took {slowest:.1f} s, the last began {max(last, 0):.1f} s after the recovery"
        )
    lines += [f"failed: {number:,} {what}" for what, number in report.failed.most_common()]
    lines += [f"lost: {what}" for what in report.lost]
    lines.append(
        f"{len(report.outcomes):,} requests, {report.failed.total():,} failed. {report.acknowledged:,} acknowledged"
        f" writes, {len(report.lost):,} lost. {report.tracebacks} tracebacks."
    )
    return "\n".join([*lines, "", *metrics_table(report)])


def metrics_table(report: Report) -> list[str]:
    """Return the same acts as GET /metrics shows them: API requests by status, and the worst value of each gauge."""
    columns = ("2xx", "4xx", "5xx", "none", "up", "pending", "workers", "waiting")
    lines = [f"{'from /metrics':32}" + "".join(f"{column:>10}" for column in columns)]
    for act in report.acts:
        within = [sample for sample in report.samples if act.begun <= sample.moment < act.ended]
        if not within:
            continue
        requests: Counter[str] = Counter()
        for name in {sample.instance for sample in within}:
            of = [sample for sample in report.samples if sample.instance == name and sample.moment < act.ended]
            before = [sample for sample in of if sample.moment < act.begun]
            requests.update(of[-1].requests)
            requests.subtract(before[-1].requests if before else {})
        up, pending, workers, waiting = (
            worst((sample.gauges[name] for sample in within if name in sample.gauges), default=0.0)
            for name, worst in zip(GAUGES, (min, max, min, max), strict=True)
        )
        figures = [requests["2xx"], requests["4xx"], requests["5xx"], requests["nxx"], up, pending, workers, waiting]
        lines.append(f"{act.name:32}" + "".join(f"{figure:10,.0f}" for figure in figures))
    return lines
