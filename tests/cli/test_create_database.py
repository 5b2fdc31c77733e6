"""`images database create`: two installations in one cluster, each with its own database, owner and login."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.cli.main import run
from app.embedded_postgres import Server, binaries
from app.settings import ROOT, Settings
from tests.conftest import VERSION, as_role, client_of, yoyo_on
from tests.support.data_folders import start_copy


@pytest.fixture(scope="module")
def cluster(memory: Path) -> Iterator[Server]:
    """A server of its own, because roles belong to the cluster."""
    server = Server(memory / "two" / "data", VERSION, "-c fsync=off -c max_connections=30 -c shared_buffers=16MB")
    start_copy(server)
    yield server
    server.release()


@pytest.fixture
def create(cluster: Server, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> object:
    with psycopg.connect(cluster.url()) as connection:
        monkeypatch.setenv("PGHOST", connection.info.host)
        monkeypatch.setenv("PGUSER", connection.info.user)

    def create(*arguments: str) -> tuple[int, str, str]:
        code = run(["database", "create", *arguments])
        return code, *capfd.readouterr()

    return create


def test_a_default_installation_gets_a_login_of_its_own_before_a_second_one(cluster: Server, create: object) -> None:
    assert callable(create)
    assert create()[0] == 0

    code, _, err = create("shop")

    assert (code, err.splitlines()) == (
        3,
        [
            "error: the roles cannot be created: images_app is the login of another installation, in the database "
            "images.",
            "hint: Give that installation a login of its own first: images database create images --app NAME.",
        ],
    )
    assert create("images", "--app", "images_login")[0] == 0
    assert create("shop")[0] == 0
    with psycopg.connect(as_role(cluster.url("images"), "images_login")):
        pass
    for role in ("shop_app", "images_app"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(as_role(cluster.url("images"), role))


async def test_two_installations_live_in_one_cluster(cluster: Server, create: object, tmp_path: Path) -> None:
    assert callable(create)
    for name in ("red", "blue"):
        code, out, err = create(name)
        assert (code, err) == (0, ""), err
        assert out.splitlines()[:3] == [
            f"database {name:20}created",
            f"role     {name + '_owner':20}created",
            f"role     {name + '_app':20}created",
        ]
        assert "is there" in create(name)[1]
        migrated = yoyo_on(as_role(cluster.url(name), f"{name}_owner"), "apply")
        assert migrated.returncode == 0, migrated.stderr
        assert create(name)[0] == 0  # with tables, it can be repeated, too

    for name, other in (("red", "blue"), ("blue", "red")):
        for role in (f"{name}_app", f"{name}_owner"):
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(as_role(cluster.url(other), role))
        with psycopg.connect(as_role(cluster.url(name), f"{name}_app")) as connection:
            assert connection.execute("SELECT count(*) FROM images").fetchone() == (0,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT * FROM tokens")
        with psycopg.connect(cluster.url(name)) as connection:
            owner = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'images'").fetchone()
            assert owner == (f"{name}_owner",)
    (tmp_path / "objects").mkdir()
    settings = Settings.model_validate(
        {
            "database_url": as_role(cluster.url("blue"), "blue_app"),
            "migration_database_url": as_role(cluster.url("blue"), "blue_owner"),
            "storage_url": f"file:{tmp_path / 'objects'}",
            "auth": "none",
            "database_pool_size": 2,
        }
    )
    async with client_of(settings) as client:
        assert (await client.get("/readyz")).status_code == 200

    # With the default role, it would let the logins of the others in.
    code, _, err = create("green", "--app", "images_app")
    assert code == 3
    assert err.startswith(
        "error: the roles cannot be created: images_app has members that belong to another installation: "
    )


def roles_sql(url: str, *variables: str) -> "subprocess.CompletedProcess[str]":
    command = [str(binaries(VERSION) / "psql"), "--no-psqlrc", "--quiet", "-d", url]
    command += [part for variable in variables for part in ("-v", variable)]
    return subprocess.run([*command, "-f", str(ROOT / "sql" / "roles.sql")], capture_output=True, text=True)


def rights(url: str) -> object:
    with psycopg.connect(url) as connection:
        return connection.execute(
            """
            SELECT
                (SELECT array_agg(acl::text ORDER BY acl::text) FROM pg_database, unnest(datacl) AS acl
                    WHERE datname = current_database()),
                (SELECT array_agg(acl::text ORDER BY acl::text) FROM pg_namespace, unnest(nspacl) AS acl
                    WHERE nspname = 'public'),
                array_agg(DISTINCT tableowner::text)
            FROM pg_tables
            WHERE schemaname = 'public'
            """
        ).fetchone()


def test_other_names_do_not_take_the_tables_of_an_installation(cluster: Server, create: object) -> None:
    assert callable(create)
    assert create("zoo")[0] == 0
    url = cluster.url("zoo")
    migrated = yoyo_on(as_role(url, "zoo_owner"), "apply")
    assert migrated.returncode == 0, migrated.stderr
    before = rights(url)

    for variables in ([], ["app=zoo_app"], ["owner=pond_owner", "app=pond_app"]):
        done = roles_sql(url, *variables)
        assert done.returncode == 3
        assert "the tables in the database zoo belong to zoo_owner, not to " in done.stderr
        assert "-v owner=zoo_owner -v app=zoo_app, or images database create zoo --owner zoo_owner" in done.stderr
        assert rights(url) == before
    code, _, err = create("zoo", "--owner", "pond_owner")
    assert code == 3
    assert "belong to zoo_owner, not to pond_owner" in err
    done = roles_sql(url, "owner=zoo_owner")
    assert done.returncode == 3
    assert "the login of the database zoo is zoo_app, not images_app" in done.stderr
    assert roles_sql(url, "owner=zoo_owner", "app=zoo_app").returncode == 0
    assert rights(url) == before

    assert create("zoo", "--owner", "pond_owner", "--former", "zoo_owner")[0] == 0
    assert "zoo_owner" not in str(rights(url))
    assert create("zoo", "--former", "pond_owner")[0] == 0
    assert rights(url) == before
    assert create("zoo", "--former", "nobody")[0] == 2


def test_roles_that_cannot_log_in_can_afterwards(cluster: Server, create: object) -> None:
    assert callable(create)
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute("CREATE ROLE pier_app NOLOGIN")
        connection.execute("CREATE ROLE pier_owner NOLOGIN")
        connection.execute("CREATE ROLE lake_owner NOLOGIN")
        connection.execute("CREATE ROLE lake_migrator LOGIN IN ROLE lake_owner")

    code, out, err = create("pier")

    assert (code, err) == (0, "")
    assert out.splitlines()[1:3] == [
        f"role     {'pier_owner':20}is there, and can log in now",
        f"role     {'pier_app':20}is there, and can log in now",
    ]
    for role in ("pier_app", "pier_owner"):
        psycopg.connect(as_role(cluster.url("pier"), role)).close()
    assert "now" not in create("lake")[1]  # a MIGRATION_ROLE
    with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
        psycopg.connect(as_role(cluster.url("lake"), "lake_owner"))


def test_wrong_names_are_rejected_before_anything_is_created(create: object) -> None:
    assert callable(create)
    for arguments in (["Shop"], ["a b"], ["x; DROP"], ["shop", "--owner", "Ü"], ["shop", "--app", "shop_owner"]):
        code, out, err = create(*arguments)
        assert (code, out) == (2, ""), err
