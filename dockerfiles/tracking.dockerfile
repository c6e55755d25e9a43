# MLflow's page over the record of runs: the whole of MLflow, pinned apart from all else, and nothing of ours.
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS tools
WORKDIR /build
COPY requirements/constraints.txt requirements/
COPY dockerfiles/install.sh dockerfiles/strip.py dockerfiles/
RUN --mount=type=cache,target=/root/.cache sh dockerfiles/install.sh tools

FROM tools AS dependencies
COPY requirements/tracking.txt requirements/
RUN --mount=type=cache,target=/root/.cache sh dockerfiles/install.sh locked requirements/tracking.txt

FROM ${BASE_IMAGE}
# It tells nobody of its use, runs no jobs, and reads from /app/models and nowhere else.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MODELS_PATH=/app/models \
    HOME=/tmp \
    MLFLOW_DISABLE_TELEMETRY=true \
    DO_NOT_TRACK=true \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
WORKDIR /app
COPY --from=dependencies /opt/venv /opt/venv
COPY --from=dependencies --chown=10001:10001 /opt/app /app
COPY dockerfiles/tracking.sh /opt/
USER 10001:10001
EXPOSE 5000
HEALTHCHECK --interval=15s --timeout=10s --start-period=300s --start-interval=2s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/health', timeout=9)"]
CMD ["sh", "/opt/tracking.sh"]

# Last, so that a new revision changes no layer.
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
ARG LICENCE=NOASSERTION
LABEL org.opencontainers.image.title="energy-disaggregation-tracking" \
      org.opencontainers.image.description="MLflow's page over the record of training runs." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="${LICENCE}"
