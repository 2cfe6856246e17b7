# The parts of a demonstration: starts programs, waits until they answer, stops them again.
# To be sourced. Reads LAB, the folder where everything lives; writes LAB/pids.
# shellcheck shell=bash

# A process's start time tells it from a later one with the same number. One that has ended and that
# nobody has waited for (state Z) has none.
parts_born() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'; }
parts_alive() { [ -n "$2" ] && [ "$(parts_born "$1")" = "$2" ]; }

# parts_fill TEMPLATE FILE NAME=VALUE...: writes FILE with each @NAME@ replaced.
parts_fill() {
    local text file=$2 pair
    text=$(cat "$1")
    shift 2
    for pair in "$@"; do
        text=${text//@${pair%%=*}@/${pair#*=}}
    done
    printf '%s\n' "$text" >"$file"
}

# parts_start NAME COMMAND...: in the background, out of the terminal's reach; output to LAB/NAME.log.
# It ends with this shell, however that ends, unless PARTS_STAY is yes.
parts_start() {
    local name=$1 leash=(setpriv --pdeathsig TERM)
    shift
    [ "${PARTS_STAY-}" != yes ] || leash=()
    setsid "${leash[@]}" "$@" >>"$LAB/$name.log" 2>&1 </dev/null &
    echo "$! $(parts_born $!) $name" >>"$LAB/pids"
    disown $! # no word from the shell when it ends
}

# parts_stop [NAME]: all in reverse order, or the one of that name; returns when they are gone.
parts_stop() {
    local pid born name i
    [ -e "$LAB/pids" ] || return 0
    while read -r pid born name; do
        [ -z "${1-}" ] || [ "$name" = "$1" ] || continue
        parts_alive "$pid" "$born" || continue
        kill "$pid" 2>/dev/null
        for ((i = 0; i < 100; i++)); do
            parts_alive "$pid" "$born" || continue 2
            sleep 0.05
        done
        kill -KILL "$pid" 2>/dev/null
    done < <(tac "$LAB/pids")
    return 0
}

# parts_left: whether anything of an earlier run is alive.
parts_left() {
    local pid born
    while read -r pid born _; do
        if parts_alive "$pid" "$born"; then return 0; fi
    done < <(cat "$LAB/owner" "$LAB/pids" 2>/dev/null)
    return 1
}

# parts_wait NAME SECONDS COMMAND...: until COMMAND succeeds; a part that died or stays silent is an error.
parts_wait() {
    local name=$1 deadline=$((SECONDS + $2)) pid born
    shift 2
    read -r pid born _ < <(grep " $name\$" "$LAB/pids" | tail -1)
    until "$@" >/dev/null 2>&1; do
        if ! parts_alive "$pid" "$born" || [ $SECONDS -ge $deadline ]; then
            echo "$name did not start; its log says:" >&2
            tail -n 12 "$LAB/$name.log" >&2
            return 1
        fi
        sleep 0.1
    done
}

# parts_taken ADDRESS PORT: who listens there already, or on every address; nothing if nobody does.
parts_taken() {
    ss -Hlntup "sport = :$2" 2>/dev/null |
        awk -v a="$1:$2" -v any="^(0\\.0\\.0\\.0|\\*|\\[::\\]):$2\$" '
            { sub(/%[^:]*/, "", $5) }
            $5 == a || $5 ~ any { who = $7; sub(/users:\(\("/, "", who); sub(/[:"].*/, "", who); print who == "" ? "a program" : who; exit }'
}
