#!/bin/sh
# Hands a task over and waits for its end.     submit.sh CLASS METHOD [ARGUMENT…]      (curl, jq)
# MUSTER_URL (http://127.0.0.1:7077), MUSTER_TOKEN
set -eu
url=${MUSTER_URL:-http://127.0.0.1:7077}

muster() {
	curl -sS -H 'Content-Type: application/json' ${MUSTER_TOKEN:+-H "Authorization: Bearer $MUSTER_TOKEN"} "$@"
}

document=$(jq -nc '{class: $ARGS.positional[0], method: $ARGS.positional[1], param: $ARGS.positional[2:]}' --args "$@")
# Sent again after a lost answer (--retry), the same key stores nothing twice.
key=$(cat /proc/sys/kernel/random/uuid)
task=$(muster --retry 5 -H "Idempotency-Key: $key" -d "$document" "$url/v1/tasks")
id=$(printf '%s' "$task" | jq -er .id) || { printf '%s\n' "$task" | jq -r '"\(.status): \(.detail)"' >&2; exit 1; }
until printf '%s' "$task" | jq -e '.state | IN("succeeded", "dead", "cancelled")' >/dev/null; do
	task=$(muster "$url/v1/tasks/$id?wait=30s")
done
printf '%s\n' "$task" | jq -c '{state, result, error}'
printf '%s' "$task" | jq -e '.state == "succeeded"' >/dev/null
