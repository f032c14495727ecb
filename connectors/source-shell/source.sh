#!/bin/sh
# A source in POSIX sh and awk: the weather observations in data/, as Airbyte messages.
set -u
LC_ALL=C # so that awk compares timestamps byte by byte
export LC_ALL

here=$(dirname "$0")
tab=$(printf '\t')
now=$(date +%s%3N)
case $now in *[!0-9]*) now=$(date +%s)000 ;; esac # a date without milliseconds

say() { # say TYPE FIELD JSON
    printf '{"type":"%s","%s":%s}\n' "$1" "$2" "$3"
}

quoted() { # quoted TEXT: as a JSON text
    printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\037' | sed 's/[\\"]/\\&/g')"
}

log() {
    say LOG log "{\"level\":\"INFO\",\"message\":$(quoted "$1")}"
}

fail() {
    error="{\"message\":$(quoted "$1"),\"failure_type\":\"config_error\"}"
    say TRACE trace "{\"type\":\"ERROR\",\"emitted_at\":$now,\"error\":$error}"
    exit 1
}

flat() { # flat FILE: its JSON as lines "path<tab>value", or failure
    [ -r "$1" ] && awk -f "$here/lib/flat.awk" "$1"
}

one_line() { # one_line FILE: JSON without the line breaks that make it readable
    sed 's/^ *//' "$1" | tr -d '\n'
}

# Sets unit, and problem where the config has one.
load_config() {
    flat_config=$(flat "$config_file") || fail "The config is not a readable JSON file: $config_file"
    unit=$(printf '%s\n' "$flat_config" | awk -F "$tab" '$1 == "/unit" { print $2 }')
    problem=
    case $unit in
        '"celsius"') unit=celsius ;;
        '"kelvin"') unit=kelvin ;;
        *) problem="The unit must be celsius or kelvin" ;;
    esac
}

demand_config() {
    load_config
    [ -z "$problem" ] || fail "$problem"
}

# Sets wanted to lines "mode<tab>stream", all of which exist.
load_catalog() {
    flat_catalog=$(flat "$catalog_file") || fail "The catalog is not a readable JSON file: $catalog_file"
    case $flat_catalog in
        *"/streams"*) ;;
        *) fail "The catalog has no streams: $catalog_file" ;;
    esac
    wanted=$(printf '%s\n' "$flat_catalog" | awk -F "$tab" -f "$here/lib/wanted.awk")
    for line in $wanted; do
        case $line in
            "full_refresh${tab}stations" | "full_refresh${tab}observations") ;;
            "incremental${tab}observations") ;;
            *) fail "There is no stream ${line#*"$tab"} with the sync mode ${line%%"$tab"*}" ;;
        esac
    done
}

# Sets since to the timestamp from which observations are wanted, empty for all.
load_state() {
    since=
    [ -n "$state_file" ] || return 0
    flat_state=$(flat "$state_file") || fail "The state is not a readable JSON file: $state_file"
    since=$(printf '%s\n' "$flat_state" | awk -F "$tab" \
        -v stream=observations -v cursor=observed_at -f "$here/lib/since.awk")
    case $since in
        "" | null) since= ;;
        *[!\"0-9TZ:-]*) fail "The state has a timestamp of another kind: $since" ;;
        \"????-??-??T??:??:??Z\") since=${since#\"} since=${since%\"} ;;
        *) fail "The state has a timestamp of another kind: $since" ;;
    esac
}

read_stream() { # read_stream NAME CURSOR SINCE
    awk -v stream="$1" -v cursor="$2" -v since="$3" -v unit="$unit" -v now="$now" -v every=4 \
        -f "$here/lib/records.awk" "$here/data/$1.csv"
}

read_streams() {
    load_catalog
    load_state
    log "Reading in $unit"
    for line in $wanted; do
        case $line in
            *stations) read_stream stations "" "" ;;
            incremental*) read_stream observations observed_at "$since" ;;
            *) read_stream observations observed_at "" ;;
        esac || fail "The stream could not be read: ${line#*"$tab"}"
    done
}

command=${1-}
[ $# -eq 0 ] || shift
config_file='' catalog_file='' state_file=''
while [ $# -gt 1 ]; do
    case $1 in
        --config) config_file=$2 ;;
        --catalog) catalog_file=$2 ;;
        --state) state_file=$2 ;;
        *) fail "There is no option $1" ;;
    esac
    shift 2
done
[ $# -eq 0 ] || fail "The option $1 has no value"
set -f # what comes from files is never a pattern for file names
IFS='
'

case $command in
    spec)
        say SPEC spec "$(one_line "$here/spec.json")"
        ;;
    check)
        load_config
        if [ -z "$problem" ]; then
            say CONNECTION_STATUS connectionStatus '{"status":"SUCCEEDED"}'
        else
            say CONNECTION_STATUS connectionStatus \
                "{\"status\":\"FAILED\",\"message\":$(quoted "$problem")}"
        fi
        ;;
    discover)
        demand_config
        say CATALOG catalog "$(one_line "$here/catalog.json")"
        ;;
    read)
        demand_config
        read_streams
        ;;
    *)
        fail "The command must be spec, check, discover or read: $command"
        ;;
esac
