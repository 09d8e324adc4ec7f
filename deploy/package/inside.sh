#!/bin/bash
# Runs inside the Debian that check-packages boots, as root, beside a real systemd: installs nothing, tries what is
# installed. Prints one line a check, in the form that deploy/test counts. $1: a newer sensor's package.
set -uo pipefail
check() { # NAME STATUS DETAIL
    if [ "$2" -eq 0 ]; then echo "✔ Test \"$1\" passed after 0 seconds: $3"; else
        echo "✘ Test \"$1\" failed after 0 seconds: $3"
        journalctl --no-pager --lines=15 -u weir-sensor -u 'weir-aggregator*' 2>/dev/null | cut -c1-300
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
[ "$(systemctl show -P ActiveState weir-aggregator)" = active ] && [ "$(systemctl show -P StatusText weir-aggregator)" = listening ]
check "the aggregator runs in its sandbox, and told systemd that it is ready" $? \
    "$(systemctl show -P ActiveState -P StatusText -P NRestarts weir-aggregator | xargs)"
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

as_aggregator weir-aggregator health --config /etc/weir/aggregator.yaml >/root/health &&
    weir-sensor health --config /etc/weir/sensor.yaml >>/root/health && [ "$(grep -c '^\[+\]' /root/health)" -ge 10 ]
check "both tell of what they need, and that it works" $? "$(grep -c '^\[+\]' /root/health) things"

sed -i 's/^  level: info/  level: debug/' /etc/weir/aggregator.yaml
pid=$(systemctl show -P MainPID weir-aggregator)
systemctl reload weir-aggregator
relevelled() { [ "$(journalctl --no-pager -u weir-aggregator | grep -c '"log.level":"debug"')" -gt 0 ]; }
wait_for 20 relevelled && [ "$(systemctl show -P MainPID weir-aggregator)" = "$pid" ]
check "the log's level changes while the aggregator runs" $? "systemctl reload"

# As a newcomer would: nobody's rights, an empty folder, the handbook's lines.
install -d -o nobody -m 700 /home/newcomer
began=$SECONDS
(cd /home/newcomer && HOME=/home/newcomer setpriv --reuid nobody --regid nogroup --clear-groups \
    timeout 300 bash -c "set -em; trap 'kill \$(jobs -p) 2>/dev/null || true' EXIT; $(cat /check/trial)") >/root/trial 2>&1
status=$?
grep -q '"severity"' /root/trial || status=1
[ "$status" -eq 0 ] || tail -5 /root/trial >&2
check "a newcomer's path leads from nothing to the first incident" $status \
    "$((SECONDS - began)) s, $(grep -c '"severity"' /root/trial) incidents"

install -d -o weir-aggregator -g weir-aggregator -m 700 /var/backups/weir
mkdir -p /etc/systemd/system/weir-aggregator-backup.service.d
printf '[Service]\nReadWritePaths=/var/backups/weir\n' >/etc/systemd/system/weir-aggregator-backup.service.d/check.conf
printf 'backup:\n  to: folder:/var/backups/weir\n' >>/etc/weir/aggregator.yaml
systemctl daemon-reload
systemctl start weir-aggregator-backup.service && systemctl start weir-aggregator-backup.timer &&
    [ "$(find /var/backups/weir -name '*.manifest' | wc -l)" -ge 1 ] &&
    [ "$(journalctl --no-pager -u weir-aggregator-backup | grep -c 'all as they were made')" -gt 0 ]
check "the timer's service makes a backup and compares what is stored" $? \
    "$(find /var/backups/weir -type f | wc -l) files"

# One that hangs is started again: with a shorter patience than the unit's, for this check.
mkdir -p /etc/systemd/system/weir-aggregator.service.d
printf '[Service]\nWatchdogSec=3\n' >/etc/systemd/system/weir-aggregator.service.d/check.conf
systemctl daemon-reload
systemctl restart weir-aggregator
kill -STOP "$(systemctl show -P MainPID weir-aggregator)"
restarted() {
    [ "$(systemctl show -P NRestarts weir-aggregator)" = 1 ] && [ "$(systemctl show -P StatusText weir-aggregator)" = listening ]
}
wait_for 60 restarted
check "an aggregator that hangs is started again by systemd's watchdog" $? \
    "$(systemctl show -P NRestarts -P StatusText weir-aggregator | xargs)"

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
