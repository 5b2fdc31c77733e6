"""Dockerfile, compose.yaml and deploy/, held to the service, and to the schemas of those who read them.

That the image is built, and runs, needs what builds images: docs/how-to/operate/run-a-container.md.
"""

import base64
import hashlib
import hmac
import os
import re
import shutil
import socket
import socketserver
import subprocess
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from app.cli import main
from app.embedded_postgres import binaries
from app.settings import ROOT, Settings
from tests.conftest import VERSION
from tests.support.deployed import documents, instructions

DEPLOYMENT, SERVICE, BUDGET = documents("deploy/kubernetes.yaml")
[JOB] = documents("deploy/migrate.yaml")
[CRON] = documents("deploy/check-objects.yaml")
[COMPOSE] = documents("compose.yaml")
POD = DEPLOYMENT["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
[MIGRATOR] = JOB["spec"]["template"]["spec"]["containers"]
CHECK_POD = CRON["spec"]["jobTemplate"]["spec"]["template"]["spec"]
[CHECKER] = CHECK_POD["containers"]
ENVIRONMENT = {each["name"]: each["value"] for each in CONTAINER["env"]}
OTHERS = {
    "AWS_REGION",
    "SECRETS_DIR",
    "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN",
    "UVICORN_TIMEOUT_KEEP_ALIVE",
    "WEB_CONCURRENCY",
}


def test_what_the_image_copies_is_there_and_is_not_ignored() -> None:
    ignored, *kept = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored == "*"
    for copied in instructions("COPY"):
        *sources, _ = copied.split()
        if not copied.startswith("--from"):
            for source in sources:
                assert (ROOT / source).exists()
                assert any(f"!{source}".startswith(line) or line.startswith(f"!{source}") for line in kept), source


@pytest.mark.parametrize("version", ["1.30", "1.37"])
@pytest.mark.parametrize("document", [DEPLOYMENT, SERVICE, BUDGET, JOB, CRON], ids=lambda document: document["kind"])
def test_kubernetes_takes_it(document: dict[str, Any], version: str) -> None:
    import kubernetes_validate  # here, as below: its import is slow, and each process of the suite collects this module

    kubernetes_validate.validate(document, version, strict=True)


def test_compose_takes_it() -> None:
    import compose_spec

    compose_spec.PyCompose.from_yaml((ROOT / "compose.yaml").read_text()).validate()


@pytest.mark.parametrize("variables", [ENVIRONMENT, COMPOSE["services"]["images"]["environment"]])
def test_each_variable_is_one_that_the_service_reads(
    variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {name for name in variables if name not in OTHERS}
    assert named <= {name.upper() for name in Settings.model_fields}
    for name in named:
        monkeypatch.setenv(name, str(variables[name]))
    monkeypatch.setenv("DATABASE_URL", "postgresql://app@localhost/images")
    Settings(_env_file=None)


def test_secrets_are_files_where_the_service_looks_for_them() -> None:
    for container, spec in ((CONTAINER, POD), (MIGRATOR, JOB["spec"]["template"]["spec"]), (CHECKER, CHECK_POD)):
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert {volume["name"] for volume in spec["volumes"]} == set(mounts) == {"tmp", "secrets"}
        assert {"name": "SECRETS_DIR", "value": mounts["secrets"]} in container["env"]
        # The kubelet mounts tokens below /run/secrets, which fails below a read-only mount.
        assert not mounts["secrets"].startswith(("/run", "/var/run"))
    keys = [key for key, _ in _secrets("deploy/kubernetes.yaml")["images"]]
    for name in [*keys, *COMPOSE["services"]["images"]["secrets"]]:
        assert name.lower() in Settings.model_fields
    assert all("file" in secret for secret in COMPOSE["secrets"].values())


def test_compose_gives_the_service_the_two_roles(
    empty_database: str, admin: psycopg.Connection, tmp_path: Path
) -> None:
    """The service is images_app, and its migrator images_owner. Each has a password of its own."""
    (tmp_path / "deploy").mkdir()
    script = shutil.copy(ROOT / "deploy" / "compose-secrets", tmp_path / "deploy")
    for _ in range(2):
        subprocess.run([script], cwd="/", check=True)
        files = {name: (tmp_path / secret["file"]).read_text() for name, secret in COMPOSE["secrets"].items()}
        (tmp_path / "secrets" / "app_password").write_text("kept")
    services = COMPOSE["services"]
    mounts = dict(mount.split(":")[:2] for mount in services["postgres"]["volumes"])
    folder = Path(mounts["./deploy/compose-roles.sql"]).parent
    assert (folder / "../sql").resolve() == Path(mounts["./sql"])

    command = ["psql", "--no-psqlrc", "--quiet", "-v", f"secrets={tmp_path / 'secrets'}", "-d", empty_database, "-f"]
    done = subprocess.run(
        [binaries(VERSION) / command[0], *command[1:], ROOT / "deploy" / "compose-roles.sql"],
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert files["app_password"] == "kept"
    assert {*services["images"]["secrets"]} == {"database_url", "migration_database_url"}
    for url, role in (("database_url", "app"), ("migration_database_url", "owner")):
        password = files[f"{role}_password"]
        assert files[url] == f"postgresql://images_{role}:{password}@postgres/images"
        assert f"{role}_password" in services["postgres"]["secrets"]
        stored = admin.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [f"images_{role}"]).fetchone()
        assert stored is not None
        assert fits(password, stored[0])
        admin.execute(f"ALTER ROLE images_{role} PASSWORD NULL")


def fits(password: str, verifier: str) -> bool:
    """Return whether PostgreSQL would accept the password for this SCRAM verifier."""
    _, rounds, salt, stored, _ = re.split(r"[$:]", verifier)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))
    key = hmac.digest(salted, b"Client Key", "sha256")
    return base64.b64encode(hashlib.sha256(key).digest()).decode() == stored


def test_only_the_job_needs_the_password_of_the_owner() -> None:
    """With MIGRATE=false, the Secret of the Deployment can omit the owner, so the Job must have another Secret."""
    deployed, owner = (
        next(volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume)
        for spec in (POD, JOB["spec"]["template"]["spec"])
    )
    assert deployed != owner
    settings = dict(_secrets("deploy/migrate.yaml")[owner])
    assert settings["DATABASE_URL"].startswith("postgresql://images_owner")  # required, also by `yoyo apply`


def _secrets(file: str) -> dict[str, list[tuple[str, str]]]:
    """Return the literals of each Secret that the comments of a file create."""
    text = re.sub(r"\\\n# +", "", (ROOT / file).read_text())
    created = re.findall(r"create secret generic (\S+) (.*)", text)
    return {name: re.findall(r"--from-literal=([A-Z_]+)=(\S+)", literals) for name, literals in created}


def test_probes_and_ports_are_the_service_s() -> None:
    [port] = CONTAINER["ports"]
    assert instructions("EXPOSE") == [str(port["containerPort"])]
    assert SERVICE["spec"]["ports"][0]["targetPort"] == port["name"]
    assert DEPLOYMENT["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(port["containerPort"])
    paths = {probe: CONTAINER[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    patience = Settings.model_fields["database_statement_timeout"].default
    assert CONTAINER["readinessProbe"]["timeoutSeconds"] > patience


def test_all_find_each_other_by_the_same_labels() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    for selector in (DEPLOYMENT["spec"]["selector"], BUDGET["spec"]["selector"]):
        assert selector == {"matchLabels": labels}
    assert SERVICE["spec"]["selector"] == labels
    assert JOB["spec"]["template"]["metadata"]["labels"] != labels
    assert MIGRATOR["image"] == CHECKER["image"] == CONTAINER["image"]


def test_it_has_the_time_that_it_takes_to_end() -> None:
    limit = int(ENVIRONMENT["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"])
    drain = CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"] + int(ENVIRONMENT["SHUTDOWN_DELAY"]) + limit
    assert POD["terminationGracePeriodSeconds"] >= drain + 15
    service = COMPOSE["services"]["images"]
    grace = int(service["stop_grace_period"].removesuffix("s"))
    assert grace >= service["environment"]["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"] + 15


def test_it_has_no_rights_that_it_does_not_need() -> None:
    for container, spec in ((CONTAINER, POD), (MIGRATOR, JOB["spec"]["template"]["spec"]), (CHECKER, CHECK_POD)):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert instructions("USER") == [str(spec["securityContext"]["runAsUser"])]
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    service = COMPOSE["services"]["images"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]


def unit(name: str) -> dict[str, str]:
    """The last value of each name in a unit of systemd."""
    lines = (ROOT / "deploy" / "systemd" / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]\w+=", line))


def test_the_systemd_unit_is_right() -> None:
    """It has the time to end, and the decoder can confine itself. systemd itself verifies the rest, if it is here."""
    values = unit("images.service")
    assert (ROOT / Path(values["ExecStart"]).relative_to(values["WorkingDirectory"])).is_file()
    assert (ROOT / Path(values["ExecStartPost"]).relative_to(values["WorkingDirectory"])).is_file()
    assert int(values["TimeoutStopSec"]) >= 10 + 30 + 15
    assert (values["Restart"], values["StartLimitIntervalSec"]) == ("always", "0")
    assert values["OOMPolicy"] == "continue"  # else a decoder that the kernel kills ends the service
    assert {"seccomp", "landlock_restrict_self"} <= set(values["SystemCallFilter"].split())
    if shutil.which("systemd-analyze"):
        units = sorted((ROOT / "deploy" / "systemd").glob("images*"))
        done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
        other = [line for line in done.stderr.splitlines() if "is not executable" not in line]
        assert other == []


def test_the_nightly_check_is_one_of_the_service() -> None:
    """It has the settings and the rights of the service, and a command that the CLI knows."""
    service, check = (unit("images.service"), unit("images-check.service"))
    for name in ("User", "WorkingDirectory", "EnvironmentFile", "ProtectSystem", "NoNewPrivileges", "StateDirectory"):
        assert check[name] == service[name]
    command = check["ExecStart"].removeprefix("/srv/images/.venv/bin/")
    assert command in CHECKER["args"][-1]
    assert command in (ROOT / "docs" / "how-to" / "operate" / "check-the-object-store.md").read_text()
    assert main.run([*command.split()[1:], "--help"]) == 0
    environment = {each["name"]: each["value"] for each in CHECKER["env"]}
    assert environment.items() <= ENVIRONMENT.items()


WAIT_UNTIL_READY = ROOT / "deploy" / "systemd" / "wait-until-ready"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "", "socket"])  # noqa: S104
def test_the_unit_waits_for_the_address_of_the_service(host: str, tmp_path: Path) -> None:
    variables = {"UVICORN_HOST": host}
    if host == "socket":
        server: socketserver.BaseServer = socketserver.UnixStreamServer(str(tmp_path / "socket"), _Ready)
        variables = {"UVICORN_UDS": str(tmp_path / "socket")}
    else:
        server = (_Server6 if ":" in host else socketserver.TCPServer)((host, 0), _Ready)
        variables["UVICORN_PORT"] = str(server.server_address[1])
    with server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        # A proxy for the object store must not get the request.
        subprocess.run(
            [WAIT_UNTIL_READY],
            env=os.environ | variables | {"MAINPID": str(os.getpid()), "http_proxy": "http://127.0.0.1:9"},
            check=True,
            timeout=20,
        )
        server.shutdown()


def test_the_unit_waits_no_longer_than_the_service_lives() -> None:
    """Else systemd would wait for the command and would not start the service again."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    variables = {"MAINPID": str(ended.pid), "UVICORN_PORT": "9"}
    assert subprocess.run([WAIT_UNTIL_READY], env=os.environ | variables, timeout=20).returncode == 1


class _Server6(socketserver.TCPServer):
    address_family = socket.AF_INET6


class _Ready(socketserver.StreamRequestHandler):
    """Answers 200."""

    def handle(self) -> None:
        self.rfile.readline()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
