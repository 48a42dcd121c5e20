#!/bin/bash
# The class that tests/exec-kit/kit wants, in bash and jq: all that an adapter needs. (jq 1.6 computes with doubles and
# reads at most 256 levels: a language with integers does better.)
exec 3>&1 1>&2                                   # the protocol on 3: what a command prints is log
trap 'kill $(jobs -p) 2>/dev/null; exit 0' TERM  # stuck, or cancelled

say() { jq -c "$1 + {id}" <<<"$task" >&3; }      # a jq expression over the task makes the line
param() { jq -r ".param[$1]" <<<"$task"; }
pause() { sleep "$1" & wait $!; }                # so that the trap does not wait

Kit_noop() { say '{ok: null}'; }
Kit_echo() { say '{ok: (.param // [])}'; }
Kit_add() { say '{ok: (.param | if type == "array" then .[0] + .[1] else .a + .b end)}'; }
Kit_retry() { say '{retry: .param[0]}'; }
Kit_fail() { say '{fail: .param[0]}'; }
Kit_print() { jq -jr '.param[0]' <<<"$task"; say '{ok: null}'; }
Kit_sleep() { say '{beat: true}'; pause "$(jq '.param[0] / 1000' <<<"$task")"; say '{ok: null}'; }
Kit_hang() { say '{beat: true}'; while :; do :; done; }
Kit_beat() {
	for ((i = $(param 0); i > 0; i--)); do
		say '{beat: true}'
		pause 0.02
	done
	say '{ok: .param[0]}'
}
Kit_silence() { say '{beat: true, for: .param[0]}'; say '{ok: null}'; }
Kit_progress() { say '{progress: .param[0], note: .param[1]}'; say '{ok: null}'; }
Kit_log() { say '{log: .param[0]}'; say '{ok: null}'; }
Kit_save() { say '{save: .param[0]}'; say '{ok: null}'; }
Kit_saved() { say '{ok: .saved}'; }
Kit_push() { say '{push: {class: .param[0], method: .param[1]}}'; say '{ok: null}'; }

while IFS= read -r task; do
	name=$(jq -r '.class + "_" + .method' <<<"$task")
	if [[ $name != Kit_* ]]; then
		say '{unknown: "class"}'
	elif ! declare -F "$name" >/dev/null; then
		say '{unknown: "method"}'
	else
		"$name"
	fi
done
