"""The dashboard and the alert rules of deploy/, held to what /metrics of the running application has."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import httpx
import promql_parser
import psycopg
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.settings import ROOT
from tests.observability.test_metrics import patient as patient
from tests.support.api import upload

DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
ALERTS = [
    rule for group in yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
OF_PROMETHEUS = {"up": {"job", "instance"}}
TARGET = {"job", "instance"}  # which Prometheus adds to each sample


def dashboard_expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            yield target["expr"].replace("$__rate_interval", "5m")


def nodes(node: Any) -> Iterator[Any]:
    """The expression, and all within it."""
    yield node
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, str):
            yield from nodes(child)
    for argument in getattr(node, "args", None) or []:
        yield from nodes(argument)


async def samples(client: httpx.AsyncClient) -> dict[str, dict[str, set[str]]]:
    """The values of each label of each sample's name."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for family in text_string_to_metric_families((await client.get("/metrics")).text):
        for sample in family.samples:
            labels = found[sample.name]
            for name, value in sample.labels.items():
                labels[name].add(value)
    return found


async def test_each_expression_is_promql_of_metrics_and_labels_that_there_are(
    client: httpx.AsyncClient, connection: psycopg.Connection
) -> None:
    await client.get(f"/v1/images/{(await upload(client))['id']}")
    connection.execute("ALTER TABLE _yoyo_ledger RENAME TO away")
    await client.get("/readyz")
    connection.execute("ALTER TABLE away RENAME TO _yoyo_ledger")
    connection.execute("UPDATE object_stores SET checked_at = now()")
    there = await samples(client)

    used = set()
    for expression in [*dashboard_expressions(), *(rule["expr"] for rule in ALERTS)]:
        for node in nodes(promql_parser.parse(expression)):
            if isinstance(node, promql_parser.VectorSelector):
                labels = OF_PROMETHEUS.get(str(node.name)) or {*there[str(node.name)], *TARGET}
                assert node.name in there or node.name in OF_PROMETHEUS, expression
                used.add(node.name)
                for matcher in node.matchers.matchers:
                    assert matcher.name in labels, expression
            if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
                selected = [n for n in nodes(node) if isinstance(n, promql_parser.VectorSelector)]
                known = set().union(*(there[str(n.name)] for n in selected)) | TARGET
                assert set(node.modifier.labels) <= known, expression
    assert len(used) > 20


def test_each_legend_and_word_of_an_alert_names_labels_that_its_expression_leaves() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            by = re.search(r"(?:sum|count|max) by \(([^)]*)\)", target["expr"])
            left = {name.strip() for name in by[1].split(",")} if by else set()
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= left, target
    for rule in ALERTS:
        named = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        by = re.match(r"(?:sum|max) by \(([^)]*)\)", rule["expr"])
        aggregated = re.match(r"(?:sum|max|histogram_quantile)\b", rule["expr"])
        left = {name.strip() for name in by[1].split(",")} if by else set() if aggregated else TARGET
        assert named <= left, rule["alert"]


def test_each_alert_says_how_bad_what_and_where_to_read_on() -> None:
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS) > 10
    for rule in ALERTS:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"].keys() == {"severity"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == f"docs/runbook/alerts.md#{rule['alert'].lower()}"


def test_the_dashboard_can_be_imported() -> None:
    """Grafana rejects equal IDs, overlapping panels and an unknown data source."""
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {"datasource", "job", "instance"}
    for panel in panels:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        assert panel["title"]
        assert len({target["refId"] for target in panel.get("targets", [])}) == len(panel.get("targets", []))
        for holder in [panel, *panel.get("targets", [])] if panel["type"] != "row" else []:
            assert holder["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for one, other in combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
