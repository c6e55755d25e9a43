"""What tags and metrics of a run are called in MLflow."""

from __future__ import annotations

IDENTITY = "edmlops.run"  # tag: the same for a run and what resumes it
DATA = "edmlops.data_sha256"
BUNDLE = "edmlops.bundle"
BUNDLE_SHA256 = "edmlops.bundle_sha256"
ERROR = "edmlops.error"
ENVIRONMENT = "environment."  # tags begin so
USER = "mlflow.user"  # MLflow's own, for a person's name
NEWEST_FIRST = "attributes.start_time DESC"  # an order of runs
BEST = "best_score"  # metric: the least "score" so far
