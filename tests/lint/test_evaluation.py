"""Expressions that the check evaluates itself: it agrees with PostgreSQL, or says that it does not know."""

from typing import Any

import psycopg

from app.lint.evaluation import Row
from app.lint.values import Unknown
from app.schema.statements import split_statements

EXPRESSIONS = """
1 = 1; 1 <> 2; NULL = 1; NULL IS NULL; NOT NULL::boolean; NULL OR true; NULL AND false; NULL OR false
'a' = 'a'; 'a' IN ('a', 'b'); 'c' IN ('a', 'b'); 'c' NOT IN ('a', 'b'); 'c' IN ('a', NULL); 'a' = ANY (ARRAY['a', 'b'])
'a' = ANY ('{a,b}'); 'a' <> ALL (ARRAY['b', 'c']); 'a' <> ALL ('{a}'); 2 BETWEEN 1 AND 3; 4 NOT BETWEEN 1 AND 3
NULL BETWEEN 1 AND 3; 5 BETWEEN 6 AND NULL; NULL IS DISTINCT FROM 1; 1 IS NOT DISTINCT FROM 1
NULL IS NOT DISTINCT FROM NULL
'image/png' LIKE 'image/%'; 'png' LIKE 'image/%'; 'a' NOT LIKE '_'; 'A' ILIKE 'a'; 'a.b' LIKE 'a_b'; 'ab' LIKE 'a.'
'image/png' ~ '^image/(png|jpeg)$'; 'x' !~ '^[a-c]+$'; 'B' ~* '^[a-c]+$'; '' ~ '^$'; 'a' !~* 'A'; 'a1' ~ '^\\d+$'
char_length('abc') <= 3; length('') = 0; octet_length('é') = 2; char_length(NULL) > 1; cardinality('{}'::text[]) > 0
cardinality(ARRAY['a', 'b']) = 2; array_length('{}'::text[], 1) > 0; array_length(ARRAY['a'], 1) = 1
'{a}'::text[] <> '{}'
'{}'::jsonb <> '{}'; '{"a": 1}'::jsonb ? 'a'; '{"a": "b"}'::jsonb ->> 'a' = 'b'; '{}'::jsonb ->> 'a' IS NULL
COALESCE(NULL, 'a') = 'a'; COALESCE(NULL, NULL) IS NULL; NULLIF('a', 'a') IS NULL; num_nonnulls(NULL, 1, 'a') = 2
num_nulls(NULL, 1) = 1; CASE WHEN 1 = 2 THEN 'a' ELSE 'b' END = 'b'; CASE 'x' WHEN 'x' THEN 1 END = 1
CASE WHEN NULL THEN 1 END IS NULL
lower('ABC') = 'abc'; upper('a') = 'A'; btrim(' a ') = 'a'; 'a' || 'b' = 'ab'; 2 * 3 = 6; 5 - 7 < 0; -1 < 0; 1.5 > 1
encode(sha256('a'), 'hex') ~ '^ca978'; octet_length(sha256('a')) = 32; md5('a') = '0cc175b9c0f1b6a831c399e269772661'
(1 = 1) IS TRUE; (NULL = 1) IS NOT TRUE; (1 = 2) IS FALSE; (NULL = 1) IS UNKNOWN; (1 = 2) IS NOT FALSE; true > false
starts_with('abc', 'ab'); array_position(ARRAY['a', 'b'], 'c') IS NULL; ARRAY['a', 'b'] @> ARRAY['a']
repeat('a', 3) = 'aaa'
'\\x6162'::bytea = 'ab'; octet_length('\\x00'::bytea) = 1; now() IS NOT NULL; gen_random_uuid() IS NULL; '1'::bigint = 1
'{a,NULL}'::text[] IS NULL; 'b' = ANY ('{a,NULL}'::text[]); NULL = ANY ('{a}'::text[]); 'x' COLLATE "C" = 'x'
"""


# Their results depend on the database, or on PostgreSQL's own grammar of patterns.
UNKNOWN = """
'a' < 'b'; now() > '2020-01-01'; 'a' ~ '\\ma\\M'; 'a' ~ '[[:alpha:]]'; current_setting('server_version') = '18'
'{"a": {"b": 1}}'::jsonb #> '{a}' IS NULL; random() > 2; COALESCE(current_setting('a', true), 'b') = 'c'
'NaN'::numeric > 1; 1e900000 * 1e900000 > 1; '[1:2]={a,b}'::text[] = '{a}'; repeat(repeat('a', 90000), 90000) = 'a'
"""


def listed(text: str) -> list[str]:
    return [each.strip() for line in text.strip().split("\n") for each in line.split(";")]


def evaluated(expression: str) -> Any:
    [select] = split_statements(f"SELECT {expression}")
    tree: Any = select.parse()
    return Row({}).value(tree.targetList[0].val)


def test_the_check_agrees_with_postgresql(admin: psycopg.Connection) -> None:
    for text in listed(EXPRESSIONS):
        [(result,)] = admin.execute(f"SELECT ({text})::boolean")
        assert evaluated(text) is result, text


def test_the_check_does_not_guess() -> None:
    assert [each for each in listed(UNKNOWN) if not isinstance(evaluated(each), Unknown)] == []


def test_a_parameter_and_a_column_have_their_values() -> None:
    [select] = split_statements("SELECT CASE WHEN 'title' = ANY ($1) THEN $2 ELSE title END")
    tree: Any = select.parse()
    value = tree.targetList[0].val

    assert Row({"title": "a"}, {1: "{title}", 2: None}).value(value) is None
    assert Row({"title": "a"}, {1: "{filename}", 2: None}).value(value) == "a"
    assert isinstance(Row({"title": "a"}, {1: "{title}"}).value(value), Unknown)
