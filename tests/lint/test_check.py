"""`images schema check`: the corpus, the examples of docs/reference/lint-rules.md, and `-- allow:` comments."""

import functools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlparse

import app.lint
from app.cli.schema_commands import check_files, show_review
from app.errors import CommandError, ExitCode, UsageError, describe
from app.lint import check, parser, squawk
from app.lint.catalog import Catalog
from app.lint.check import findings
from app.lint.findings import CannotCheckError, Finding
from app.lint.migration_rules import migration_faults
from app.lint.query_rules import parameter_count, query_faults
from app.lint.rules import RULES, SQUAWK_RULES
from app.lint.sarif import sarif
from app.lint.state import MigrationState
from app.lint.usage import Use, header_words, use_of
from app.migrations import migration_file, validation
from app.migrations.migration_file import MigrationFile, read_file
from app.schema.files import NAME
from app.schema.headers import example_lines
from app.schema.statements import Statement, split_statements
from app.settings import ROOT
from tests.conftest import BIN, environment
from tests.support import forked
from tests.support.corpus import CASES, Case
from tests.support.properties import few, given, settings, st
from tests.support.verdicts import shipped

SHIPPED = ROOT / "sql"
LAST = max(path.stem for path in (SHIPPED / "migrations").glob("*.sql") if "rollback" not in path.name)
PAGE = (ROOT / "docs" / "reference" / "lint-rules.md").read_text()


def listed_once(read: Callable[[str], Iterable[Any]]) -> Callable[[str], list[Any]]:
    listed = functools.cache(lambda text: list(read(text)))
    return lambda text: [*listed(text)]


@pytest.fixture(scope="module", autouse=True)
def read_once() -> Iterator[None]:
    """Parse each text once: most files are the same for each test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlparse, "split", listed_once(sqlparse.split))
        patch.setattr(migration_file, "split_statements", listed_once(split_statements))
        patch.setattr(parser, "statements", listed_once(parser.statements))
        patch.setattr(parser, "allowed", listed_once(parser.allowed))
        patch.setattr(check, "_expression_count", functools.cache(check._expression_count))
        patch.setattr(Statement, "parse", functools.cache(Statement.parse))
        patch.setattr(check, "query_faults", by_identity(lambda parsed: list(query_faults(parsed))))
        patch.setattr(check, "use_of", by_identity(use_of))
        patch.setattr(check, "parameter_count", by_identity(parameter_count))
        patch.setattr(check, "header_words", functools.cache(header_words))
        patch.setattr(check, "example_lines", listed_once(example_lines))
        patch.setattr(validation, "read_file", read_once_without_faults)
        yield


def read_once_without_faults(path: Path) -> MigrationFile:
    """Read a file as read_file does. A file without a fault is the same in each folder."""
    key = (path.name, path.read_bytes() if path.is_file() else b"")
    if key not in READ:
        READ[key] = read_file(path)
    file = READ[key]
    return read_file(path) if file.faults else replace(file, path=path, faults=[])


READ: dict[tuple[str, bytes], MigrationFile] = {}
shipped_once = functools.cache(shipped)


def by_identity(judge: Callable[..., Any]) -> Callable[..., Any]:
    """Call a function once for the same statements. They are kept, so no other object gets their IDs."""
    known: dict[tuple[Any, ...], tuple[Any, Any]] = {}

    def judged(*arguments: Any) -> Any:
        *words, parsed = arguments
        key = (*words, *map(id, parsed))
        if key not in known:
            known[key] = (parsed, judge(*arguments))
        return known[key][1]

    return judged


def copy(folder: Path) -> Path:
    """Copy sql/, for a test to change."""
    shutil.copytree(SHIPPED, folder / "sql")
    return folder / "sql"


def after_shipped(folder: Path, *, changes_queries: bool = False) -> Path:
    """Make a folder like sql/ for cases after the last migration: `of_case` knows the schema that they meet."""
    (folder / "sql" / "migrations").mkdir(parents=True)
    if changes_queries:
        shutil.copytree(SHIPPED / "queries", folder / "sql" / "queries")
    else:
        (folder / "sql" / "queries").symlink_to(SHIPPED / "queries")
    (folder / "sql" / "migrations" / f"{LAST}.sql").write_text(
        "-- The last one.\n-- irreversible: a stub\n\nSELECT 1;\n"
    )
    return folder / "sql"


def write(sql: Path, name: str, body: str, *, rollback: str | None = None, transactional: bool = True) -> None:
    folder = sql / "migrations"
    last = max(path.stem for path in folder.glob("*.sql") if "rollback" not in path.name)
    header = "" if transactional else "-- transactional: false\n"
    down = "-- irreversible: a case\n" if rollback is None else ""
    (folder / f"{name}.sql").write_text(f"-- A case.\n{header}{down}-- depends: {last}\n\n{body}\n")
    if rollback is not None:
        (folder / f"{name}.rollback.sql").write_text(f"-- Back.\n-- loses: nothing (a case)\n{header}\n{rollback}\n")


def write_case(sql: Path, case: Case) -> None:
    if case.before:
        write(sql, "0900_before", case.before)
    write(sql, "0901_case", case.sql, rollback=case.rollback, transactional=case.transactional)
    for name, text in (case.queries or {}).items():
        (sql / "queries" / name).write_text(text)


def judge(folder: Path, case: Case) -> list[Finding]:
    sql = after_shipped(folder, changes_queries=bool(case.queries))
    write_case(sql, case)
    return [finding for finding in of_case(sql) if "0900_" not in finding.path.name]


def of_case(sql: Path) -> list[Finding]:
    """Return the findings, beginning with the schema after the shipped migrations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check, "Catalog", lambda: shipped_once()[0].copy())
        patch.setattr(check, "squawk_findings", squawk_findings_once)
        return findings(sql)


def squawk_findings_once(paths: list[Path]) -> Iterator[Finding]:
    """Yield squawk's findings. It runs once for all files of the corpus, which takes as long as for one of them."""
    known = squawked_corpus()
    yield from squawk.squawk_findings([path for path in paths if path.read_bytes() not in known])
    for path in paths:
        yield from (replace(finding, path=path) for finding in known.get(path.read_bytes(), []))


@functools.cache
def squawked_corpus() -> dict[bytes, list[Finding]]:
    """Return squawk's findings in each migration of the corpus, by its text."""
    with TemporaryDirectory() as temporary:
        texts: set[bytes] = set()
        for number, case in enumerate(CASES):
            sql = after_shipped(Path(temporary, f"{number}"), changes_queries=bool(case.queries))
            write_case(sql, case)
            files = (sql / "migrations").glob("*.sql")
            texts |= {path.read_bytes() for path in files if not path.name.endswith(".rollback.sql")}
        copies = {Path(temporary, f"{number:04}_case.sql"): text for number, text in enumerate(texts)}
        for path, text in copies.items():
            path.write_bytes(text)
        found: dict[bytes, list[Finding]] = {text: [] for text in texts}
        for finding in squawk.squawk_findings([*copies]):
            found[copies[finding.path]].append(finding)
    return found


def one(folder: Path, body: str, **others: object) -> list[Finding]:
    return judge(folder, Case("one", body, **others))  # type: ignore[arg-type]


def test_the_shipped_files_have_no_finding() -> None:
    assert findings() == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_is_judged_without_a_miss_or_a_false_alarm(tmp_path: Path, case: Case) -> None:
    found = judge(tmp_path, case)

    assert {finding.rule for finding in found} == case.finds, "\n".join(map(str, found))
    assert len(found) == len(case.finds), "\n".join(map(str, found))


def examples() -> list[tuple[str, str, str]]:
    """Return each example of docs/reference/lint-rules.md: its rule, Bad or Good, and the SQL."""
    sections = re.split(r"^### (.+)\n", PAGE, flags=re.MULTILINE)[1:]
    return [
        (rule, kind, sql)
        for rule, text in zip(sections[::2], sections[1::2], strict=True)
        for kind, sql in re.findall(r"^(Bad|Good):\n```sql\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    ]


# The earlier file that an example needs.
EARLIER = {
    ("not-null-scan", "Good"): "UPDATE images SET capture = '{}' WHERE id = '00000000-0000-0000-0000-000000000001';",
    ("validate-apart", "Good"): "ALTER TABLE images ADD CONSTRAINT images_width_check CHECK (width > 0) NOT VALID;",
    ("drop-loses", "Bad"): "CREATE TABLE notes (id bigint PRIMARY KEY);",
}


@pytest.mark.parametrize(("rule", "kind", "sql"), examples())
def test_an_example_of_the_page_is_judged_as_it_says(tmp_path: Path, rule: str, kind: str, sql: str) -> None:
    if rule in {"query-header", "query-example", "select-star", "insert-columns", "offset-paging"}:
        found = one(tmp_path, "COMMENT ON TABLE images IS 'x';", queries={"count_images.sql": sql})
    else:
        transactional = not sql.startswith("-- transactional: false\n")
        sql = sql.removeprefix("-- transactional: false\n")
        sql_folder = after_shipped(tmp_path)
        if (rule, kind) in EARLIER:
            write(sql_folder, "0900_before", EARLIER[rule, kind])
        sql, _, back = sql.partition("-- rollback:")
        loses, _, rollback = back.partition("\n")
        if rollback:
            write(sql_folder, "0901_case", sql, rollback=rollback)
            path = sql_folder / "migrations" / "0901_case.rollback.sql"
            path.write_text(path.read_text().replace("nothing (a case)", loses.strip() or "nothing (a case)"))
        elif sql.startswith("-- "):  # a directive of the header
            first, _, sql = sql.partition("\n")
            write(sql_folder, "0901_case", sql, transactional=transactional)
            path = sql_folder / "migrations" / "0901_case.sql"
            path.write_text(path.read_text().replace("-- A case.\n", f"-- A case.\n{first}\n", 1))
            if first.startswith("-- allow: "):
                path.write_text(path.read_text().replace(f"{first}\n", "", 1).replace(sql, f"{first}\n{sql}"))
        else:
            write(sql_folder, "0901_case", sql, transactional=transactional)
        found = of_case(sql_folder)

    assert {finding.rule for finding in found} == ({rule} if kind == "Bad" else set()), "\n".join(map(str, found))


def test_the_page_has_a_heading_for_each_rule() -> None:
    headings = re.findall(r"^### (\S+)$", PAGE, re.MULTILINE)
    shown = {rule for rule, _, _ in examples()}

    assert sorted(headings) == sorted(RULES)
    assert RULES.keys() - shown == {"file-name", "file-text", "depends", "rollback", "allow"}
    assert re.findall(r"^\| \[(\S+)\]\(https://squawkhq.com/docs/\1\)", PAGE, re.MULTILINE) == list(SQUAWK_RULES)


ALLOWED = {
    "above": "-- allow: blocking-index because it is small\nCREATE INDEX a ON images (width);",
    "above, with more words": (
        "-- allow: blocking-index because it is small,\n-- and has no writers.\nCREATE INDEX a ON images (width);"
    ),
    "beside": "CREATE INDEX a ON images (width); -- allow: blocking-index because it is small",
    "two above": (
        "-- allow: check-scan because it is small\n-- allow: default-rewrite because it is small\n"
        "ALTER TABLE images ADD COLUMN n bigint DEFAULT nextval('a') CHECK (n > 0);"
    ),
    "above a subcommand": (
        "ALTER TABLE images\n    ADD COLUMN a text,\n    -- allow: check-scan because it is small\n"
        "    ADD CHECK (width <> 3);"
    ),
    "squawk's": "-- allow: prefer-timestamp-tz because clients ask for it\nALTER TABLE images ADD COLUMN a timestamp;",
    "in DO": (
        "-- allow: hidden-ddl because it must\nDO $$\nBEGIN\n    -- allow: blocking-index because it is small\n"
        "    CREATE INDEX a ON images (width);\nEND\n$$;"
    ),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_an_allowed_line_with_a_reason_has_no_finding(tmp_path: Path, name: str) -> None:
    assert one(tmp_path, ALLOWED[name]) == []


INDEX = "CREATE INDEX a ON images (width);"
INVALID_ALLOWS = {
    f"-- allow: blocking-index\n{INDEX}": ("no reason", {"allow", "blocking-index"}),
    f"-- allow: blocking-index because \n{INDEX}": ("no reason", {"allow", "blocking-index"}),
    f"-- allow: blocking-index, it is small\n{INDEX}": ("no rule", {"allow", "blocking-index"}),
    f"-- allow: blocking-indexes because it is small\n{INDEX}": ("no rule", {"allow", "blocking-index"}),
    f"-- allow: check-scan because it is small\n{INDEX}": ("silences nothing", {"allow", "blocking-index"}),
    f"-- allow: blocking-index because it is small\n\n{INDEX}": ("silences nothing", {"allow", "blocking-index"}),
    f"-- allow: blocking-index because it is small\n{INDEX}\n{INDEX.replace('a', 'b', 1)}": ("", {"blocking-index"}),
    f"{INDEX}\n-- allow: blocking-index because it is small": ("silences nothing", {"allow", "blocking-index"}),
    "-- allow: session-setting because it must\nSET a.b = 1;": ("cannot be silenced", {"allow", "session-setting"}),
    "-- allow: allow because it must\nSELECT 1;": ("cannot be silenced", {"allow"}),
    f"/* squawk-ignore a */ {INDEX}": ("squawk's own", {"allow", "blocking-index"}),
    f"-- squawk-ignore require-concurrent-index-creation\n{INDEX}": ("squawk's own", {"allow", "blocking-index"}),
}


@pytest.mark.parametrize("body", INVALID_ALLOWS)
def test_an_invalid_allow_comment_is_a_finding(tmp_path: Path, body: str) -> None:
    words, rules = INVALID_ALLOWS[body]

    found = one(tmp_path, body)

    assert {finding.rule for finding in found} == rules, "\n".join(map(str, found))
    assert any(words in finding.why for finding in found)


def test_words_in_a_string_allow_nothing(tmp_path: Path) -> None:
    found = one(tmp_path, f"COMMENT ON TABLE images IS '\n-- allow: blocking-index because x\n';{INDEX}")

    assert [finding.rule for finding in found] == ["blocking-index"]


def test_sarif_has_a_result_for_each_finding(tmp_path: Path) -> None:
    unsafe, care = one(tmp_path, f"COMMENT ON TABLE images IS 'é';\n\n{INDEX}\nALTER TABLE images ADD COLUMN a money;")

    [run] = sarif([unsafe, care])["runs"]

    assert [each["id"] for each in run["tool"]["driver"]["rules"]] == ["blocking-index", "column-type"]
    assert [(each["ruleId"], each["level"]) for each in run["results"]] == [
        ("blocking-index", "error"),
        ("column-type", "warning"),
    ]
    [place] = run["results"][0]["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"].endswith("sql/migrations/0901_case.sql")
    assert place["physicalLocation"]["region"] == {"startLine": 7}
    assert run["results"][0]["message"]["text"].startswith("writes to images wait until the index is built. Use CREATE")
    assert sarif([])["runs"][0]["results"] == []


def test_a_finding_names_its_place_and_has_a_hint(tmp_path: Path) -> None:
    (finding,) = one(tmp_path, f"COMMENT ON TABLE images IS 'é';\n\n{INDEX}")

    assert str(finding) == (
        f"{tmp_path}/sql/migrations/0901_case.sql:7: blocking-index (unsafe): writes to images wait until the index is "
        "built\n  hint: use CREATE INDEX CONCURRENTLY, as the only statement of a file with `-- transactional: false` "
        "(docs/reference/lint-rules.md#blocking-index)"
    )


def test_a_finding_of_a_subcommand_has_its_line(tmp_path: Path) -> None:
    found = one(
        tmp_path,
        "ALTER TABLE ONLY public.images -- (a, b)\n    ADD COLUMN a numeric(3, 1) DEFAULT 1,\n"
        "    ADD CHECK (COALESCE(width, 2) > 0),\n    ADD UNIQUE (id, width);",
    )

    assert [(finding.line, finding.rule) for finding in found] == [(7, "check-scan"), (8, "constraint-index")]


def test_an_exclude_constraint_has_a_hint_of_its_own(tmp_path: Path) -> None:
    """ADD CONSTRAINT ... EXCLUDE USING INDEX is a syntax error, so the rule's own hint would be wrong."""
    (exclude,) = one(tmp_path / "a", "ALTER TABLE images ADD EXCLUDE USING btree (id WITH =);")
    (unique,) = one(tmp_path / "b", "ALTER TABLE images ADD UNIQUE (id, width);")

    assert exclude.rule == unique.rule == "constraint-index"
    assert "USING INDEX" in unique.instead
    assert "USING INDEX" not in exclude.instead
    assert "EXCLUDE" in exclude.instead


def test_squawk_s_findings_link_to_squawk(tmp_path: Path) -> None:
    (finding,) = one(tmp_path, "ALTER TABLE images\n    ADD COLUMN a timestamp;")

    assert (finding.line, finding.link) == (6, "https://squawkhq.com/docs/prefer-timestamp-tz")


def test_a_configuration_beside_the_files_turns_no_rule_off(tmp_path: Path) -> None:
    sql = copy(tmp_path)
    (sql / "migrations" / ".squawk.toml").write_text('excluded_rules = ["prefer-timestamp-tz"]\n')
    write(sql, "0901_case", "ALTER TABLE images ADD COLUMN a timestamp;")

    assert [finding.rule for finding in findings(sql)] == ["prefer-timestamp-tz"]


def test_the_rollback_of_a_file_may_drop_the_table_that_the_file_created() -> None:
    text = (SHIPPED / "migrations" / "0001_create_images.rollback.sql").read_text()

    assert "DROP TABLE images" in text
    assert not [finding for finding in findings() if "0001" in finding.path.name]


def test_the_rollback_of_a_constraint_may_drop_the_index_that_was_there(tmp_path: Path) -> None:
    sql = copy(tmp_path)
    write(sql, "0901_case", "ALTER TABLE images ADD COLUMN slug text;", rollback="ALTER TABLE images DROP COLUMN slug;")
    index = "CREATE UNIQUE INDEX CONCURRENTLY images_slug_key ON images (slug);"
    down = "DROP INDEX CONCURRENTLY IF EXISTS images_slug_key;"
    write(sql, "0902_case", index, rollback=down, transactional=False)
    using = "ALTER TABLE images ADD CONSTRAINT images_slug_key UNIQUE USING INDEX images_slug_key;"
    write(sql, "0903_case", using, rollback="ALTER TABLE images DROP CONSTRAINT images_slug_key;")

    assert [str(finding) for finding in findings(sql)] == []

    header = "-- add_slug: adds one.\n-- example one: 'a'\n"
    query = "INSERT INTO images (slug)\nVALUES ($1)\nON CONFLICT (slug) DO NOTHING;\n"
    (sql / "queries" / "add_slug.sql").write_text(header + query)
    assert ("0903_case.rollback.sql", "drop-breaks") in {(each.path.name, each.rule) for each in findings(sql)}


def test_the_rollback_of_a_constraint_may_not_drop_an_index_of_an_earlier_release(tmp_path: Path) -> None:
    sql = copy(tmp_path)
    using = "ALTER TABLE images ADD CONSTRAINT images_content_sha256_key UNIQUE USING INDEX images_content_sha256_key;"
    write(sql, "0901_case", using, rollback="ALTER TABLE images DROP CONSTRAINT images_content_sha256_key;")

    assert ("0901_case.rollback.sql", "drop-breaks") in {(each.path.name, each.rule) for each in findings(sql)}


@pytest.mark.parametrize(
    ("column", "hint"),
    [
        ("color", "limit its length by a CHECK, or index md5(color::text)"),
        ("tags", "use a GIN index, or index md5(tags::text)"),
        ("capture", "use a GIN index, or index md5(capture::text)"),
    ],
)
def test_the_hint_of_a_wide_index_fits_the_type(tmp_path: Path, column: str, hint: str) -> None:
    sql = copy(tmp_path)
    write(sql, "0901_case", f"CREATE INDEX CONCURRENTLY case_idx ON images ({column});", transactional=False)

    assert hint in {finding.instead for finding in findings(sql) if finding.rule == "wide-index"}


def test_the_command_prints_the_findings_and_returns_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = copy(tmp_path)
    write(sql, "0901_case", INDEX)
    monkeypatch.setattr(check, "findings", functools.partial(findings, sql))

    assert check_files((), "text") == ExitCode.ACTION_NEEDED
    assert "0901_case.sql:5: blocking-index (unsafe): " in capsys.readouterr().out

    assert check_files((), "json") == ExitCode.ACTION_NEEDED
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["path"] == f"{sql}/migrations/0901_case.sql"
    assert (finding["line"], finding["rule"], finding["level"]) == (5, "blocking-index", "unsafe")
    assert finding["link"] == "docs/reference/lint-rules.md#blocking-index"
    assert finding.keys() == {"path", "line", "rule", "level", "why", "instead", "link"}


@pytest.mark.parametrize("name", ["README.md", "sql/schema.sql", "sql/migrations", "no-such-file.sql"])
def test_a_file_that_is_not_checked_is_a_usage_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "findings", list)

    with pytest.raises(UsageError) as error:
        check_files([ROOT / name], "text")

    assert str(ROOT / name) in error.value.message
    assert check_files([next((SHIPPED / "queries").glob("*.sql"))], "text") == ExitCode.DONE


def test_a_misnamed_file_shows_its_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = copy(tmp_path) / "migrations" / "0901_case.py"
    path.write_text("")
    monkeypatch.setattr(check, "findings", functools.partial(findings, path.parent.parent))

    assert check_files([path], "text") == ExitCode.ACTION_NEEDED


@pytest.mark.parametrize("module", ["app.lint.check", "app.cli.review_migrations"])
def test_a_package_that_is_not_installed_is_named(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("app.lint", "app.cli.review_migrations"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(app.lint, "check", raising=False)
    monkeypatch.setitem(sys.modules, "pglast", None)

    with pytest.raises(CommandError) as error:
        check_files([], "text") if module == "app.lint.check" else show_review([], 1, "text")

    assert describe(error.value) == "error: pglast is not installed.\nhint: make .venv/development"


def test_without_squawk_the_files_could_not_be_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(squawk, "SQUAWK", "no-such-program")

    with pytest.raises(CannotCheckError) as error:
        findings()

    assert error.value.exit_code == ExitCode.FAILED
    assert describe(error.value) == "error: squawk is not installed.\nhint: make .venv/development"


def test_a_squawk_that_fails_gives_no_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "squawk").write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    (tmp_path / "squawk").chmod(0o755)
    monkeypatch.setattr(squawk, "SQUAWK", str(tmp_path / "squawk"))

    with pytest.raises(CannotCheckError, match="squawk failed: broken"):
        findings()


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    assert [finding.rule for finding in findings(tmp_path / "missing")] == ["file-name", "file-text"]

    sql = copy(tmp_path)
    write(sql, "0901_case", "SELECT 1;")
    (sql / "migrations" / "0901_case.sql").write_bytes(b"-- \xff")
    (sql / "migrations" / "0902_case.sql").mkdir()
    (sql / "migrations" / "0903_case.sql").write_text("-- irreversible: a\n-- depends: 0902_case\nSELEC 1;\n")
    (sql / "queries" / "a.sql").write_bytes(b"-- a: \xff")
    (sql / "queries" / "b.sql").symlink_to(sql / "nowhere")
    (sql / "queries" / "c.sql").write_text("-- c: a\n\nSELEC 1;\n")
    (sql / "queries" / "d.sql").write_text("-- d: nothing\n")
    (sql / "migrator" / "e.sql").write_text("-- e: a name.\nSELECT :a, 'b:c', d::text, :a FROM e WHERE f = :g;\n")

    found = [(finding.path.name, finding.line, finding.rule) for finding in findings(sql)]

    assert [each for each in found if each[2] not in {"rollback", "depends"}] == [
        ("0901_case.sql", 1, "file-text"),
        ("0902_case.sql", 1, "file-text"),
        ("0903_case.sql", 3, "syntax-error"),
        ("a.sql", 1, "file-text"),
        ("b.sql", 1, "file-text"),
        ("c.sql", 3, "syntax-error"),
        ("d.sql", 1, "syntax-error"),
    ]


def test_statements_about_unknown_tables_are_findings_without_a_traceback(tmp_path: Path) -> None:
    sql = copy(tmp_path)
    for path in (sql / "migrations").iterdir():
        path.unlink()
    (sql / "migrations" / "0001_all.sql").write_text(
        "-- irreversible: a\n" + "\n".join(case.sql for case in CASES if case.transactional)
    )

    assert {finding.rule for finding in findings(sql)} >= {"check-scan", "type-rewrite", "not-null-scan"}


@given(st.lists(st.sampled_from([case.before + case.sql for case in CASES]), min_size=1, max_size=8))
@settings(deadline=None, max_examples=few(100))
def test_statements_in_any_order_have_findings_and_no_error(bodies: list[str]) -> None:
    """Each fault names a rule and a line of the file, whatever the statements before it did to the schema."""
    text = "\n".join(bodies)
    state = MigrationState("0901_case.sql", Catalog(), [])

    for fault in migration_faults(state, parser.statements(text)):
        assert fault.rule in RULES
        assert 1 <= fault.line <= text.count("\n") + 1
        assert fault.why


def test_the_exit_code_is_0_without_findings_and_2_for_a_wrong_option() -> None:
    check = ("schema", "check")
    text = subprocess.run([BIN / "images", *check], capture_output=True, text=True, env=environment(), timeout=60)
    as_json, wrong = (forked.run(environment(), "images", *check, "--format", format) for format in ("json", "xml"))

    assert (text.returncode, text.stdout, text.stderr) == (0, "no findings\n", "")
    assert (as_json.returncode, json.loads(as_json.stdout)) == (0, {"findings": []})
    assert wrong.returncode == 2


def test_the_migrator_s_names_are_the_files_rules(tmp_path: Path) -> None:
    sql = copy(tmp_path)
    (sql / "migrations" / "0901_Case.sql").write_text("SELECT 1;\n")
    (sql / "migrations" / "0902_case.sql").write_text("-- loses: nothing\nSELECT 1;\n")

    assert NAME.fullmatch("0902_case.sql")
    assert [finding.rule for finding in findings(sql)] == ["file-name", "depends", "directive", "rollback"]


def test_a_field_of_a_row_is_a_column_in_use(tmp_path: Path) -> None:
    sql = copy(tmp_path)
    write(sql, "0901_case", "ALTER TABLE images DROP COLUMN width;")

    [finding] = [finding for finding in findings(sql) if finding.rule == "drop-breaks"]

    assert "list_images_by_terms" in finding.why


@pytest.mark.parametrize(
    ("used_by", "why"),
    [
        (["a"], "a uses images.width"),
        (["a", "b"], "a, b use images.width"),
    ],
)
def test_the_message_agrees_with_the_number_of_queries(used_by: list[str], why: str) -> None:
    catalog = Catalog()
    uses = [Use(name, {"images"}, {("images", "width")}) for name in used_by]
    state = MigrationState("0901_case.sql", catalog, uses)

    [fault] = migration_faults(state, parser.statements("ALTER TABLE images DROP COLUMN width;"))

    assert fault.why == why
