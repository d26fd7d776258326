# syntax=docker/dockerfile:1
# Two images of one code base, each with exactly the locked libraries that it needs:
#   docker build --target serve .       the service: no training library
#   docker build --target pipeline .    retrain, score, Prefect worker, MLflow and Prefect servers
# The locks are complete, so that pip resolves nothing (--no-deps).
# PYTHON_IMAGE may name a mirror or a digest that you have verified.
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PATH=/opt/venv/bin:$PATH
RUN groupadd --gid 10001 housing \
    && useradd --uid 10001 --gid housing --no-create-home --home-dir /state --shell /usr/sbin/nologin housing \
    && install --directory --owner=housing --group=housing /state /alertmanager
WORKDIR /app

FROM base AS serve-libraries
COPY requirements-serve.lock ./
RUN python -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir --no-compile --no-deps --require-hashes \
        --only-binary :all: --requirement requirements-serve.lock \
    && /opt/venv/bin/python -m pip uninstall --yes pip setuptools

FROM base AS pipeline-libraries
COPY requirements.lock ./
RUN python -m venv /opt/venv \
    && /opt/venv/bin/python -m pip install --no-cache-dir --no-compile --no-deps --require-hashes \
        --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY housing_ml housing_ml
COPY flows flows
COPY serve serve
RUN /opt/venv/bin/python -m pip install --no-cache-dir --no-compile --no-deps --no-build-isolation . \
    && /opt/venv/bin/python -m pip uninstall --yes pip setuptools

FROM base AS pipeline
COPY --from=pipeline-libraries /opt/venv /opt/venv
COPY pyproject.toml prefect.yaml ./
COPY deployments/*.py deployments/
ARG COMMIT=unknown
LABEL org.opencontainers.image.revision=$COMMIT
ENV HOUSING_COMMIT=$COMMIT \
    HOUSING_HOME=/state \
    PREFECT_HOME=/state/prefect \
    MPLCONFIGDIR=/tmp/matplotlib \
    WANDB_DIR=/tmp \
    DO_NOT_TRACK=1 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false
USER 10001:10001
VOLUME ["/state"]
CMD ["housing", "retrain"]

FROM base AS serve
COPY --from=serve-libraries /opt/venv /opt/venv
COPY housing_ml housing_ml
COPY serve serve
# What a start imports is compiled here once, and not at each start: half the CPU, for 7 MB.
RUN PYTHONPATH=/app PYTHONDONTWRITEBYTECODE='' python -c "import serve.__main__, serve.app, serve.sources.gcs, serve.sources.registry"
ARG COMMIT=unknown
LABEL org.opencontainers.image.revision=$COMMIT
# The root file system may be read-only: what is written goes to /state and /tmp.
ENV HOUSING_COMMIT=$COMMIT \
    PYTHONPATH=/app \
    PORT=8000 \
    HOUSING_SERVE_HOST=0.0.0.0 \
    HOUSING_SERVE_STATE=/state \
    HOUSING_SERVE_RELEASES=/releases
USER 10001:10001
VOLUME ["/state"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(f\"http://127.0.0.1:{os.environ['PORT']}/health/ready\", timeout=2)"]
# `exec`: signals reach Python itself, which answers what is under way and leaves.
CMD ["sh", "-c", "HOUSING_SERVE_PORT=\"$PORT\" exec python -m serve"]
