#!/usr/bin/env bash
# Pins the packages of pyproject.toml's dependency groups, with all that they need, without addresses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
group() {
  python3 -c 'import sys, tomllib; print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"][sys.argv[1]]))' "$1"
}
python3 -m venv "$folder/venv"
pip="$folder/venv/bin/pip --quiet --disable-pip-version-check"
header="# Made by \`make lock\` from pyproject.toml."

group run >"$folder/run.txt"
$pip install -r "$folder/run.txt"
{ echo "$header"; $pip freeze --all | grep -v '^pip=='; } >requirements.txt

group test >"$folder/test.txt"
$pip install -r "$folder/test.txt"
{ echo "$header"; echo "-r requirements.txt"; $pip freeze --all | grep -v '^pip==' | grep -vxFf requirements.txt; } >requirements-test.txt
