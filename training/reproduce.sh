#!/bin/sh
# Trains the road-sign model from nothing and checks what it wrote.
# PYTHON names the interpreter for the virtual environment (default python3).
set -eu
cd "$(dirname "$0")"
[ -d .venv ] || "${PYTHON:-python3}" -m venv .venv
.venv/bin/pip install --quiet --requirement requirements.txt
.venv/bin/python train.py
.venv/bin/python check.py
