"""Readers of the deployment files: Dockerfile, compose.yaml and deploy/."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from app.settings import ROOT

DOCKERFILE = re.sub(r"\\\n", "", (ROOT / "Dockerfile").read_text())


def instructions(name: str) -> list[str]:
    """Return the arguments of each instruction with this name, from the first stage to the last."""
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)


def is_healthy(port: int) -> bool:
    """Return whether the health check of the Dockerfile succeeds for a service on this machine."""
    [check] = instructions("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(command, env={"PATH": path, "UVICORN_PORT": str(port)}, capture_output=True).returncode == 0


def documents(name: str) -> list[dict[str, Any]]:
    """Return the documents of a YAML file."""
    return list(yaml.safe_load_all((ROOT / name).read_text()))
