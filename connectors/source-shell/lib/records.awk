# Reads one stream's CSV file and gives its messages: the statuses, the records from `since` on,
# and a state after each `every` records and at the end. The file's first line has "name:type" for
# each column; its rows are sorted by the cursor. A quoted cell may hold commas and doubled quotes,
# but no line break.

{ sub(/\r$/, "") }

NR == 1 {
    columns = cells($0, head)
    for (n = 1; n <= columns; n++) {
        name[n] = substr(head[n], 1, index(head[n], ":") - 1)
        type[n] = substr(head[n], index(head[n], ":") + 1)
        if (name[n] == cursor) cursor_column = n
    }
    mark = since
    status("STARTED")
    status("RUNNING")
    next
}

{
    if (cells($0, cell) != columns) {
        broken = 1
        exit
    }
    if (cursor_column) {
        # Appending "" makes awk compare texts, whatever they look like.
        if (cell[cursor_column] "" < since "") next
        mark = cell[cursor_column]
    }
    record()
    if (++pending == every) state()
}

END {
    if (broken) exit 1
    if (pending || !states) state()
    status("COMPLETE")
}

function status(value) {
    printf "{\"type\":\"TRACE\",\"trace\":{\"type\":\"STREAM_STATUS\",\"emitted_at\":%s,", now
    printf "\"stream_status\":{\"stream_descriptor\":{\"name\":\"%s\"},", stream
    printf "\"status\":\"%s\"}}}\n", value
}

function record(    n) {
    printf "{\"type\":\"RECORD\",\"record\":{\"stream\":\"%s\",\"data\":{", stream
    for (n = 1; n <= columns; n++) {
        printf "%s\"%s\":%s", (n > 1 ? "," : ""), name[n], json(cell[n], type[n])
    }
    printf "},\"emitted_at\":%s}}\n", now
}

function state(    blob) {
    blob = "\"__ab_no_cursor_state_message\":true"
    if (cursor_column) blob = mark == "" ? "" : "\"" cursor "\":\"" mark "\""
    printf "{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\",\"stream\":{"
    printf "\"stream_descriptor\":{\"name\":\"%s\"},\"stream_state\":{%s}},", stream, blob
    printf "\"sourceStats\":{\"recordCount\":%d.0}}}\n", pending
    pending = 0
    states++
}

function json(value, kind) {
    if (value == "") return "null"
    if (kind == "temperature") return unit == "kelvin" ? sprintf("%.2f", value + 273.15) : value
    if (kind != "string") return value
    gsub(/\\/, "&&", value)
    gsub(/"/, "\\\"", value)
    return "\"" value "\""
}

# Splits a line into cells, and counts them.
function cells(line, into,    n, at, c, inside) {
    n = 1
    into[n] = ""
    for (at = 1; at <= length(line); at++) {
        c = substr(line, at, 1)
        if (c == "\"" && inside && substr(line, at + 1, 1) == "\"") into[n] = into[n] substr(line, at++, 1)
        else if (c == "\"") inside = !inside
        else if (c == "," && !inside) into[++n] = ""
        else into[n] = into[n] c
    }
    return n
}
