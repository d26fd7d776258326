#!/usr/bin/env bash
# Deploy REGISTRY/serve:TAG beside the running revision, verify that it serves the champion that
# answers now, shift the traffic to it in steps, and give REGISTRY/pipeline:TAG to the jobs, so that
# what trains and what serves are of one release. At the first failure, and when it is stopped, all
# goes back to where it was: traffic as it was split, jobs with the image that they had.
set -euo pipefail
: "${REGISTRY:?such as europe-west1-docker.pkg.dev/PROJECT/housing}" "${TAG:?such as v1.2.0}"
: "${REGION:?such as europe-west1}"
SERVICE="${SERVICE:-housing}"
JOBS="${JOBS-housing-retrain housing-monitor housing-retention}"
STEPS="${STEPS:-10 50 100}"
PAUSE="${PAUSE:-60}"
here=$(cd "$(dirname "$0")" && pwd)
run() { gcloud run "$@" --region "$REGION" --quiet; }
find_in() { python3 -c "import json, sys; found = json.load(sys.stdin); print($1)"; }
split='",".join("%s=%s" % (part["revisionName"], part["percent"]) for part in found["status"]["traffic"] if part.get("percent"))'
candidate_of='next((part[KEY] for part in found["status"]["traffic"] if part.get("tag") == "candidate"), "")'
image='found["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]["image"]'

service() { run services describe "$SERVICE" --format json | find_in "$1"; }

before=$(service "$split")
live=$(service 'found["status"]["url"]')
moved="" # jobs that have the new image, each as NAME=OLD_IMAGE
finished=""

back() {
  code=$?
  trap - EXIT
  [[ -z ${pause-} ]] || kill "$pause" 2>/dev/null || true
  [[ -z $finished ]] || exit 0
  echo "Failed: the traffic goes back to ${before:-the latest revision}." >&2
  failed=""
  [[ -z $before ]] || run services update-traffic "$SERVICE" --to-revisions "$before" || failed=yes
  for job in $moved; do
    run jobs update "${job%%=*}" --image "${job#*=}" || failed=yes
  done
  [[ -z $failed ]] || echo "NOT ALL WENT BACK: see docs/how-to/roll-back.md" >&2
  exit "$((code ? code : 1))"
}
trap back EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A private service wants a token of the caller's own; a public one ignores it.
HOUSING_IDENTITY_TOKEN=$(gcloud auth print-identity-token --audiences "$live" 2>/dev/null ||
  gcloud auth print-identity-token 2>/dev/null || true)
export HOUSING_IDENTITY_TOKEN

champion=$(python3 "$here/verify.py" --version "$live" || true)
run deploy "$SERVICE" --image "$REGISTRY/serve:$TAG" --no-traffic --tag candidate
candidate=$(service "${candidate_of/KEY/\"revisionName\"}")
url=$(service "${candidate_of/KEY/\"url\"}")
python3 "$here/verify.py" "$url" ${champion:+"$champion"} # before any traffic: the same champion, well priced
for percent in $STEPS; do
  run services update-traffic "$SERVICE" --to-revisions "$candidate=$percent"
  sleep "$PAUSE" &
  pause=$!
  wait "$pause" # a signal is heard at once
  python3 "$here/verify.py" "$url"
done
for job in $JOBS; do
  old=$(run jobs describe "$job" --format json | find_in "$image")
  moved="$moved $job=$old"
  run jobs update "$job" --image "$REGISTRY/pipeline:$TAG"
done
finished=yes
echo "$candidate has all traffic, and ${JOBS:-no job} the same release."
