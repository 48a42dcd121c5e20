#!/bin/sh
# sh autogen.sh         bootstrap: makes ./configure, as people expect
# sh autogen.sh deps    installs the Debian packages that are missing
# sh autogen.sh run     deps, builds in ./build, starts musterd in the foreground with no configuration file
# sh autogen.sh check   deps and those of the tests, builds in ./build, passes all tests
# Each step looks first whether it is needed: run again, they take seconds.
set -eu
cd "$(dirname "$0")"
top=$(pwd)

needed_to_build='gcc libc6-dev make autoconf automake pkgconf libmicrohttpd-dev libhiredis-dev libjansson-dev libyaml-dev nettle-dev libgnutls28-dev libseccomp-dev zlib1g-dev libcurl4-openssl-dev libncurses-dev'
needed_to_run='redis-server curl'
needed_to_test='libcmocka-dev procps python3 python3-pytest python3-pytest-xdist python3-redis python3-requests python3-hypothesis python3-jsonschema strace php-cli nodejs jq openssl tmux mandoc'

say() { printf '%s\n' "autogen.sh: $*" >&2; }

missing_of() {
	for package; do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
		[ "$state" = installed ] || printf '%s ' "$package"
	done
}

apt() { $root env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >&2; }

deps() {
	command -v dpkg-query >/dev/null || { say "no Debian here; configure will say which libraries are missing"; return 0; }
	missing=$(missing_of "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" = 0 ]; then
		root=
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		root='sudo -n'
	else
		say "packages are missing; as root, run: apt-get install ${missing% }"
		exit 69
	fi
	say "installing $missing"
	apt update || say "the package lists could not be brought up to date; trying with those at hand"
	apt install -y --no-install-recommends $missing </dev/null || {
		say "these could not be installed: ${missing% }"
		exit 69
	}
}

# Started by sudo, what is built belongs to who asked for it.
invoker() {
	if [ "$(id -u)" = 0 ] && [ -n "${SUDO_USER:-}" ] && runuser -u "$SUDO_USER" -- test -w "$top" 2>/dev/null; then
		runuser -u "$SUDO_USER" -- "$@"
	else
		"$@"
	fi
}

bootstrap() { invoker autoreconf -fi; }

# What configure found depends on what is installed: other packages, another configure run.
installed() { dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n' $needed_to_build $needed_to_run $needed_to_test 2>/dev/null || :; }

# Who includes configure's result looks for newer sources of it by himself: make reruns both.
build() {
	[ -x configure ] && [ -f Makefile.in ] || bootstrap >&2
	invoker mkdir -p build
	if [ ! -f build/Makefile ] || [ "$(installed)" != "$(cat build/installed 2>/dev/null)" ]; then
		(cd build && invoker ../configure -q) >&2
		installed | invoker tee build/installed >/dev/null
	fi
	invoker make -C build -j "$(nproc)" --no-print-directory "$@" >&2
}

run() {
	deps $needed_to_build $needed_to_run
	build all
	state=$top/build/state
	if [ "$(id -u)" = 0 ]; then
		# The tree may lie where only this user can read, so nobody else is to run it.
		export MUSTER_USER="${MUSTER_USER:-${SUDO_USER:-root}}"
		install -d -m 0700 -o "$MUSTER_USER" "$state"
	else
		install -d -m 0700 "$state"
	fi
	export MUSTER_STATE_DIR="${MUSTER_STATE_DIR:-$state}"
	url=http://127.0.0.1:7077
	[ -z "${MUSTER_LISTEN:-}" ] || url=http://${MUSTER_LISTEN%%,*}
	cat >&2 <<TXT

Try it, in another terminal (the dashboard is $url/):

  curl -s $url/v1/tasks -H 'Content-Type: application/json' -d '{"class":"Demo","method":"add","param":[2,3],"id":"first"}'
  curl -s '$url/v1/tasks/first?wait=5s'

TXT
	exec "$top/build/musterd"
}

check() {
	deps $needed_to_build $needed_to_run $needed_to_test
	build all check-programs
	exec "$top/tests/run" --build "$top/build" "$@"
}

case "${1-bootstrap}" in
bootstrap) bootstrap ;;
deps) deps $needed_to_build $needed_to_run ;;
run) run ;;
check) shift; check "$@" ;;
*) say "usage: sh autogen.sh [deps | run | check]"; exit 64 ;;
esac
