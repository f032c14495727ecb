# Reads a flattened configured catalog and gives a line "mode<tab>stream" for each stream. No
# stream here has a namespace; one that does is named with it, so that nobody knows it.

{ split($1, part, "/") }

$1 ~ /^\/streams\/[0-9]+\/stream\/name$/ { name[part[3]] = unquoted($2) }
$1 ~ /^\/streams\/[0-9]+\/stream\/namespace$/ && $2 != "null" { space[part[3]] = unquoted($2) "." }
$1 ~ /^\/streams\/[0-9]+\/sync_mode$/ { mode[part[3]] = unquoted($2) }
$1 ~ /^\/streams\/[0-9]+/ && part[3] + 0 >= count { count = part[3] + 1 }

END {
    for (n = 0; n < count; n++) print mode[n] "\t" space[n] name[n]
}

function unquoted(value) {
    sub(/^"/, "", value)
    sub(/"$/, "", value)
    return value
}
