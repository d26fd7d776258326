#!/usr/bin/env bash
# The images that the platform's test needs: those of a registry where one answers, else stand-ins of
# Debian's packages under the same names; then the project's own, of this folder.
set -euo pipefail
cd "$(dirname "$0")/../.."

have() { docker image inspect "$1" >/dev/null 2>&1 || timeout 120 docker pull --quiet "$1" >/dev/null 2>&1; }

python=$(sed -n 's/^ARG PYTHON_IMAGE=//p' Dockerfile)
if ! have "$python"; then
  echo "No registry gives $python: it is made of Debian's packages."
  root=$(mktemp --directory)
  trap 'rm -rf "$root"' EXIT
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,wget bookworm "$root" >/dev/null
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  ln --symbolic --force /usr/bin/python3 "$root/usr/local/bin/python"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  tar --directory "$root" --create . | docker import \
    --change 'ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt' \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$python" >/dev/null
fi

while read -r service image; do
  case $image in
    housing-*)
      docker build --network host --target "${image#housing-}" --tag "$image" --quiet \
        --build-arg COMMIT="$(git describe --always --dirty --abbrev=40 --exclude='*')" . >/dev/null ;;
    *)
      have "$image" || docker build --network host --target "$service" --tag "$image" --quiet \
        --build-arg PYTHON_IMAGE="$python" --file tests/containers/Dockerfile tests >/dev/null ;;
  esac
  echo "$image"
done < <(awk '/^  [a-z]+:$/ {service = $1; sub(":", "", service)}
  /^    image: / {print service, $2}
  /<<: \*pipeline/ {print service, "housing-pipeline"}' compose.yaml | sort --unique --key=2,2)
