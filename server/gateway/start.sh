#!/bin/sh
# Run the gateway in the foreground, and follow the labs' files: the container's command.
#
#   TRITON_SERVERS    HOST:PORT of Triton's gRPC, several with commas between (needed)
#   GATEWAY_LISTEN    port, or ADDRESS:PORT (8443)
#   GATEWAY_PROCESSES of nginx (2)
#   LABS_GATEWAY      the folder that `i3d labs` writes (/labs)
#   RUN_FOLDER        for nginx's own files; a tmpfs, since the server's key is copied there (/run/i3d)
#   LOG_FOLDER        of access.jsonl (/var/log/i3d)
#   LOG_ROTATE_MB     from this size on access.jsonl becomes access.jsonl.1, that one .2, ... (256)
#   LOG_KEEP          so many of those are kept (20)
#   MAX_REQUEST_MB    larger requests are refused (64)
#   WATCH_SECONDS     between two looks at the labs' files (2)
#
# nginx reads a copy, made and checked here, so a file that is half written or broken never takes
# the gateway down: the last good ones stay, and the log says so.
set -eu

: "${GATEWAY_LISTEN:=8443}" "${GATEWAY_PROCESSES:=2}" "${LABS_GATEWAY:=/labs}"
: "${RUN_FOLDER:=/run/i3d}" "${LOG_FOLDER:=/var/log/i3d}" "${LOG_ROTATE_MB:=256}" "${LOG_KEEP:=20}"
: "${MAX_REQUEST_MB:=64}" "${WATCH_SECONDS:=2}"
here=$(cd "$(dirname "$0")" && pwd)
files="ca.crt server.crt server.key revoked.pem caps.conf caps_limits.conf"

say() {
    echo "gateway: $*" >&2
}

refuse() {
    say "$*"
    exit 64
}

require_number() {
    case $2 in
        '' | *[!0-9]* | 0*) refuse "$1: expected a whole number from 1 on, got '$2'" ;;
    esac
}

require_settings() {
    [ -n "${TRITON_SERVERS:-}" ] || refuse "TRITON_SERVERS: expected HOST:PORT[,HOST:PORT...]"
    case $TRITON_SERVERS in
        *[!A-Za-z0-9.,:_-]*) refuse "TRITON_SERVERS: expected HOST:PORT[,...], got '$TRITON_SERVERS'" ;;
    esac
    case $GATEWAY_LISTEN in
        *[!0-9.:]*) refuse "GATEWAY_LISTEN: expected PORT or ADDRESS:PORT, got '$GATEWAY_LISTEN'" ;;
    esac
    case $LOG_FOLDER in
        *[!A-Za-z0-9./_-]*) refuse "LOG_FOLDER: letters, digits and ./_- only, got '$LOG_FOLDER'" ;;
    esac
    require_number GATEWAY_PROCESSES "$GATEWAY_PROCESSES"
    require_number LOG_ROTATE_MB "$LOG_ROTATE_MB"
    require_number LOG_KEEP "$LOG_KEEP"
    require_number MAX_REQUEST_MB "$MAX_REQUEST_MB"
}

triton_servers() {
    echo "$TRITON_SERVERS" | tr ',' '\n' | sed '/^$/d'
}

# What nginx would resolve at its start: a container that comes back may have another address.
addresses() {
    triton_servers | while IFS= read -r server; do
        getent hosts "${server%:*}" || :
    done
}

# Changes when the labs' files or the addresses do.
state() {
    for file in $files; do
        cksum <"$LABS_GATEWAY/$file" 2>/dev/null || echo "no $file"
    done
    addresses
}

write_configuration() {
    folder=$1
    rm -rf "$folder"
    mkdir "$folder"
    mkdir -m 700 "$folder/gateway"
    cp "$here/nginx.conf" "$folder/nginx.conf"
    for file in $files; do
        cp "$LABS_GATEWAY/$file" "$folder/gateway/$file" || return 1
    done
    echo "worker_processes $GATEWAY_PROCESSES;" >"$folder/main.conf"
    {
        echo "upstream triton {"
        echo "    zone triton 256k;"
        echo "    least_conn;"
        triton_servers | while IFS= read -r server; do
            echo "    server $server max_fails=2 fail_timeout=5s;"
        done
        echo "    keepalive 64;"
        echo "    keepalive_requests 1000000;"
        echo "}"
        echo "access_log $LOG_FOLDER/access.jsonl i3d;"
    } >"$folder/http.conf"
    {
        echo "listen $GATEWAY_LISTEN ssl http2 backlog=1024;"
        echo "client_max_body_size ${MAX_REQUEST_MB}m;"
    } >"$folder/server.conf"
}

is_good() {
    write_configuration "$RUN_FOLDER/candidate" &&
        nginx -t -q -p "$RUN_FOLDER/" -c candidate/nginx.conf
}

# nginx opens these only at its start and when it is told to reload.
take_candidate() {
    rm -rf "$RUN_FOLDER/current"
    mv "$RUN_FOLDER/candidate" "$RUN_FOLDER/current"
}

rotate_log() {
    log=$LOG_FOLDER/access.jsonl
    [ -f "$log" ] || return 0
    [ "$(wc -c <"$log")" -ge $((LOG_ROTATE_MB * 1048576)) ] || return 0
    number=$LOG_KEEP
    rm -f "$log.$number"
    while [ "$number" -gt 1 ]; do
        earlier=$((number - 1))
        [ ! -f "$log.$earlier" ] || mv "$log.$earlier" "$log.$number"
        number=$earlier
    done
    mv "$log" "$log.1"
    kill -USR1 "$1" # nginx opens access.jsonl anew
}

watch() {
    nginx=$1
    used=$2
    failed=
    while sleep "$WATCH_SECONDS" && kill -0 "$nginx" 2>/dev/null; do
        touch "$RUN_FOLDER/watched" || continue # the health check looks at its age
        rotate_log "$nginx" || say "access.jsonl cannot be rotated"
        now=$(state) || continue
        [ "$now" != "$used" ] || continue
        if is_good 2>"$RUN_FOLDER/problem"; then
            take_candidate && kill -HUP "$nginx" || continue # the next look tries again
            used=$now
            say "the labs' files or Triton's addresses changed: reloaded"
        elif [ "$now" != "$failed" ]; then # tried again at every look, said once
            failed=$now
            cat "$RUN_FOLDER/problem" >&2
            say "the labs' files or Triton's addresses changed and cannot be used:" \
                "the earlier ones stay"
        fi
    done
}

require_settings
umask 022
mkdir -p "$RUN_FOLDER/temporary" "$LOG_FOLDER"
ulimit -n 32768 2>/dev/null || ulimit -n "$(ulimit -Hn)" || :
first=$(state)
is_good || {
    say "cannot start with $LABS_GATEWAY and TRITON_SERVERS=$TRITON_SERVERS (see above)." \
        "The folder is made by: i3d labs init"
    exit 1
}
take_candidate
watch $$ "$first" &
exec nginx -p "$RUN_FOLDER/" -c current/nginx.conf
