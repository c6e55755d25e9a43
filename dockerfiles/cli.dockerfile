# The command line without torch: download, preprocess, predict and all else that trains nothing.
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS tools
WORKDIR /build
COPY requirements/constraints.txt requirements/
COPY dockerfiles/install.sh dockerfiles/strip.py dockerfiles/
RUN --mount=type=cache,target=/root/.cache sh dockerfiles/install.sh tools

FROM tools AS dependencies
ARG ACCELERATOR=cpu
COPY pyproject.toml ./
COPY requirements/cuda.txt requirements/
RUN --mount=type=cache,target=/root/.cache sh dockerfiles/install.sh dependencies cli cluster

FROM tools AS chart
COPY package.json package-lock.json ./
COPY scripts/fetch_web.py scripts/
RUN --mount=type=cache,target=/root/.cache python scripts/fetch_web.py

FROM tools AS package
COPY scripts/fetch_web.py scripts/
COPY pyproject.toml hatch_build.py README.md package.json package-lock.json ./
COPY configs configs
COPY src src
COPY --from=chart /build/src src
RUN --mount=type=cache,target=/root/.cache sh dockerfiles/install.sh package

FROM ${BASE_IMAGE}
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DATA_PATH=/app/data \
    MODELS_PATH=/app/models \
    CONFIGS_PATH=/app/configs \
    HOME=/tmp
WORKDIR /app
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=dependencies --chown=10001:10001 /opt/app /app
COPY --from=package /opt/package /opt/venv
USER 10001:10001
CMD ["edmlops", "--help"]

# Last, so that a new revision changes no layer.
ARG ACCELERATOR=cpu
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
ARG LICENCE=NOASSERTION
LABEL org.opencontainers.image.title="energy-disaggregation-cli" \
      org.opencontainers.image.description="The command line of energy disaggregation, without training." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="${LICENCE}" \
      energy-disaggregation.accelerator="${ACCELERATOR}"
