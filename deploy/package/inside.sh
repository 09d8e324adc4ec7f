#!/bin/bash
# Runs inside the Debian that check-packages boots, as root, beside a real systemd: installs nothing, tries what is
# installed. Prints one line a check, in the form that deploy/test counts. $1: a newer sensor's package.
set -uo pipefail
check() { # NAME STATUS DETAIL
    if [ "$2" -eq 0 ]; then echo "✔ Test \"$1\" passed after 0 seconds: $3"; else
        echo "✘ Test \"$1\" failed after 0 seconds: $3"
        journalctl --no-pager --lines=15 -u weir-sensor -u weir-aggregator 2>/dev/null | cut -c1-300
    fi
}
wait_for() { # SECONDS COMMAND...
    local left=$(($1 * 5))
    shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.2
    done
}
value() { curl -fsS http://127.0.0.1:9465/metrics | awk -v name="$1" '$1 == name { print $2 }' | cut -d. -f1; }
simulate() { # SEED -> datagrams sent
    weirctl simulate --scenario office --protocol netflow9 --rate 2000 --duration 3 --seed "$1" --unpaced \
        --to 127.0.0.1:2055 | tail -1 | grep -oE '"datagrams": *[0-9]+' | head -1 | grep -oE '[0-9]+'
}
received() { [ "$(value weir_intake_datagrams_total)" = "$1" ]; }

# Identities, as the handbook's first steps make them.
cd /etc/weir/pki || exit 1
weirctl certs init . --trust-domain weir.test >/dev/null &&
    weirctl certs issue aggregator . --name aggregator --host localhost >/dev/null &&
    weirctl certs issue sensor . --tenant acme --site hq --name sensor >/dev/null
for name in sensor aggregator; do chown "root:weir-$name" $name.key && chmod 640 $name.key; done
mv ca.key /root/
sed -i 's/^trustDomain: .*/trustDomain: weir.test/' /etc/weir/sensor.yaml /etc/weir/aggregator.yaml
sed -i 's/^  - weir.example.org:8443/  - localhost:8443/' /etc/weir/sensor.yaml
sed -i 's/^  listen: 0.0.0.0:/  listen: 127.0.0.1:/' /etc/weir/aggregator.yaml
before=$(sha256sum /etc/weir/sensor.yaml)

as_aggregator() { setpriv --reuid weir-aggregator --regid weir-aggregator --clear-groups "$@"; }
install -d -o weir-aggregator -g weir-aggregator -m 700 /var/lib/weir-aggregator
as_aggregator weir-aggregator tenants create acme --config /etc/weir/aggregator.yaml >/dev/null
as_aggregator weir-aggregator keys create --tenant acme --name check --config /etc/weir/aggregator.yaml \
    --out /var/lib/weir-aggregator/check.key >/dev/null

systemctl start weir-aggregator.service
wait_for 90 curl -fsS --cacert ca.pem https://localhost:8444/readyz
check "the aggregator runs in its sandbox" $? "$(systemctl show -P ActiveState -P NRestarts weir-aggregator | xargs)"
systemctl start weir-sensor.socket weir-sensor.service
wait_for 60 curl -fsS http://127.0.0.1:9465/livez
check "the sensor runs in its sandbox, and told systemd that it is ready" $? \
    "$(systemctl show -P ActiveState -P StatusText weir-sensor | xargs)"

# systemd gave the sockets 32 MiB, which the kernel doubles; the sensor, without a capability, must not take that back.
granted=$(ss -ulnmH 'sport = :2055' | grep -oE 'rb[0-9]+' | tr -d rb)
[ "${granted:-0}" -ge $((32 << 20)) ]
check "the sockets keep the buffer that systemd gave them" $? "${granted:-0} octets"

held() { # SERVICE: no capability, no new privileges, system calls filtered, its own user
    local pid
    pid=$(systemctl show -P MainPID "$1")
    awk '/^CapEff|^CapBnd|^CapAmb/ { if ($2 != "0000000000000000") bad = 1 } /^NoNewPrivs/ { if ($2 != 1) bad = 1 }
        /^Seccomp:/ { if ($2 != 2) bad = 1 } END { exit bad }' "/proc/$pid/status" &&
        [ "$(stat -c %U "/proc/$pid")" = "$1" ] && [ "$(stat -c '%U %a' "/var/lib/$1")" = "$1 700" ]
}
for name in weir-sensor weir-aggregator; do
    held $name
    check "$name has no capability, a filter of system calls, a user and a state folder of its own" $? "as /proc says"
done

sent=$(simulate 1)
wait_for 30 received "$sent"
check "datagrams come through the sockets that systemd holds" $? "$sent sent, $(value weir_intake_datagrams_total) received"
stored() {
    [ "$(curl -fsS --cacert ca.pem https://localhost:8444/metrics |
        awk '$1 == "weir_ingest_batches_stored_total" { print int($2) }')" -gt 0 ]
}
wait_for 60 stored
check "the sensor's batches are stored by the aggregator" $? "over mutual TLS"
flows() {
    weirctl flows --url https://localhost:8444 --ca ca.pem --key-file /var/lib/weir-aggregator/check.key \
        --top srcip --format ndjson | grep -q .
}
wait_for 60 flows
check "the tenant's flows are shown to its key" $? "weirctl flows"

# Killed, and stopped: what comes meanwhile waits in the sockets.
systemctl kill --signal=KILL weir-sensor.service
sent=$(simulate 2)
wait_for 30 received "$sent"
check "a killed sensor comes back by itself and has every datagram sent meanwhile" $? \
    "$sent sent, $(value weir_intake_datagrams_total) received"
systemctl stop weir-sensor.service 2>/dev/null
sent=$(simulate 3)
systemctl start weir-sensor.service
wait_for 30 received "$sent"
check "a stopped sensor has every datagram sent until it is started again" $? \
    "$sent sent, $(value weir_intake_datagrams_total) received"

pid=$(systemctl show -P MainPID weir-sensor)
dpkg -i "$1" >/root/upgrade.log 2>&1
status=$?
sent=$(simulate 4)
[ $status -eq 0 ] && [ "$(sha256sum /etc/weir/sensor.yaml)" = "$before" ] &&
    [ "$(stat -c '%U %G %a' /etc/weir/sensor.yaml)" = "root weir-sensor 640" ]
check "an upgrade keeps edited settings and who may read them" $? "$(tail -1 /root/upgrade.log)"
wait_for 30 received "$sent" && [ "$(systemctl show -P MainPID weir-sensor)" != "$pid" ]
check "an upgrade restarts the sensor without losing a datagram" $? \
    "$sent sent, $(value weir_intake_datagrams_total) received"

dpkg --purge weir-sensor >/root/purge.log 2>&1
status=$?
[ $status -eq 0 ] && [ -d /var/lib/weir-sensor ] && [ ! -e /etc/weir/sensor.yaml ] &&
    ! systemctl is-active --quiet weir-sensor.socket && [ -e /etc/weir/pki/sensor.pem ]
check "a purge stops the sensor, removes its settings and keeps what it recorded" $? "$(tail -1 /root/purge.log)"
