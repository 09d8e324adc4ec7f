#!/usr/bin/env python3
"""make.py [--check]: writes the dashboards beside it; --check only compares, and exits 1 when one is not as this makes it.

A panel is a title, a unit, and queries with legends. deploy/check-monitoring runs every query against a real Prometheus."""
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
S, A, T = '{instance=~"$sensor"}', '{instance=~"$aggregator"}', '{tenant=~"$tenant"}'
LOST = 'reason!~"duplicate|observed_elsewhere"'
R = "[$__rate_interval]"


def rate(metric, selector, by="instance"):
    return f"sum by ({by}) (rate({metric}{selector}{R}))"


def quantile(q):
    return f"histogram_quantile({q}, sum by (le) (rate(weir_ingest_seconds_bucket{A}{R})))"


BOARDS = {
    "overview": ("Weir: overview", [
        ("Sensors that answer", "short", [('sum(up{job="weir-sensor"})', "sensors")]),
        ("Aggregators that answer", "short", [('sum(up{job="weir-aggregator"})', "aggregators")]),
        ("Alerts", "short", [('count(ALERTS{alertstate="firing"}) or vector(0)', "firing")]),
        ("Records a second: decoded, sealed, seen by detection", "short", [
            ("sum(rate(weir_decode_records_total[$__rate_interval]))", "decoded"),
            ("sum(rate(weir_seal_records_total[$__rate_interval]))", "sealed"),
            ("sum(rate(weir_pipeline_rows_total[$__rate_interval]))", "rows at detection")]),
        ("Traffic that records report", "bps", [("8 * sum(rate(weir_decode_flow_octets_total[$__rate_interval]))", "bits")]),
        ("Lost at sensors, by reason", "short", [
            (f"sum by (reason, unit) (rate(weir_sensor_lost_total{{{LOST}}}{R}))", "{{reason}} ({{unit}})")]),
        ("Incidents opened in an hour", "short", [("sum(increase(weir_incidents_opened_total[1h]))", "incidents")]),
        ("Batches waiting in spools", "short", [("sum by (instance) (weir_spool_batches)", "{{instance}}")]),
        ("Certificates end in", "s", [
            ("min by (instance) (weir_identity_expiry_seconds) - time()", "{{instance}}"),
            ("min by (instance) (weir_tls_certificate_expiry_seconds) - time()", "{{instance}}")]),
    ]),
    "sensor": ("Weir: sensor", [
        ("Datagrams a second", "short", [(rate("weir_intake_datagrams_total", S), "{{instance}}")]),
        ("Records a second", "short", [
            (rate("weir_decode_records_total", S), "decoded {{instance}}"),
            (rate("weir_seal_rows_total", S), "rows sealed {{instance}}")]),
        ("Lost, by reason", "short", [
            (f'sum by (reason, unit) (rate(weir_sensor_lost_total{{instance=~"$sensor",{LOST}}}{R}))', "{{reason}} ({{unit}})")]),
        ("Fidelity (0 full, 1 service, 2 host)", "short", [(f"weir_sensor_fidelity_level{S}", "{{instance}}")]),
        ("Spool", "bytes", [(f"weir_spool_used_bytes{S}", "waiting"), (f"weir_spool_tail_bytes{S}", "answered, kept"),
                            (f"weir_spool_limit_bytes{S}", "limit")]),
        ("Shipping, batches a second", "short", [
            (rate("weir_ship_sent_batches_total", S), "sent"), (rate("weir_ship_acknowledged_batches_total", S), "answered")]),
        ("Connected", "short", [(f"weir_ship_connected{S}", "{{instance}}")]),
        ("Busiest exporters, records a second", "short", [
            (f"topk(10, {rate('weir_exporter_records_total', S, 'exporter')})", "{{exporter}}")]),
        ("Lost before the sensor, by exporter", "short", [
            (f"topk(10, {rate('weir_exporter_missing_units_total', S, 'exporter')})", "{{exporter}}")]),
        ("Exporters' clocks, ahead", "s", [(f"max by (exporter) (weir_exporter_clock_skew_seconds{S})", "{{exporter}}")]),
        ("Exporters with trouble", "short", [(f"sum by (issue) (weir_exporter_issue{S})", "{{issue}}")]),
        ("Templates learned and replaced", "short", [
            (rate("weir_decode_templates_learned_total", S), "learned"), (rate("weir_decode_templates_replaced_total", S), "replaced")]),
        ("Interfaces, bits a second by the devices' count", "bps", [
            (f"topk(10, 8 * {rate('weir_interface_octets_total', S, 'exporter, ifindex, direction')})",
             "{{exporter}} {{ifindex}} {{direction}}")]),
    ]),
    "aggregator": ("Weir: aggregator", [
        ("Batches a second", "short", [
            (rate("weir_ingest_batches_received_total", A), "received"), (rate("weir_ingest_batches_stored_total", A), "stored"),
            (rate("weir_ingest_batches_repeated_total", A), "again")]),
        ("Refused, by reason", "short", [(rate("weir_ingest_batches_refused_total", A, "reason"), "{{reason}}")]),
        ("Time from a batch's header to its answer", "s", [(quantile(0.5), "median"), (quantile(0.99), "99 %")]),
        ("Octets a second", "Bps", [(rate("weir_ingest_bytes_total", A), "in batches"), (rate("weir_store_bytes_total", A), "stored")]),
        ("Connections", "short", [(f"sum by (listener) (weir_connections_open{A})", "{{listener}}")]),
        ("Handshakes that failed", "short", [(rate("weir_handshake_failures_total", A, "listener, reason"), "{{listener}} {{reason}}")]),
        ("Detection behind", "s", [(f"weir_pipeline_lag_seconds{A}", "{{instance}}")]),
        ("Rows a second at detection", "short", [(rate("weir_pipeline_rows_total", A), "{{instance}}")]),
        ("Findings and incidents", "short", [
            (f"sum(increase(weir_pipeline_findings_total{A}[1h]))", "findings in an hour"),
            (f"sum(increase(weir_incidents_opened_total{A}[1h]))", "incidents in an hour")]),
        ("Dropped for want of room, by detector", "short", [(rate("weir_detect_evictions_total", A, "detector"), "{{detector}}")]),
        ("Days given up", "short", [(f"sum by (reason) (increase(weir_store_retired_days_total{A}[1d]))", "{{reason}}")]),
        ("Damage", "short", [
            (f"sum(weir_store_damaged_files{A})", "day files"), (f"sum(weir_log_damaged_files_total{A})", "log files"),
            (f"sum(weir_store_damaged_segments_total{A})", "segments")]),
        ("Archive", "short", [(rate("weir_archive_segments_total", A), "segments"), (rate("weir_archive_failures_total", A), "failures")]),
        ("Changes told", "short", [(rate("weir_notify_messages_total", A), "messages"), (rate("weir_notify_unrouted_total", A), "no route")]),
    ]),
    "tenant": ("Weir: tenant", [
        ("Sensors that answer", "short", [(f"sum by (site) (up{T})", "{{site}}")]),
        ("Records a second, by site", "short", [(rate("weir_decode_records_total", T, "site"), "{{site}}")]),
        ("Traffic that records report, by site", "bps", [(f"8 * {rate('weir_decode_flow_octets_total', T, 'site')}", "{{site}}")]),
        ("Answered by an aggregator, batches a second", "short", [(rate("weir_ship_acknowledged_batches_total", T, "site"), "{{site}}")]),
        ("Spools, share of their limit", "percentunit", [
            (f"max by (site) (weir_spool_used_bytes{T} / weir_spool_limit_bytes{T})", "{{site}}")]),
        ("Lost, by site and reason", "short", [
            (f'sum by (site, reason) (rate(weir_sensor_lost_total{{tenant=~"$tenant",{LOST}}}{R}))', "{{site}} {{reason}}")]),
        ("Exporters", "short", [(f"sum by (site) (weir_intake_exporters{T})", "{{site}}")]),
    ]),
    "slo": ("Weir: objectives", [
        ("Batches taken at once, 30 days (objective 99.9 %)", "percentunit", [("1 - weir:ingest_failures:ratio30d", "{{instance}}")]),
        ("Allowance of a month left", "percentunit", [("1 - weir:ingest_failures:ratio30d / 0.001", "{{instance}}")]),
        ("How fast it burns (1: just used up at the month's end)", "short", [
            ("weir:ingest_failures:ratio5m / 0.001", "5 min"), ("weir:ingest_failures:ratio1h / 0.001", "1 h"),
            ("weir:ingest_failures:ratio6h / 0.001", "6 h")]),
        ("Records that sensors lost, 1 h (objective 0)", "percentunit", [("weir:sensor_losses:ratio1h", "{{instance}}")]),
        ("Detection less than 2 minutes behind, share of a day", "percentunit", [
            ("avg by (instance) (avg_over_time((weir_pipeline_lag_seconds <bool 120)[1d:15s]))", "{{instance}}")]),
        ("Programs that answer, share of a day", "percentunit", [
            ('avg by (job) (avg_over_time(up{job=~"weir-.*"}[1d]))', "{{job}}")]),
    ]),
}
VARIABLES = {
    "sensor": [("sensor", 'label_values(weir_sensor_info, instance)')],
    "aggregator": [("aggregator", 'label_values(weir_log_head_offset, instance)')],
    "tenant": [("tenant", 'label_values(weir_sensor_info, tenant)')],
}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def panel(index, title, unit, queries):
    return {
        "id": index + 1, "type": "timeseries", "title": title, "datasource": SOURCE,
        "gridPos": {"h": 8, "w": 8, "x": index % 3 * 8, "y": index // 3 * 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0 if unit != "s" else None}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {"refId": chr(65 + number), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
            for number, (expression, legend) in enumerate(queries)],
    }


def variable(name, query):
    return {"name": name, "type": "query", "datasource": SOURCE, "query": query, "definition": query, "refresh": 2,
            "multi": True, "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"}}


def board(name):
    title, panels = BOARDS[name]
    return {
        "uid": f"weir-{name}", "title": title, "tags": ["weir"], "schemaVersion": 39, "version": 1, "editable": True,
        "time": {"from": "now-6h", "to": "now"}, "refresh": "30s", "timezone": "utc",
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
                       + [variable(*row) for row in VARIABLES.get(name, [])]},
        "links": [{"type": "dashboards", "tags": ["weir"], "title": "Weir", "asDropdown": True, "keepTime": True}],
        "panels": [panel(index, *row) for index, row in enumerate(panels)],
    }


def main():
    stale = []
    for name in BOARDS:
        path, text = os.path.join(HERE, f"{name}.json"), json.dumps(board(name), indent=1) + "\n"
        if "--check" in sys.argv:
            if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
                stale.append(name)
        else:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    if stale:
        sys.exit(f"not as make.py makes them: {', '.join(stale)}")


if __name__ == "__main__":
    main()
