# The HTTP service: ONNX Runtime, no torch and nothing that reads raw data.
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
RUN --mount=type=cache,target=/root/.cache sh dockerfiles/install.sh dependencies api

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
ENV API_HOST=0.0.0.0 \
    API_PORT=8000
EXPOSE 8000
# Python, because the image has no curl; 503 is an error to urlopen.
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --start-interval=2s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['API_PORT'] + '/health', timeout=9)"]
CMD ["python", "-m", "energy_dissagregation_mlops.api"]

# Last, so that a new revision changes no layer.
ARG ACCELERATOR=cpu
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
ARG LICENCE=NOASSERTION
LABEL org.opencontainers.image.title="energy-disaggregation-api" \
      org.opencontainers.image.description="Each appliance's power from one home's meter, over HTTP." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="${LICENCE}" \
      energy-disaggregation.accelerator="${ACCELERATOR}"
