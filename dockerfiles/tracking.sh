#!/bin/sh
# Serves MLflow's page over the models' record of runs, once there is one: it may only read, and so can't make it.
set -eu

store=$MODELS_PATH/.runs/runs.db
told=
until [ -f "$store" ]; do
  [ -n "$told" ] || echo "no run is on record in $store yet: waiting for the first training" >&2
  told=yes
  sleep 2
done
# Names that a browser on this host or a service on the bridge says. By default MLflow also believes every name that
# begins with 10., which may be anybody's.
exec mlflow server --backend-store-uri "sqlite:///$store" --no-serve-artifacts --host 0.0.0.0 --port 5000 --workers 1 \
  --allowed-hosts 'localhost,localhost:*,127.0.0.1,127.0.0.1:*,tracking:*'
