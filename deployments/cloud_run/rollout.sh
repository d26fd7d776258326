#!/usr/bin/env bash
# Deploy REGISTRY/serve:TAG beside the running revision, verify it, and shift the traffic to it in
# steps; at the first failure all traffic goes back to where it was.
set -euo pipefail
: "${REGISTRY:?such as europe-west1-docker.pkg.dev/PROJECT/housing}" "${TAG:?such as v1.2.0}"
: "${REGION:?such as europe-west1}"
SERVICE="${SERVICE:-housing}"
STEPS="${STEPS:-10 50 100}"
PAUSE="${PAUSE:-60}"
here=$(cd "$(dirname "$0")" && pwd)
run() { gcloud run "$@" --region "$REGION" --quiet; }

# Print FIELD of the service's first traffic entry whose KEY is VALUE.
traffic() {
  run services describe "$SERVICE" --format json | python3 -c '
import json, sys
key, value, field = sys.argv[1:]
entries = json.load(sys.stdin)["status"]["traffic"]
print(next((entry[field] for entry in entries if str(entry.get(key)) == value), ""))' "$@"
}

previous=$(traffic percent 100 revisionName)
candidate="$SERVICE-${TAG//[^a-z0-9]/-}-${GITHUB_RUN_NUMBER:-$(date +%s)}"

back() {
  echo "Failed: all traffic goes back to ${previous:-the latest revision}." >&2
  [[ -z $previous ]] || run services update-traffic "$SERVICE" --to-revisions "$previous=100"
}
trap back ERR

run deploy "$SERVICE" --image "$REGISTRY/serve:$TAG" --revision-suffix "${candidate#"$SERVICE"-}" \
  --no-traffic --tag candidate
url=$(traffic tag candidate url)
python3 "$here/verify.py" "$url"
for percent in $STEPS; do
  run services update-traffic "$SERVICE" --to-revisions "$candidate=$percent"
  sleep "$PAUSE"
  python3 "$here/verify.py" "$url"
done
echo "$candidate has all traffic."
