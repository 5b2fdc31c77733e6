"""Validation of migrations: each rule broken once, and similar files that are right."""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
from yoyo.migrations import read_sql_migration

from app.cli import make_baseline
from app.errors import CommandError
from app.migrations.migration_file import Fault
from app.migrations.validation import faults
from app.schema import headers
from app.schema.headers import Rollback, rollback_of
from app.schema.history import shipped
from app.settings import ROOT

UP = "-- Makes t.\nCREATE TABLE t (a integer);\n"
DOWN = "-- Drops t.\n-- loses: nothing\nDROP TABLE t;\n"
INDEX = "-- transactional: false\nCREATE INDEX CONCURRENTLY t_a_idx ON t (a);\n"
DROP = "-- loses: nothing\n-- transactional: false\nDROP INDEX CONCURRENTLY IF EXISTS t_a_idx;\n"
FIRST = {"0001_make_t.sql": UP, "0001_make_t.rollback.sql": DOWN}
AFTER = "-- depends: 0001_make_t\n"

Files = Mapping[str, str | bytes]


def up(text: str | bytes) -> Files:
    return {**FIRST, "0001_make_t.sql": text}


def down(text: str | bytes) -> Files:
    return {**FIRST, "0001_make_t.rollback.sql": text}


def second(text: str) -> Files:
    return {**FIRST, "0002_change_t.sql": text, "0002_change_t.rollback.sql": DOWN}


def alone(text: str) -> Files:
    """Return a migration without a transaction, with its rollback."""
    return {"0001_make_t.sql": f"-- transactional: false\n{text}\n", "0001_make_t.rollback.sql": DROP}


def write(folder: Path, contents: Files) -> Path:
    for name, content in contents.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def told(folder: Path) -> list[str]:
    return [str(fault).removeprefix(f"{folder}/").removeprefix("0001_make_t.") for fault in faults(folder)]


def setting(number: int) -> str:
    return f"COALESCE(NULLIF(current_setting('backfill.p{number}', true), ''), '0')"


ELSEWHERE = "is not named NNNN_verb_object.sql or .rollback.sql, and yoyo would"
# The case, the files, and the fault. "up" and "rollback" are those of the first migration.
FAULTS: dict[str, tuple[Files, str]] = {
    "a backfill without a range": (
        up("-- backfill: t\nUPDATE t SET a = 1;\n"),
        "sql:2: a backfill without exactly one range of the key, from $1 on: write `WHERE id BETWEEN $1 AND $2`, or",
    ),
    "a backfill with a range below OR": (
        up("-- backfill: t\nUPDATE t SET a = 1 WHERE a BETWEEN $1 AND $2 OR true;\n"),
        "sql:2: a backfill without exactly one range of the key",
    ),
    **{
        f"a backfill with {name}": (up(f"-- backfill: t\n{sql};\n"), "sql:2: a backfill without exactly one range of")
        for name, sql in {
            "a range in CASE": "UPDATE t SET a = CASE WHEN a BETWEEN $1 AND $2 THEN 1 ELSE a END",
            "a range in CASE of WHERE": "UPDATE t SET a = 1 WHERE CASE WHEN a BETWEEN $1 AND $2 THEN true END",
            "a range of what it reads for each row": (
                "UPDATE t SET a = (SELECT count(*) FROM u WHERE b BETWEEN $1 AND $2)"
            ),
            "a range that may be unknown": "DELETE FROM t WHERE (a BETWEEN $1 AND $2) IS NOT FALSE",
            "a range that is compared": "DELETE FROM t WHERE (a BETWEEN $1 AND $2) = (b > 0)",
            "a range in COALESCE": "DELETE FROM t WHERE coalesce(a BETWEEN $1 AND $2, true)",
            "a range of rows that are left out": (
                "DELETE FROM t WHERE a <> ALL (SELECT a FROM t WHERE a BETWEEN $1 AND $2)"
            ),
            "a range of one half of a UNION": (
                "INSERT INTO u SELECT a FROM t WHERE a BETWEEN $1 AND $2 UNION ALL SELECT a FROM t"
            ),
            "a range of an outer join": (
                "INSERT INTO u SELECT t.a FROM t LEFT JOIN v ON v.a = t.a AND t.a BETWEEN $1 AND $2"
            ),
            "a range of RETURNING": "UPDATE t SET a = 1 RETURNING a BETWEEN $1 AND $2",
            "a range of WHEN MATCHED": (
                "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED AND t.a BETWEEN $1 AND $2 THEN DELETE"
            ),
        }.items()
    },
    **{
        f"a backfill with {part} {place}": (
            up(f"-- backfill: t\n{sql};\n"),
            f"sql:2: {part} leaves out rows of a batch, which no other batch does: write it without {part}",
        )
        for part, place, sql in (
            ("LIMIT", "in IN", "UPDATE t SET a = 1 WHERE a IN (SELECT a FROM t WHERE a BETWEEN $1 AND $2 LIMIT 3)"),
            ("LIMIT", "by FETCH", "INSERT INTO u SELECT a FROM t WHERE a BETWEEN $1 AND $2 FETCH FIRST 9 ROWS ONLY"),
            (
                "OFFSET",
                "in FROM",
                "DELETE FROM t USING (SELECT a FROM t WHERE a BETWEEN $1 AND $2 OFFSET 1) u WHERE t.a = u.a",
            ),
            (
                "SKIP LOCKED",
                "in WITH",
                "WITH u AS (SELECT a FROM t WHERE a BETWEEN $1 AND $2 FOR UPDATE SKIP LOCKED) "
                "UPDATE t SET a = 1 FROM u WHERE u.a = t.a",
            ),
            (
                "LIMIT",
                "of what WITH returns",
                "WITH u AS (SELECT a FROM t WHERE a BETWEEN $1 AND $2) "
                "UPDATE t SET a = 1 WHERE a IN (SELECT a FROM u LIMIT 3)",
            ),
            (
                "LIMIT",
                "of what INSERT copies",
                "WITH u AS (SELECT a FROM t WHERE a BETWEEN $1 AND $2) INSERT INTO v SELECT a FROM u LIMIT 3",
            ),
        )
    },
    "a backfill with another parameter": (
        up("-- backfill: t\nUPDATE t SET a = $3 WHERE a BETWEEN $1 AND $2;\n"),
        "sql:2: a backfill without exactly one range of the key",
    ),
    "a backfill with another setting": (
        up(f"-- backfill: t\nUPDATE t SET a = 1 WHERE a BETWEEN {setting(1)} AND {setting(3)};\n"),
        "sql:2: a backfill without exactly one range of the key",
    ),
    "a backfill with a parameter and a setting": (
        up(f"-- backfill: t\nUPDATE t SET a = 1 WHERE a BETWEEN $1 AND {setting(2)};\n"),
        "sql:2: a backfill without exactly one range of the key",
    ),
    "a backfill with a setting that may be empty": (
        up(f"-- backfill: t\nUPDATE t SET a = 1 WHERE a BETWEEN {setting(1)} AND current_setting('backfill.p2');\n"),
        "sql:2: a backfill without exactly one range of the key",
    ),
    "a backfill with a part of a setting": (
        up(f"-- backfill: t\nUPDATE t SET a = 1 WHERE a BETWEEN {setting(1)} AND {setting(2)} || 'x';\n"),
        "sql:2: a backfill without exactly one range of the key",
    ),
    "a backfill that reads a setting twice": (
        up(f"-- backfill: t\nUPDATE t SET a = {setting(1)} WHERE a BETWEEN {setting(1)} AND {setting(2)};\n"),
        "sql:2: a backfill without exactly one range of the key",
    ),
    "a backfill that reads": (
        up("-- backfill: t\nSELECT a FROM t WHERE a BETWEEN $1 AND $2;\n"),
        "sql:2: a backfill that writes no rows: write UPDATE, INSERT, DELETE or MERGE",
    ),
    "a backfill that is DDL": (up("-- backfill: t\nDROP TABLE t;\n"), "sql:2: a backfill cannot run this statement"),
    "a backfill of two statements": (
        up("-- backfill: t\nDELETE FROM t WHERE a BETWEEN $1 AND $2;\nSELECT 1;\n"),
        "sql:3: is a second statement in a backfill: move each to its own file",
    ),
    "a backfill without a transaction": (alone("-- backfill: t\nVACUUM t;"), "sql:3: a backfill cannot run this"),
    "a backfill of nothing": (
        up("-- backfill:\nDELETE FROM t WHERE a BETWEEN $1 AND $2;\n"),
        "sql:1: `-- backfill:` is empty: name the table",
    ),
    "a backfill in a rollback": (
        down("-- loses: nothing\n-- backfill: t\nDROP TABLE t;\n"),
        "rollback.sql:2: `backfill` has no effect in a rollback: move `-- backfill: ...` to the migration",
    ),
    "a misspelt backfill": (
        up("-- backfil: t\nDELETE FROM t WHERE a BETWEEN $1 AND $2;\n"),
        "sql:1: `-- backfil: t` is ignored: write `-- backfill",
    ),
    "a phase that is none": (up("-- phase: later\nSELECT 1;\n"), "sql:1: phase is 'later': write `-- phase: expand`"),
    "a misspelt phase": (up("-- phases: contract\nSELECT 1;\n"), "sql:1: `-- phases: contract` is ignored"),
    "a background that is no backfill": (
        up("-- phase: background\nSELECT 1;\n"),
        "sql:1: is not a backfill, and cannot run in the background: remove the line",
    ),
    "a name without a number": ({**FIRST, "make_u.sql": UP}, f"make_u.sql:1: {ELSEWHERE} apply it as a migration"),
    "a short number": ({**FIRST, "02_u.sql": UP}, f"02_u.sql:1: {ELSEWHERE} apply"),
    "a number alone": ({**FIRST, "0002.sql": UP}, f"0002.sql:1: {ELSEWHERE} apply"),
    "a hyphen": ({**FIRST, "0002_make-u.sql": UP}, f"0002_make-u.sql:1: {ELSEWHERE} apply"),
    "two underscores": ({**FIRST, "0002__u.sql": UP}, f"0002__u.sql:1: {ELSEWHERE} apply"),
    "digits of another script": ({**FIRST, "٠٠٠٢_u.sql": UP}, f"٠٠٠٢_u.sql:1: {ELSEWHERE} apply"),
    "capitals": ({**FIRST, "0002_Make_u.sql": UP}, f"0002_Make_u.sql:1: {ELSEWHERE} apply"),
    "a line's end in the name": ({**FIRST, "0002_u.sql\n": UP}, f"0002_u.sql\n:1: {ELSEWHERE} ignore it"),
    "Rollback": ({**FIRST, "0001_u.Rollback.sql": UP}, f"0001_u.Rollback.sql:1: {ELSEWHERE} apply"),
    "SQL": ({**FIRST, "0002_make_u.SQL": UP}, f"0002_make_u.SQL:1: {ELSEWHERE} ignore it"),
    "psql": ({**FIRST, "make_u.psql": UP}, f"make_u.psql:1: {ELSEWHERE} ignore it"),
    "sql.txt": ({**FIRST, "make_u.sql.txt": UP}, f"make_u.sql.txt:1: {ELSEWHERE} ignore it"),
    "no ending": ({**FIRST, "0002_make_u": UP}, f"0002_make_u:1: {ELSEWHERE} ignore it"),
    "down.sql": ({**FIRST, "0001_make_t.down.sql": DOWN}, "down.sql:1: yoyo does not support .up.sql and .down.sql"),
    "down.sql, its name": (
        {**FIRST, "0002_u.down.sql": DOWN},
        "0002_u.down.sql:1: yoyo does not support .up.sql and .down.sql, and would apply both: "
        "rename it to 0002_u.rollback.sql",
    ),
    "up.sql": (
        {**FIRST, "0002_u.up.sql": UP},
        "0002_u.up.sql:1: yoyo does not support .up.sql and .down.sql, and would apply both: rename it to 0002_u.sql",
    ),
    "Python": ({**FIRST, "0002_make_u.py": ""}, "0002_make_u.py:1: migrations are plain SQL"),
    "a hidden file": ({**FIRST, ".a.sql": UP}, f".a.sql:1: {ELSEWHERE} apply it"),
    "post-apply": ({**FIRST, "post-apply.sql": UP}, "post-apply.sql:1: yoyo would run it after every apply"),
    "post-apply of Python": ({**FIRST, "post-apply-x.py": UP}, "post-apply-x.py:1: yoyo would run it after every"),
    "one number twice": (
        {**FIRST, "0001_make_u.sql": UP, "0001_make_u.rollback.sql": DOWN},
        "0001_make_u.sql:1: 0001_make_t.sql also has the number 0001",
    ),
    "no migrations": ({"README.md": "x"}, ""),
    # depends
    "no depends": (second(UP), "0002_change_t.sql:1: does not say which migration it follows: write `-- depends: 0001"),
    "an empty depends": (second("-- depends:\n" + UP), "0002_change_t.sql:1: does not say which"),
    "depends on what is not there": (
        second("--\n-- depends: 0001_x\n" + UP),
        "0002_change_t.sql:2: depends on 0001_x, which does not",
    ),
    "depends on two": (
        second("-- depends: 0001_make_t 0000_x\n" + UP),
        "0002_change_t.sql:1: depends on 0000_x, which does not exist",
    ),
    "depends on one twice": (
        second("-- depends: 0001_make_t 0001_make_t\n" + UP),
        "0002_change_t.sql:1: names the migration before it twice",
    ),
    "depends on itself": (second("-- depends: 0002_change_t\n" + UP), "0002_change_t.sql:1: depends on itself"),
    "depends on a later one": (
        {
            **second("-- depends: 0003_u\n" + UP),
            "0003_u.sql": "-- depends: 0002_change_t\n" + UP,
            "0003_u.rollback.sql": DOWN,
        },
        "0002_change_t.sql:1: depends on 0003_u, which comes after it",
    ),
    "depends on an earlier one": (
        {**second(AFTER + UP), "0003_u.sql": AFTER + UP, "0003_u.rollback.sql": DOWN},
        "0003_u.sql:1: depends on 0001_make_t, which is not right before it: write `-- depends: 0002_change_t`",
    ),
    "the first depends": (
        up("-- depends: 0000_x\n" + UP),
        "sql:1: depends on 0000_x, which does not exist: remove it",
    ),
    # rollbacks
    "no rollback": ({"0001_make_t.sql": UP}, "sql:1: has no 0001_make_t.rollback.sql"),
    "irreversible without a reason": (
        {"0001_make_t.sql": "-- irreversible: \n" + UP},
        "sql:1: `-- irreversible:` is empty",
    ),
    "irreversible with a rollback": (
        up("-- irreversible: a\n" + UP),
        "rollback.sql:1: exists, but 0001_make_t.sql",
    ),
    "a rollback of nothing": ({**FIRST, "0002_u.rollback.sql": DOWN}, "0002_u.rollback.sql:1: there is no 0002_u.sql"),
    "an empty rollback": (down("-- loses: nothing\n"), "rollback.sql:1: has no statement"),
    "an empty migration": (up(""), "sql:1: has no statement"),
    "comments alone": (up("-- CREATE TABLE t ();\n/* x */;\n"), "sql:1: has no statement"),
    # directives
    "another case": (
        {**alone(""), "0001_make_t.sql": "-- Transactional: false\n" + INDEX[24:]},
        "sql:1: `-- Trans",
    ),
    "an equals sign": (up("-- transactional = true\n" + UP), "sql:1: `-- transactional = true` is ignored: write"),
    "no line comment": (up("/*\n transactional: true */\n" + UP), "sql:2: `transactional` is ignored here: move"),
    "below a block comment": (up("/* x */\n-- transactional: true\n" + UP), "sql:2: `transactional` is ignored here"),
    "below SQL": (up(UP + "-- transactional: true\n"), "sql:3: `transactional` is ignored here"),
    "beside SQL": (up("SELECT 1; -- transactional: true\n"), "sql:1: `transactional` is ignored here"),
    "three hyphens": (up("--- transactional: true\n" + UP), "sql:1: `--- transactional: true` is ignored"),
    "neither true nor false": (up("-- transactional: no\n" + UP), "sql:1: transactional is 'no'"),
    "capitals in the value": (up("-- transactional: True\n" + UP), "sql:1: transactional is 'True'"),
    "no value": (up("-- transactional:\n" + UP), "sql:1: transactional is ''"),
    "words after the value": (up("-- transactional: true, as ever\n" + UP), "sql:1: transactional is 'true, as ever'"),
    "a blank after the value": (up("-- transactional: true \n" + UP), "sql:1: transactional is 'true '"),
    "given twice": (
        up("-- transactional: true\n-- transactional: true\n" + UP),
        "sql:2: `-- transactional:` is given twice",
    ),
    "depends given twice": (
        second("-- depends: 0001_make_t\n-- depends: 0001_make_t\n" + UP),
        "0002_change_t.sql:2: `-- depends:` is given twice: write all names into one line: `-- depends: A B`",
    ),
    "transactionnal": (up("-- transactionnal: true\n" + UP), "sql:1: `-- transactionnal: true` is ignored"),
    "depend": (
        second("-- depend: 0001_make_t\n" + UP),
        "0002_change_t.sql:1: `-- depend: 0001_make_t` is ignored: write `-- depends",
    ),
    "depends on": (
        second("-- depends on: 0001_make_t\n" + UP),
        "0002_change_t.sql:1: `-- depends on: 0001_make_t` is ignored",
    ),
    "reason misspelt": ({"0001_make_t.sql": "-- irreversable: why\n" + UP}, "sql:1: `-- irreversable: why` is ignored"),
    "lose": (down(DOWN.replace("loses", "lose")), "rollback.sql:2: `-- lose: nothing` is ignored"),
    "rows_to_lose": (
        down("-- loses: t\n-- rows_to_lose: SELECT count(*) FROM t\nDROP TABLE t;"),
        "rollback.sql:2: `-- rows_to_lose: SELECT count(*) FROM t` is ignored",
    ),
    "loses in a migration": (up("-- loses: nothing\n" + UP), "sql:1: `loses` has no effect in a migration"),
    "rows to lose in a migration": (up("-- rows to lose: SELECT 1\n" + UP), "sql:1: `rows to lose` has no effect in a"),
    "depends in a rollback": (
        down("-- depends: 0001_make_t\n" + DOWN),
        "rollback.sql:1: `depends` has no effect in a roll",
    ),
    "irreversible in a rollback": (
        down("-- irreversible: a\n" + DOWN),
        "rollback.sql:1: `irreversible` has no effect in",
    ),
    "transactional in the migration alone": (
        {"0001_make_t.sql": INDEX, "0001_make_t.rollback.sql": DROP.replace("-- transactional: false\n", "")},
        "rollback.sql:1: yoyo reads `transactional` only from 0001_make_t.sql, which has another value: write `-- tran"
        "sactional: false` here",
    ),
    "transactional in the rollback alone": (
        down("-- transactional: false\n" + DOWN),
        "rollback.sql:1: yoyo reads `transactional` only from 0001_make_t.sql, which has another value: write `-- tran"
        "sactional: true` here",
    ),
    "no loses": (down("DROP TABLE t;"), "rollback.sql:1: does not say what it loses"),
    "an empty loses": (
        down("-- loses:\nDROP TABLE t;"),
        "rollback.sql:1: `-- loses:` is empty: name the loss, or write `-- loses: nothing`",
    ),
    "no rows to lose": (down("-- loses: t\nDROP TABLE t;"), "rollback.sql:1: does not say how to count what it loses"),
    "nothing but": (down("-- loses: nothing but t\nDROP TABLE t;"), "rollback.sql:1: does not say how to count what"),
    "rows to lose of nothing": (
        down(DOWN.replace("loses: nothing", "loses: nothing\n-- rows to lose: SELECT 1")),
        "rollback.sql:3: `-- rows to lose:` is there, but nothing is lost",
    ),
    "to lose without a transaction": (
        {"0001_make_t.sql": INDEX, "0001_make_t.rollback.sql": DROP.replace("nothing", "t\n-- rows to lose: SELECT 1")},
        "rollback.sql:1: a rollback that loses something needs a transaction",
    ),
    **{
        f"rows to lose: {sql}": (
            down(f"-- loses: t\n-- rows to lose: {sql}\nDROP TABLE t;"),
            "rollback.sql:2: `-- rows to lose:` is not one SELECT of one number, on one line",
        )
        for sql in (
            "",
            "count(*)",
            "SELECT count(*) FROM t GROUP BY a",
            "SELECT 1; SELECT 2",
            "DELETE FROM t",
            "SELECT 1, 2",
            "SELECT 1 INTO u",
            "SELECT 1\n--  + 1",
        )
    },
    # statements
    **{
        f"{sql} in a file": (up(f"{UP}\n{sql};\n"), f"sql:4: {words}")
        for sql, words in {
            "BEGIN": "yoyo begins and ends the transaction itself",
            "COMMIT": "yoyo begins and ends",
            "END": "yoyo begins and ends",
            "ROLLBACK": "yoyo begins and ends",
            "SAVEPOINT a": "yoyo begins and ends",
            "START TRANSACTION": "yoyo begins and ends",
            "PREPARE TRANSACTION 'a'": "yoyo begins and ends",
            "SET search_path = a": "would also apply to the migrations after this one",
            "SET SESSION search_path = a": "would also apply",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY": "would also apply",
            "SET ROLE a": "would also apply",
            "SET SESSION AUTHORIZATION a": "would also apply",
            "RESET ALL": "would also apply",
            "RESET search_path": "would also apply",
            "DISCARD ALL": "would change the migrator's session",
            "COPY t FROM STDIN": "COPY FROM STDIN and COPY TO STDOUT are for psql",
            "COPY (SELECT 1) TO STDOUT": "COPY FROM STDIN and COPY TO STDOUT are for psql",
            "COPY t FROM STDIN;\n1\n\\.\n": "COPY FROM STDIN and COPY TO STDOUT are for psql",
            "\\d t": "\\d is a command of psql",
            "\\echo don't": "\\echo is a command of psql",
            "SELECT 1 \\gexec": "\\gexec is a command of psql",
            "SELECT :a": 'syntax error at or near ":"',
            "SELEC 1": 'syntax error at or near "SELEC"',
            "SELECT 'a": "unterminated quoted string",
            "CREATE INDEX CONCURRENTLY a ON t (a)": "cannot run in a transaction: move it to its own file",
            "DROP INDEX CONCURRENTLY IF EXISTS a": "cannot run in a transaction: move it to its own file",
            "VACUUM t": "cannot run in a transaction: move it to its own file",
            "REINDEX INDEX CONCURRENTLY a": "cannot run in a transaction: move it to its own file",
            "REINDEX (VERBOSE, CONCURRENTLY) TABLE t": "cannot run in a transaction: move it to its own file",
            "REINDEX SCHEMA public": "cannot run in a transaction, and",
            "ALTER TABLE t DETACH PARTITION a CONCURRENTLY": "cannot run in a transaction: move it to its own file",
            "CREATE DATABASE a": "cannot run in a transaction, and",
            "DROP DATABASE a": "cannot run in a transaction, and",
            "CREATE TABLESPACE a LOCATION '/a'": "cannot run in a transaction, and",
            "DROP TABLESPACE a": "cannot run in a transaction, and",
            "ALTER SYSTEM SET a = 1": "cannot run in a transaction, and",
            "SELECT /* a /* b */ ; */ 1": "yoyo's splitter would cut this statement in two: write it without nested",
            "/* a /* b */ ; */": "yoyo's splitter would cut this statement in two: write it without nested",
        }.items()
    },
    "an open bracket": (up("SELECT 1;\nSELECT (2\n\n"), "sql:2: syntax error at end of input"),
    "a name that is a keyword": (
        up("CREATE TABLE begin (if integer);\nSELECT 1;\n"),
        "sql:2: yoyo's splitter would run this statement and the one before it as one",
    ),
    "a syntax error after other characters": (up("SELECT 'é😀'; -- ü\n\nSELEC 1;"), "sql:3: syntax error at or near"),
    "a statement after other characters": (up("SELECT 'é😀'; -- ü\n\nBEGIN;"), "sql:3: yoyo begins and ends"),
    "a directive after other characters": (
        second("-- é😀\n-- Depends: 0001_make_t\n" + UP),
        "0002_change_t.sql:2: `-- Depends: 0001_make_t` is ignored",
    ),
    "a long string without its end": (up("SELECT 'a\n" + "b\n" * 500), "sql:1: unterminated quoted string at or near"),
    # without a transaction
    **{
        f"{sql} alone": (alone(sql), words)
        for sql, words in {
            "ALTER TABLE t ADD a integer;": "sql:2: after an interruption the migrator cannot tell",
            "CREATE INDEX a ON t (a);": "sql:2: after an interruption the migrator cannot tell",
            "REINDEX INDEX a;": "sql:2: after an interruption the migrator cannot tell",
            "ANALYZE t;": "sql:2: after an interruption the migrator cannot tell",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY t;": "sql:2: after an interruption the migrator cannot tell",
            "REINDEX (CONCURRENTLY off) INDEX a;": "sql:2: after an interruption the migrator cannot tell",
            "REINDEX SCHEMA CONCURRENTLY public;": "sql:2: cannot run in a transaction, and",
            "ALTER TABLE t DETACH PARTITION a;": "sql:2: after an interruption the migrator cannot tell",
            "SET LOCAL a = 1;": "sql:2: SET LOCAL has no effect outside a transaction",
            "CREATE INDEX CONCURRENTLY ON t (a);": "sql:2: gives the index no name",
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON t (a);": "sql:2: IF NOT EXISTS would accept an INVALID index",
            "CREATE INDEX CONCURRENTLY a ON ONLY t (a);": "sql:2: ONLY leaves an INVALID index",
            "DROP INDEX CONCURRENTLY a, b;": "sql:2: drops more than one index",
            "DROP INDEX CONCURRENTLY a;": "sql:2: would fail for ever if the index is gone",
            "VACUUM t;\nVACUUM u;": "sql:3: is a second statement in a file without a transaction",
            "VACUUM t;\n\n-- vacuumed\n": "sql:4: is text after the statement, which yoyo would run",
            "VACUUM t;\n;": "sql:3: is text after the statement, which yoyo would run",
        }.items()
    },
    "a rollback that needs its transaction": (
        {"0001_make_t.sql": INDEX, "0001_make_t.rollback.sql": "-- transactional: false\n" + DOWN},
        "rollback.sql:4: after an interruption the migrator cannot tell",
    ),
    # bytes
    "a byte order mark": (up(b"\xef\xbb\xbf" + UP.encode()), "sql:1: begins with a byte order mark"),
    "UTF-16": (up(UP.encode("utf-16")), "sql:1: byte 0xff is not UTF-8"),
    "Latin-1": (up("-- a\r\n-- b\r-- c\n-- é\n".encode("latin-1")), "sql:4: byte 0xe9 is not UTF-8"),
    "NUL": (up("SELECT 1;\n\0SELECT 2;\n"), "sql:2: contains a NUL character"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_reported_with_its_line(tmp_path: Path, case: str) -> None:
    contents, words = FAULTS[case]

    (fault,) = told(write(tmp_path, contents))

    assert fault.startswith(words)
    assert len(fault) < 320


MANY = {
    **FIRST,
    "0002_fill_t.sql": f"{AFTER}-- backfill: t\n-- phase: background\nDELETE FROM t WHERE a BETWEEN $1 AND $2;\n",
    "0002_fill_t.rollback.sql": "-- loses: nothing\nSELECT 1;\n",
    "0003_drop_b.sql": "-- phase: contract\n-- depends: 0002_fill_t\nSELECT 1;\n",
    "0003_drop_b.rollback.sql": "-- loses: nothing\nSELECT 1;\n",
    "0004_make_u.sql": f"{AFTER}SELECT 1;\n",
    "0004_make_u.rollback.sql": "-- loses: nothing\nSELECT 1;\n",
    "0005_use_b.sql": "-- depends: 0004_make_u 0002_fill_t\nSELECT 1;\n",
    "0005_use_b.rollback.sql": "-- loses: nothing\nSELECT 1;\n",
}

RIGHT: dict[str, Files] = {
    **{
        f"a backfill with {name}": up(f"-- backfill: t\n{sql};\n")
        for name, sql in {
            "a range in IN": "UPDATE t SET a = 1 WHERE a IN (SELECT a FROM t WHERE a BETWEEN $1 AND $2 FOR UPDATE)",
            "a range in EXISTS": "DELETE FROM t WHERE EXISTS (SELECT FROM u WHERE u.a = t.a AND a BETWEEN $1 AND $2)",
            "a range in an array": "DELETE FROM t WHERE a = ANY (ARRAY(SELECT a FROM t WHERE a BETWEEN $1 AND $2))",
            "a range in FROM": "UPDATE t SET a = 1 FROM (SELECT a FROM t WHERE a BETWEEN $1 AND $2) v WHERE v.a = t.a",
            "a range in USING": "MERGE INTO u USING (SELECT a FROM t WHERE a BETWEEN $1 AND $2) AS v ON v.a = u.a "
            "WHEN MATCHED THEN DELETE",
            "a range in ON": "MERGE INTO t USING u ON t.a = u.a AND t.a BETWEEN $1 AND $2 WHEN MATCHED THEN DELETE",
            "a range in WITH": "WITH v AS (SELECT a FROM t WHERE a BETWEEN $1 AND $2) INSERT INTO u SELECT a FROM v",
            "a range in a join": "INSERT INTO u SELECT t.a FROM v JOIN t ON t.a = v.a AND t.a BETWEEN $1 AND $2",
            "a range before EXCEPT": "INSERT INTO u SELECT a FROM t WHERE a BETWEEN $1 AND $2 EXCEPT SELECT a FROM u",
            "a look-up": "UPDATE t SET a = (SELECT b FROM u WHERE u.a = t.a LIMIT 1) WHERE a BETWEEN $1 AND $2",
        }.items()
    },
    "migrations of each phase": MANY,
    "the first": FIRST,
    "the second": second(AFTER + UP),
    "a gap in the numbers": {**FIRST, "0007_b.sql": AFTER + UP, "0007_b.rollback.sql": DOWN},
    "irreversible": {"0001_make_t.sql": "-- irreversible: the old values are gone\n" + UP},
    "backups and folders": {
        **FIRST,
        ".a.swp": "",
        "0001_a.sql~": "",
        "0001_a.sql.bak": "",
        "#0001_a.sql#": "",
        "a.md": "",
    },
    "what yoyo new is making": {**FIRST, "_tmp_yoyonew1234.sql": ""},
    "CRLF": {
        name: text.replace("\n", "\r\n")
        for name, text in {"0001_make_t.sql": INDEX, "0001_make_t.rollback.sql": DROP}.items()
    },
    "CR": {
        name: text.replace("\n", "\r")
        for name, text in {"0001_make_t.sql": INDEX, "0001_make_t.rollback.sql": DROP}.items()
    },
    "no blanks, or more": up("\n--transactional:true\n\n  --  irrelevant: x\n" + UP),
    "a blank before the colon": second("-- depends : 0001_make_t\n" + UP),
    "nothing, and why": down("-- loses: nothing (it was empty)\nDROP TABLE t;"),
    "rows to lose": down("-- loses: rows\n-- rows to lose: SELECT count(*) FROM t\n-- Locks: it\nDROP TABLE t;"),
    "rows to lose, with a semicolon": down("-- rows to lose: SELECT count(*) FROM t;\n-- loses: t\nDROP TABLE t;"),
    "true in one alone": up("-- transactional: true\n" + UP),
    "prose": up(
        "-- What: a\n-- Why: b\n-- Locks: c\n-- Cost: d\n-- Closes: 12\n-- Transactions: few\n-- Transaction: short\n"
        "-- Dependents: none\n-- It depends: on the planner\n-- what it loses: time\n-- a = b\n-- http://a/b\n" + UP
    ),
    "COPY in a comment": up("-- COPY t FROM STDIN; BEGIN; \\d\n" + UP + "-- \\d\n/* VACUUM t; -- */"),
    "a comment at the end": up(UP + "\n-- The end; of it.\n/* Really; */\n"),
    "a stray semicolon": up(UP + ";\n"),
    "no semicolon": up("SELECT 1\n-- The end\n"),
    "a body with anything": up(
        "DO $a$\nBEGIN\n\\d\n-- depends: x\n/* a /* ; */ */\nCOMMIT; SET a = b; PERFORM $$;$$; END\n$a$;\nSELECT 1;\n"
    ),
    "BEGIN ATOMIC": up(
        "CREATE FUNCTION f() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN 2 END; END;\n"
        "SELECT 3;\n"
    ),
    "a rule of two": up("CREATE RULE a AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2);\nSELECT 3;\n"),
    "strings": up(
        "SELECT '\\d\n\\x', E'\\\\', E'\\'; BEGIN', '--', '/*', '-- depends: x', U&'\\0041', 'a\n-- loses: x';\n"
    ),
    "a nested comment without a semicolon": up("/* a /* b */ c */\n" + UP),
    "local settings": up(
        "SET LOCAL a = 1;\nSET TRANSACTION ISOLATION LEVEL SERIALIZABLE;\nSET CONSTRAINTS ALL DEFERRED;\n"
    ),
    "COPY on the server": up("COPY t FROM '/a';\nCOPY t TO PROGRAM 'a';\n"),
    "what runs in a transaction": up(
        "REINDEX TABLE t;\nREFRESH MATERIALIZED VIEW CONCURRENTLY v;\nANALYZE t;\nALTER TABLE t DETACH PARTITION u;\n"
        "CREATE INDEX IF NOT EXISTS a ON ONLY t (a);\nCREATE INDEX ON t (a);\nDROP INDEX a, b;\nLOCK TABLE t;\n"
        "REINDEX (CONCURRENTLY false) TABLE t;\n"
    ),
    "an index": {"0001_make_t.sql": INDEX, "0001_make_t.rollback.sql": DROP},
    "a unique index, without a semicolon": alone("CREATE UNIQUE INDEX CONCURRENTLY a ON t (a) -- beside it"),
    "VACUUM": alone("VACUUM (ANALYZE) t, u;"),
    "REINDEX": alone("REINDEX TABLE CONCURRENTLY t;"),
    "REINDEX with options": alone("REINDEX (VERBOSE, CONCURRENTLY) INDEX s.a;"),
    "DETACH": {
        "0001_make_t.sql": "-- Detaches.\n-- transactional: false\n\nALTER TABLE t DETACH PARTITION a CONCURRENTLY;",
        "0001_make_t.rollback.sql": "-- loses: nothing\n-- transactional: false\n\n"
        "ALTER TABLE t ATTACH PARTITION a FOR VALUES IN (1);",
    },
    "a backfill": alone("DO $$\nBEGIN\n    LOOP\n        EXIT;\n        COMMIT;\n    END LOOP;\nEND\n$$;"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_files_that_only_look_wrong_have_no_fault(tmp_path: Path, case: str) -> None:
    (tmp_path / "archive.sql").mkdir()

    assert told(write(tmp_path, RIGHT[case])) == []


def test_the_project_s_own_migrations_have_no_fault() -> None:
    assert faults(ROOT / "sql" / "migrations") == []


def test_faults_come_in_the_order_of_files_and_lines(tmp_path: Path) -> None:
    write(tmp_path, {**second("-- a\nBEGIN;\nCOMMIT;\n"), **up(b"\xff"), "b.sql": ""})

    assert [(fault.path.name, fault.line) for fault in faults(tmp_path)] == [
        ("0001_make_t.sql", 1),
        ("0002_change_t.sql", 1),
        ("0002_change_t.sql", 2),
        ("0002_change_t.sql", 3),
        ("b.sql", 1),
    ]


def test_a_path_is_relative_to_the_project_s_folder() -> None:
    path = ROOT / "sql" / "migrations" / "0003_x.sql"

    assert str(Fault(path, 4, "is wrong", "fix it")) == "sql/migrations/0003_x.sql:4: is wrong: fix it"


def test_a_file_that_cannot_be_read_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no migrations in this folder" in told(tmp_path / "missing")[0]
    (tmp_path / "0001_make_t.sql").mkdir()
    (tmp_path / "0001_make_t.rollback.sql").symlink_to(tmp_path / "missing")
    assert [fault[:43] for fault in told(tmp_path)] == [
        "rollback.sql:1: cannot be read: No such fil",
        "sql:1: cannot be read: Is a directory: put ",
    ]

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert all("cannot be read: Permission denied" in fault for fault in told(write(tmp_path, {"0002_a.sql": ""}))[2:])
    monkeypatch.setattr(Path, "iterdir", refuse)
    assert "cannot be read: Permission denied" in told(tmp_path)[0]


def test_a_rollback_is_read_from_the_headers(tmp_path: Path) -> None:
    migration = tmp_path / "0001_make_t.sql"
    write(
        tmp_path,
        {migration.name: "-- a\r\n\r\n-- irreversible: it is so\r\nSELECT 1;\r\n-- irreversible: not this\r\n"},
    )
    assert rollback_of(migration) == Rollback("", None, "it is so")

    write(tmp_path, FIRST)
    assert rollback_of(migration) == Rollback("nothing", None, None)

    write(
        tmp_path, down("-- loses: é, all of it \n-- rows to lose: SELECT count(*) FROM t\nSELECT 1;\n-- loses: nothing")
    )
    assert rollback_of(migration) == Rollback("é, all of it", "SELECT count(*) FROM t", None)


def test_the_header_is_what_yoyo_reads(tmp_path: Path) -> None:
    """Both readers see the same directives in random lines."""
    random = Random(7)  # noqa: S311
    lines = [
        "",
        "  ",
        "-- a",
        "--depends: b",
        " -- transactional : false",
        "-- Depends: c",
        "/* a */",
        "SELECT 1;",
        ";",
        "# a",
        "-- '",
    ]
    path = tmp_path / "0001_make_t.sql"
    for _ in range(500):
        chosen = dict.fromkeys(random.choices(lines, k=6))
        path.write_text("\n".join([*chosen, "SELECT 2;\n"]))

        directives = {key: value.strip() for key, value in read_sql_migration(str(path))[0].items()}

        assert headers.directives(path) == directives, path.read_text()


@pytest.mark.parametrize(
    ("depends", "words"),
    [
        (
            "0003_drop_b 0002_fill_t",
            "0005_use_b.sql:1: does not depend on 0004_make_u: write `-- depends: 0004_make_u`",
        ),
        ("0001_make_t 0004_make_u", "0005_use_b.sql:1: depends on 0001_make_t, which is not right before it: write"),
        ("0004_make_u 0004_make_u", "0005_use_b.sql:1: names the migration before it twice: write"),
    ],
)
def test_what_a_migration_after_other_phases_must_name(tmp_path: Path, depends: str, words: str) -> None:
    files = MANY | {"0005_use_b.sql": f"-- depends: {depends}\nSELECT 1;\n"}

    (fault,) = told(write(tmp_path, files))
    assert fault.startswith(words)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"id": 3}', '{"id": "0001_\\u001b[2J"}', "\xff", None])
def test_a_journal_that_no_command_wrote_is_named(text: str | None, tmp_path: Path) -> None:
    journal = tmp_path / ".baseline.json"
    if text is None:
        journal.mkdir()
    else:
        journal.write_bytes(text.encode("latin-1"))

    [fault] = faults(tmp_path)

    assert (fault.path, fault.what) == (journal, "`images schema baseline NNNN` was cut off")
    with pytest.raises(CommandError, match="the migrations are half changed"):
        shipped(tmp_path)
    with pytest.raises(CommandError, match=r"baseline\.json"):
        make_baseline._continued(tmp_path)
