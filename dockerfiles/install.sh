#!/bin/sh
# What the builders of all images run, one step a stage.
#
#   sh dockerfiles/install.sh tools                   uv and the build backend
#   sh dockerfiles/install.sh dependencies EXTRA...   what these extras of pyproject.toml need, into /opt/venv
#   sh dockerfiles/install.sh locked FILE             what a file of pins names and nothing else, into /opt/venv
#   sh dockerfiles/install.sh package                 the package alone, into /opt/package, to be laid over /opt/venv
#   sh dockerfiles/install.sh editable                the same, but its source is looked for where this runs
#
# Versions are those of requirements/constraints.txt; the base image's own settings of pip and uv hold.
# ACCELERATOR: cpu or cuda. TORCH_INDEX: where PyTorch's CPU builds are, for base images that offer none.
set -eu

VENV=/opt/venv
LOCK=requirements/constraints.txt
OWNER=10001:10001
export UV_PYTHON=$VENV/bin/python UV_LINK_MODE=copy UV_NO_PROGRESS=1

pinned() { sed -n "s/^$1==\([^ ;]*\).*/$1==\1/p" "$LOCK" | head -n 1; }

tools() {
  python -m pip install --quiet --root-user-action=ignore --disable-pip-version-check \
    --constraint "$LOCK" "$(pinned uv)" "$(pinned hatchling)" "$(pinned editables)"
  uv venv --quiet --python "$(command -v python)" "$VENV"
}

# The index's own build is CUDA's and brings CUDA along; the CPU's is a fifth of it, and stands elsewhere.
install_torch() {
  if [ "$ACCELERATOR" = cpu ]; then
    uv pip install --no-deps "$(pinned torch)+cpu" 2>/dev/null ||
      uv pip install --no-deps --index-url "$TORCH_INDEX" "$(pinned torch)+cpu"
  fi
}

# ONNX Runtime's GPU build is the same module under another name, so it comes in the other's place. Torch's is the one
# without a suffix: "==" would take a CPU build that the base image's settings may offer.
cuda_options() {
  if [ "$ACCELERATOR" = cuda ]; then
    echo "onnxruntime ; python_version < '0'" >/tmp/overrides.txt
    pinned torch | sed 's/==/===/' >>/tmp/overrides.txt
    echo "--requirements requirements/cuda.txt --overrides /tmp/overrides.txt"
  fi
}

# Headers, static libraries, sources of compiled modules, tests (PyTables imports its own), torch's test programs, Arrow's
# network protocols (files behind addresses are fsspec's), ONNX Runtime's models and its library for other languages, what
# Bokeh serves to developers, of MLflow's clients those of Databricks, Google and Git, and uv, which pins and installs:
# nothing here imports them. Of libraries, what the loader does not read.
leave_out() {
  rm -f "$VENV/bin/uv" "$VENV/bin/uvx"
  cd "$("$UV_PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
  rm -rf torch/test torch/bin/*[Tt]est* torch/bin/protoc* torch/include torch/share pyarrow/include numpy/_core/include
  find . -mindepth 2 -maxdepth 2 -name tests ! -path './tables/*' -exec rm -rf {} +
  rm -rf pyarrow/libarrow_flight* pyarrow/_flight* pyarrow/libarrow_s3* pyarrow/_s3fs* pyarrow/src onnx/backend/test
  rm -rf Cryptodome/SelfTest mypy/test mypyc/test tornado/test
  rm -rf onnxruntime/transformers/models
  [ "$ACCELERATOR" = cuda ] || rm -f onnxruntime/capi/libonnxruntime.so.*
  rm -rf databricks/sdk google/auth google/oauth2 pyasn1 pyasn1_modules git gitdb smmap sqlalchemy/testing
  rm -rf bokeh/server/static/js/lib
  [ ! -d bokeh ] || find bokeh/server/static/js -name '*.js' ! -name '*.min.js' -delete
  for each in numpy sympy networkx fontTools dask distributed; do
    [ ! -d "$each" ] || find "$each" -depth -type d -name tests -exec rm -rf {} +
  done
  find . -name '*.a' -delete -o -name '*.pyx' -delete -o -name '*.pxi' -delete -o -name '*.pxd' -delete
  find . -path ./torch -prune -o \( -name '*.c' -o -name '*.cc' \) -exec rm -f {} +
  cd - >/dev/null
  "$UV_PYTHON" dockerfiles/strip.py "$VENV"
}

# The files never change again, so nobody needs to look whether they did.
compile() { "$UV_PYTHON" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$1"; }

finish() {
  leave_out
  compile "$VENV/lib" || echo "install: some files that are never imported do not compile" >&2
  # The mount points: a new volume takes its owner from here. They are empty, since what is in them would be copied into
  # it as well, and containers that are created at once stumble over each other's copying.
  mkdir -p /opt/app/data /opt/app/models /opt/app/configs
  chown -R "$OWNER" /opt/app
}

locked() {
  uv pip install --requirements "$1"
  finish
}

dependencies() {
  extras=
  for extra in "$@"; do
    extras="$extras --extra $extra"
    case $extra in train | dev) install_torch ;; esac
  done
  # shellcheck disable=SC2046,SC2086 # several words, each an argument
  uv pip install --constraints "$LOCK" --requirements pyproject.toml $extras $(cuda_options)
  finish
}

package() {
  python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /tmp/wheel .
  uv pip install --no-deps --prefix /opt/package /tmp/wheel/*.whl
  compile /opt/package
}

editable() { uv pip install --no-deps --prefix /opt/package --build-constraints "$LOCK" --editable .; }

case ${ACCELERATOR:=cpu} in
  cpu | cuda) ;;
  *)
    echo "install: ACCELERATOR is '$ACCELERATOR': expected cpu or cuda" >&2
    exit 2
    ;;
esac
step=$1
shift
"$step" "$@"
