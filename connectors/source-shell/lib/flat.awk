# Flattens a JSON document: a line "path<tab>raw value" for each text, number, literal and empty
# container. Paths look like /streams/0/name; a "/" in a key is written "~1". Exit status 1 where
# the input is no JSON.

{ text = text $0 "\n" }

END {
    at = 1
    value("")
    blanks()
    if (at <= length(text)) exit 1
}

function blanks() {
    while (substr(text, at, 1) ~ /[ \t\r\n]/) at++
}

function value(path,    c) {
    blanks()
    c = substr(text, at, 1)
    if (c == "{") object(path)
    else if (c == "[") array(path)
    else print path "\t" (c == "\"" ? string() : word())
}

function object(path,    key) {
    if (empty("}")) {
        print path "\t{}"
        return
    }
    do {
        blanks()
        if (substr(text, at, 1) != "\"") exit 1
        key = string()
        key = substr(key, 2, length(key) - 2)
        gsub(/\//, "~1", key)
        blanks()
        if (substr(text, at++, 1) != ":") exit 1
        value(path "/" key)
    } while (goes_on("}"))
}

function array(path,    n) {
    if (empty("]")) {
        print path "\t[]"
        return
    }
    n = 0
    do {
        value(path "/" n++)
    } while (goes_on("]"))
}

# Steps into a container, and over it where it is empty.
function empty(closing) {
    at++
    blanks()
    if (substr(text, at, 1) != closing) return 0
    at++
    return 1
}

# Steps over a comma or the container's end.
function goes_on(closing,    c) {
    blanks()
    c = substr(text, at++, 1)
    if (c != "," && c != closing) exit 1
    return c == ","
}

function string(    from, c) {
    from = at++
    while ((c = substr(text, at, 1)) != "\"") {
        if (c == "" || c == "\n") exit 1
        at += c == "\\" ? 2 : 1
    }
    at++
    return substr(text, from, at - from)
}

function word(    from, found) {
    from = at
    while (substr(text, at, 1) ~ /[-+.0-9A-Za-z]/) at++
    found = substr(text, from, at - from)
    if (found ~ /^(true|false|null)$/) return found
    if (found ~ /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/) return found
    exit 1
}
