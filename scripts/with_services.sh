#!/usr/bin/env bash
# Runs a command with the services that tests want: PostgreSQL, and a Docker engine.
# What is there already is used; what this script starts, it stops. With CI set it installs what is
# missing from Debian and fails where that does not help; else a missing service is a visible skip.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
chmod 755 "$work"
postgres_started= docker_pid=

stop() {
    if [ -n "$postgres_started" ]; then as_postgres "$pg_ctl" -D "$work/pg" -m fast stop > /dev/null || true; fi
    if [ -n "$docker_pid" ]; then kill "$docker_pid" 2> /dev/null && wait "$docker_pid" || true; fi
    rm -rf "$work"
}
trap stop EXIT

as_postgres() {
    if [ "$(id -u)" = 0 ]; then su postgres -s /bin/bash -c "$(printf '%q ' "$@")"; else "$@"; fi
}

find_pg_ctl() {
    pg_ctl=$(ls /usr/lib/postgresql/*/bin/pg_ctl 2> /dev/null | sort -V | tail -n 1) || true
    if [ "$(id -u)" = 0 ] && ! id postgres > /dev/null 2>&1; then pg_ctl=; fi
}

install_missing() {
    local packages=()
    find_pg_ctl
    [ -n "$pg_ctl" ] || packages+=(postgresql)
    command -v dockerd > /dev/null || packages+=(docker.io iptables)
    command -v bwrap > /dev/null || packages+=(bubblewrap)
    command -v hledger > /dev/null || packages+=(hledger)
    [ "${#packages[@]}" = 0 ] && return
    echo "Installing from Debian: ${packages[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends \
        "${packages[@]}" > "$work/apt.log" 2>&1 || { cat "$work/apt.log"; exit 1; }
}

start_postgres() {
    [ -z "${AEM_TEST_POSTGRES_URL:-}" ] || return 0
    find_pg_ctl
    if [ -z "$pg_ctl" ]; then echo "NOTICE: no PostgreSQL here: its tests are skipped"; return; fi
    local port
    port=$("$PYTHON" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    mkdir "$work/pg"
    if [ "$(id -u)" = 0 ]; then chown postgres "$work/pg" "$work"; fi
    as_postgres "$(dirname "$pg_ctl")/initdb" -D "$work/pg" -A trust -U postgres > /dev/null
    # Throw-away databases, one a test: nothing needs to survive a power cut, and fsync costs minutes.
    as_postgres "$pg_ctl" -D "$work/pg" -w -l "$work/pg.log" \
        -o "-p $port -k $work -c listen_addresses=127.0.0.1 -c max_connections=400 -c fsync=off" start > /dev/null
    postgres_started=yes
    export AEM_TEST_POSTGRES_URL="postgresql+psycopg://postgres@127.0.0.1:$port/postgres"
}

start_docker() {
    if docker_answers; then return; fi
    if [ "$(id -u)" != 0 ] || ! command -v dockerd > /dev/null; then
        echo "NOTICE: no Docker engine here: its tests are skipped"
        return
    fi
    dockerd --pidfile "$work/docker.pid" > "$work/dockerd.log" 2>&1 &
    docker_pid=$!
    for _ in $(seq 60); do
        if docker_answers; then return; fi
        kill -0 "$docker_pid" 2> /dev/null || break
        sleep 0.5
    done
    echo "NOTICE: the Docker engine did not start; its last words:"
    tail -n 5 "$work/dockerd.log"
    docker_pid=
}

docker_answers() { [ -S /var/run/docker.sock ] && docker info > /dev/null 2>&1; }

PYTHON=${PYTHON:-python3}
if [ -n "${CI:-}" ]; then install_missing; fi
start_postgres
start_docker
"$@"
