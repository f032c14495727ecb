# Reads a flattened list of STREAM or GLOBAL states and gives the cursor's raw value that one
# stream has in the last of them; nothing where it has none.

$1 ~ /\/stream_descriptor\/name$/ && $2 == "\"" stream "\"" { ours[holder("/stream_descriptor/name")] }
$1 ~ /\/stream_descriptor\/namespace$/ && $2 != "null" { other[holder("/stream_descriptor/namespace")] }
$1 ~ ("/stream_state/" cursor "$") {
    order[++count] = holder("/stream_state/" cursor)
    value[count] = $2
}

END {
    for (n = 1; n <= count; n++) {
        if ((order[n] in ours) && !(order[n] in other)) last = value[n]
    }
    if (last != "") print last
}

# The path without what it ends in.
function holder(ending) {
    return substr($1, 1, length($1) - length(ending))
}
