"""The count at the end of a soak."""

from collections import Counter
from dataclasses import dataclass

from tests.soak.load import WITHOUT, WRONG, Outcome
from tests.soak.metrics import GAUGES, Sample

GRACE = 2.0  # seconds after PostgreSQL's return in which the service has to be back


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
    """Of PostgreSQL, or of the schema that the release needs: then 503 is the right answer. While its migrations are
    undone and done, lists may also be short of what the tables behind them do not hold yet."""

    of: str
    begun: float
    ended: float

    def excuses(self, outcome: Outcome) -> bool:
        """Whether the request met it, and was answered as it may be then."""
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
        """What is wrong with it; nothing where it is as it should be."""
        if outcome.result != "ok":
            return "" if self.excused(outcome) else outcome.result
        if outcome.reset and not any(
            act.resets and act.begun <= outcome.ended and outcome.begun <= act.ended for act in self.acts
        ):
            return "connection lost without an answer"
        return ""

    def excused(self, outcome: Outcome) -> bool:
        return any(absence.excuses(outcome) for absence in self.absences)

    @property
    def failed(self) -> Counter[str]:
        """Requests by what went wrong with them, outside the absences."""
        faults = ((outcome.work, self.fault(outcome)) for outcome in self.outcomes)
        return Counter(f"{work}: {fault}" for work, fault in faults if fault)


def p99(outcomes: list[Outcome]) -> float:
    """Of those that were answered as they should, in ms."""
    times = sorted(outcome.ended - outcome.begun for outcome in outcomes if outcome.result == "ok")
    return 1000 * times[min(len(times) * 99 // 100, len(times) - 1)] if times else 0.0


def as_text(report: Report) -> str:
    quiet = p99(report.of(report.acts[0]))
    columns = ("seconds", "requests", "failed", "excused", "resent", "p99 ms", "of quiet")
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
            f"{absence.of} away for {absence.ended - absence.begun:.1f} s: {len(excused):,} answered 503 or short,"
            f" the slowest in {slowest:.1f} s, the last one asked {max(last, 0):.1f} s after the return"
        )
    lines += [f"failed: {number:,} {what}" for what, number in report.failed.most_common()]
    lines += [f"lost: {what}" for what in report.lost]
    lines.append(
        f"{len(report.outcomes):,} requests, {report.failed.total():,} failed; {report.acknowledged:,} acknowledged"
        f" writes, {len(report.lost):,} lost; {report.tracebacks} tracebacks"
    )
    return "\n".join([*lines, "", *as_metrics_tell(report)])


def as_metrics_tell(report: Report) -> list[str]:
    """The same acts, by GET /metrics alone: requests of the API by their status, and the worst of what was so."""
    columns = ("2xx", "4xx", "5xx", "none", "up", "pending", "workers", "waiting")
    lines = [f"{'by the metrics':32}" + "".join(f"{column:>10}" for column in columns)]
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
