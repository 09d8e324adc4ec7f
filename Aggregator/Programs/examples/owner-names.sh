#!/bin/sh
# An enricher for Weir: whose an address is, from a list of one's own networks. No tool but the shell itself.
# Protocol: Weir's handbook, "Programs".

owner() {
    case $1 in
    10.* | 192.168.*) owner=office ;;
    198.18.* | 198.19.*) owner=laboratory ;;
    2001:db8:*) owner=documentation ;;
    *) owner= ;;
    esac
}

while IFS= read -r line; do
    case $line in
    '{"type":"host"'*)
        printf '%s\n' '{"type":"hello","protocol":1,"kind":"enricher","name":"owner-names","batchRecordsMax":500}'
        ;;
    '{"type":"batch"'*)
        batch=${line#*\"batch\":} batch=${batch%%[!0-9]*}
        records=${line#*\"records\":} records=${records%%[!0-9]*}
        while [ "$records" -gt 0 ] && IFS= read -r record; do
            records=$((records - 1))
            case $record in *'"address":"'*) ;; *) continue ;; esac
            address=${record##*\"address\":\"} address=${address%%\"*}
            owner "$address"
            [ -z "$owner" ] ||
                printf '{"type":"annotation","batch":%s,"address":"%s","labels":["%s"]}\n' "$batch" "$address" "$owner"
        done
        printf '{"type":"done","batch":%s}\n' "$batch"
        ;;
    '{"type":"end"'*) exit 0 ;;
    esac
done
