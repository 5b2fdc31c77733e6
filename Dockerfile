# The first stage installs the packages with pip. The second stage has the virtual environment and the project.
# The container runs with any uid. It writes only to the place that STORAGE_URL names, and temporary files to /tmp.

# The base of both stages. A tag moves: a build of tomorrow may have another Debian. To pin it, write the digest behind
# the tag: `python:3.13-slim@sha256:DIGEST`. The digest of the index is for all platforms. This command prints it:
#
#   docker buildx imagetools inspect python:3.13-slim --format '{{.Manifest.Digest}}'
#
# Renew the digest each week, and when `make sbom ROOT=...` shows a package with a known hole. It brings Debian's fixes.
FROM python:3.13-slim AS base

FROM base AS build
WORKDIR /srv/images
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements/service.txt requirements/formats.txt requirements/
# With `--build-arg FORMATS=all`, the image reads BMP, HEIC and JPEG XL too. It is 30 MB larger then.
ARG FORMATS=
# strip removes the debug symbols of the wheels' libraries: 70 MB. It skips *.libs, because auditwheel has patched those
# libraries, and strip would break them.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
RUN python -m venv --without-pip /opt/venv \
    && pip --python /opt/venv/bin/python install --require-hashes -r requirements/service.txt \
        ${FORMATS:+-r requirements/formats.txt} \
    && find /opt/venv -name '*.so' -not -path '*.libs/*' -exec strip --strip-unneeded {} +
# The project is installed editable, so it stays in its folder with app/ and sql/. This registers the `images` command
# and the yoyo backend.
COPY pyproject.toml README.md LICENSE ./
COPY app app
RUN pip --python /opt/venv/bin/python install --no-deps --no-build-isolation --editable . \
    && pip --python /opt/venv/bin/python uninstall --yes flit-core

FROM base
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 UVICORN_HOST=0.0.0.0
WORKDIR /srv/images
COPY --from=build /opt/venv /opt/venv
COPY pyproject.toml yoyo.ini entrypoint.sh ./
COPY sql sql
COPY app app
# /objects is for STORAGE_URL=file:/objects. With any uid, the group of a container is root, so the folder is writable
# for the group. A new volume copies this mode. This stage needs no pip, so it removes it.
RUN python -m compileall -q app && install -d -m 0770 /objects \
    && pip uninstall --yes --quiet --root-user-action=ignore pip
USER 10001
EXPOSE 8000
# app/cli/start.py answers it while migrations run.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["python", "-c", \
    "import http.client as h, os; c = h.HTTPConnection('127.0.0.1', int(os.environ.get('UVICORN_PORT') or 8000), 2); \
c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["./entrypoint.sh"]
