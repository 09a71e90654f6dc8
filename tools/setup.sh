#!/usr/bin/env bash
# Makes the virtual environment $1 and installs the locked dependencies $2 into it.
set -euo pipefail
venv=$1
lock=$2
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "Lifeline needs Python 3.11 or newer; '$python' is $("$python" -V 2>&1 || echo 'not there')." \
    "Name another with: make PYTHON=/path/to/python3.12 …" >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  echo "Python's venv is not installed; installing python$version-venv …"
  tools/packages.sh "python$version-venv"
fi
if [ ! -x "$venv/bin/python" ]; then
  echo "Making the virtual environment $venv …"
  "$python" -m venv "$venv"
fi
echo "Installing the locked dependencies of $lock (about a minute the first time) …"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
