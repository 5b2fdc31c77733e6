"""Comparison of one migration on two versions of PostgreSQL: failures, locks and work. Times and plans do not count."""

from collections.abc import Iterator, Mapping, Sequence

from app.review.measure import MeasuredRun
from app.review.review import Reviewed
from app.review.second_version import Difference, SecondVersion


def compare(here: Sequence[Reviewed], there: Sequence[Reviewed], server: str) -> None:
    """Note in each migration what differs on the second version. `server` is that version, as the server tells it."""
    server = server.split()[0]
    others = {reviewed.id: reviewed for reviewed in there}
    for reviewed in here:
        other = others.get(reviewed.id)
        if other is None:  # an earlier migration failed there
            failed = Difference("an earlier migration fails", there=True, fails=True)
            reviewed.elsewhere = SecondVersion(server, [failed])
            continue
        reviewed.elsewhere = SecondVersion(
            server,
            list(_differences(_of_apply(reviewed), _of_apply(other))),
            list(_differences(_of_run(reviewed.down), _of_run(other.down))),
        )


def _differences(here: Mapping[str, bool], there: Mapping[str, bool]) -> Iterator[Difference]:
    for text, fails in there.items():
        if text not in here:
            yield Difference(text, there=True, fails=fails)
    for text, fails in here.items():
        if text not in there:
            yield Difference(text, there=False, fails=fails)


def _of_apply(reviewed: Reviewed) -> dict[str, bool]:
    found = _of_run(reviewed.up)
    for name, error in (reviewed.broken | reviewed.unfit).items():
        found[f"the query {name} fails afterwards: {error}"] = True
    return found


def _of_run(run: MeasuredRun | None) -> dict[str, bool]:
    """Return what a run did in words, and whether that is a failure."""
    if run is None:
        return {}
    found = {f"it fails: {run.error}": True} if run.error else {}
    for step in run.steps:
        where = f"line {step.line}"
        # Outside a transaction, another session sees the locks while they last, and misses short ones by chance.
        for lock, relations in step.grouped if run.transactional else ():
            if not lock.waiting:
                continue
            found[f"{where} takes {lock.mode} on {', '.join(relations)}"] = False
        if step.rewritten:
            found[f"{where} rewrites {', '.join(step.rewritten)}"] = False
        if step.built:
            found[f"{where} builds {', '.join(step.built)}"] = False
        for table in step.read:
            found[f"{where} reads all rows of {table}"] = False
    return found
