# Two stages: the first installs, with pip; the second has the virtual environment and the project, and no pip in it.
# Any uid will do: nothing is written but what STORAGE_URL names and temporary files in /tmp.

FROM python:3.13-slim AS build
WORKDIR /srv/images
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements/service.txt requirements/
# The wheels' libraries come with the names of their parts for debuggers: 70 MB. Those in *.libs are left as they are, since
# auditwheel has moved what strip would break.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --require-hashes -r requirements/service.txt \
    && find /opt/venv -name '*.so' -not -path '*.libs/*' -exec strip --strip-unneeded {} +
# The project stays in its folder, where app/ and sql/ are; this registers its command and its yoyo backend.
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN pip --python /opt/venv/bin/python install --no-deps --no-build-isolation --editable . \
    && pip --python /opt/venv/bin/python uninstall --yes flit-core

FROM python:3.13-slim
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 UVICORN_HOST=0.0.0.0
WORKDIR /srv/images
COPY --from=build /opt/venv /opt/venv
COPY pyproject.toml yoyo.ini entrypoint.sh ./
COPY sql sql
COPY app app
# /objects is for STORAGE_URL=file:/objects: a container's group is root whatever its uid, and a new volume takes the
# folder's mode over. Nothing is installed from here on, so pip goes.
RUN python -m compileall -q app && install -d -m 0770 /objects \
    && pip uninstall --yes --quiet --root-user-action=ignore pip
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["python", "-c", \
    "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('UVICORN_PORT') or 8000), 2); \
c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["./entrypoint.sh"]
