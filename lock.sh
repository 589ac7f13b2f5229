#!/usr/bin/env bash
# Pins every package with its hashes: `make lock` keeps the versions that still fit, `make lock UPGRADE=1` takes the newest.
#
# requirements.txt: the packages of the suite. requirements-test.txt: those, and the packages of its tests.
# */requirements.txt: the packages in an app's zip. All have the same versions, and none names an index.
# localaws/parity/*-requirements.txt: the packages of the suites that `make parity` runs.
# deploy/audit/requirements.txt: the tools of `make audit`. bench/mutants/requirements.txt: the tool of `make mutants`.
# sandbox/soak/requirements.txt: the tool of `make soak`, and the packages of its clients, which have the versions of above.
# bench/peers/*-requirements.txt: what `make bench` compares with; its package-lock.json is npm's.
# deploy/licenses/requirements.txt: the tools of `make licenses`, `make sbom` and `make scan`. docs/site/requirements.txt: that of `make docs`.
set -euo pipefail
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check uv==0.13.9

lock() {
  echo "Locking ${*: -1}"
  "$folder/bin/uv" --quiet pip compile --generate-hashes --no-annotate --custom-compile-command "make lock" \
    ${UPGRADE:+--upgrade} "$@"
}
everywhere=(--universal --python-version 3.12)

zips=(*/requirements.in deploy/dax-requirements.in services/template/app/requirements.in updates/origin/requirements.in
  updates/publisher-requirements.in)
lock "${everywhere[@]}" localaws/pyproject.toml --group pyproject.toml:run "${zips[@]}" --output-file requirements.txt
lock "${everywhere[@]}" localaws/pyproject.toml --group pyproject.toml:run --group pyproject.toml:test "${zips[@]}" \
  --constraint requirements.txt --output-file requirements-test.txt
UPGRADE= # the versions are those of requirements.txt
for needed in */requirements.in services/template/app/requirements.in; do
  lock "${everywhere[@]}" "$needed" --constraint requirements.txt --output-file "${needed%.in}.txt"
done
# The layer, the update server and its publisher are built with `pip install --no-deps`, possibly for another Python.
lock --no-deps --python-version 3.12 --python-platform linux deploy/dax-requirements.in --constraint requirements.txt \
  --output-file deploy/dax-requirements.txt
for needed in updates/origin/requirements.in updates/publisher-requirements.in; do
  lock --python-version 3.12 --python-platform linux "$needed" --constraint requirements.txt --output-file "${needed%.in}.txt"
done
# The suites of `make parity` run in environments of their own.
for needed in localaws/parity/*-requirements.in; do
  lock --no-deps --python-version 3.13 "$needed" --output-file "${needed%.in}.txt"
done
lock --python-version 3.13 deploy/audit/requirements.in --output-file deploy/audit/requirements.txt
lock --python-version 3.13 deploy/licenses/requirements.in --output-file deploy/licenses/requirements.txt
lock --python-version 3.13 bench/mutants/requirements.in --output-file bench/mutants/requirements.txt
lock "${everywhere[@]}" sandbox/soak/requirements.in --constraint requirements.txt --output-file sandbox/soak/requirements.txt
for needed in bench/peers/*-requirements.in; do
  lock --python-version 3.13 "$needed" --output-file "${needed%.in}.txt"
done
lock --python-version 3.13 docs/site/requirements.in --output-file docs/site/requirements.txt
