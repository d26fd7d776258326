#!/usr/bin/env bash
# Push housing-NAME as REGISTRY/NAME:TAG, sign what was pushed by its digest, and attach its bill of
# materials. Signatures are keyless: the identity is the workflow's.
set -euo pipefail
name=${1:?serve or pipeline}
: "${REGISTRY:?such as europe-west1-docker.pkg.dev/PROJECT/housing}" "${TAG:?such as v1.2.0}"
image="$REGISTRY/$name:$TAG"
docker tag "housing-$name" "$image"
docker push --quiet "$image"
pushed=$(docker image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$image" | grep --fixed-strings "$REGISTRY/$name@")
cosign sign --yes "$pushed"
cosign attest --yes --type cyclonedx --predicate "dist/$name.cdx.json" "$pushed"
