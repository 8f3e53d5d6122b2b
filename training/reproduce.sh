#!/bin/sh
# Trains the named models, or all, from nothing and checks what was written:
#   training/reproduce.sh [road-sign | traffic-light | image-classification |
#                          object-detection | lane-keeping]...
# PYTHON names the interpreter for the virtual environment (default python3).
set -eu
cd "$(dirname "$0")"
[ -d .venv ] || "${PYTHON:-python3}" -m venv .venv
.venv/bin/pip install --quiet --requirement requirements.txt
[ $# -gt 0 ] ||
    set -- road-sign traffic-light image-classification object-detection lane-keeping
for name; do
    package=$(echo "$name" | tr - _)
    echo "== $name"
    .venv/bin/python -m "$package.train"
    .venv/bin/python -m "$package.check"
done
