"""What the files for a deployment say: Dockerfile, compose.yaml and deploy/."""

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
    """The arguments of each of these instructions, from the first stage to the last."""
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)


def is_healthy(port: int) -> bool:
    """What the image's own health check says of a service of this machine."""
    [check] = instructions("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(command, env={"PATH": path, "UVICORN_PORT": str(port)}, capture_output=True).returncode == 0


def documents(name: str) -> list[dict[str, Any]]:
    """Those of a YAML file."""
    return list(yaml.safe_load_all((ROOT / name).read_text()))
