PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY);
INSERT INTO grdb_migrations VALUES('1 incidents');
CREATE TABLE event (
    tenant TEXT NOT NULL, incident TEXT NOT NULL, revision INTEGER NOT NULL, kind TEXT NOT NULL,
    actor TEXT NOT NULL, at_ms INTEGER NOT NULL, payload TEXT NOT NULL,
    PRIMARY KEY (tenant, incident, revision)) STRICT, WITHOUT ROWID;
INSERT INTO event VALUES('acme','7b3f30c5363bf2ef97ae2247249352a7',1,'opened','detector',1772366400000,'{"actor":"detector","at":"2026-03-01T12:00:00.000Z","finding":{"end":"2026-03-01T12:00:30.000Z","entities":[{"role":"attacker","type":"ipv4-addr","value":"10.0.0.7"},{"role":"victim","type":"ipv4-addr","value":"192.0.2.5"}],"evidence":{"flows":10,"observed":10,"octets":600,"packets":10,"threshold":8,"unit":"ports"},"id":"000000000000000000000000000000a1","ports":[22],"rule":"port-scan-vertical","severity":"medium","start":"2026-03-01T12:00:00.000Z","tactics":["TA0007"],"techniques":["T1046"],"title":"port-scan-vertical a1","update":0,"windowStart":"2026-03-01T12:00:00.000Z"},"incident":"7b3f30c5363bf2ef97ae2247249352a7","kind":"opened","revision":1}');
INSERT INTO event VALUES('acme','7b3f30c5363bf2ef97ae2247249352a7',2,'findingAdded','detector',1772366460000,'{"actor":"detector","at":"2026-03-01T12:01:00.000Z","finding":{"end":"2026-03-01T12:01:30.000Z","entities":[{"role":"attacker","type":"ipv4-addr","value":"10.0.0.7"},{"role":"victim","type":"ipv4-addr","value":"192.0.2.5"}],"evidence":{"flows":10,"observed":10,"octets":600,"packets":10,"threshold":8,"unit":"ports"},"id":"000000000000000000000000000000a2","ports":[22],"rule":"port-scan-vertical","severity":"medium","start":"2026-03-01T12:01:00.000Z","tactics":["TA0007"],"techniques":["T1046"],"title":"port-scan-vertical a2","update":0,"windowStart":"2026-03-01T12:00:00.000Z"},"incident":"7b3f30c5363bf2ef97ae2247249352a7","kind":"findingAdded","revision":2}');
CREATE TABLE incident (
    tenant TEXT NOT NULL, id TEXT NOT NULL, subject TEXT NOT NULL, rule TEXT NOT NULL,
    severity INTEGER NOT NULL, status TEXT NOT NULL, start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL, findings INTEGER NOT NULL, revision INTEGER NOT NULL,
    json TEXT NOT NULL, PRIMARY KEY (tenant, id)) STRICT, WITHOUT ROWID;
INSERT INTO incident VALUES('acme','7b3f30c5363bf2ef97ae2247249352a7','attacker:10.0.0.7','port-scan-vertical',2,'open',1772366400000,1772366490000,2,2,'{"end":"2026-03-01T12:01:30.000Z","entities":[{"role":"attacker","type":"ipv4-addr","value":"10.0.0.7"},{"role":"victim","type":"ipv4-addr","value":"192.0.2.5"}],"findings":[{"end":"2026-03-01T12:00:30.000Z","entities":[{"role":"attacker","type":"ipv4-addr","value":"10.0.0.7"},{"role":"victim","type":"ipv4-addr","value":"192.0.2.5"}],"evidence":{"flows":10,"observed":10,"octets":600,"packets":10,"threshold":8,"unit":"ports"},"id":"000000000000000000000000000000a1","ports":[22],"rule":"port-scan-vertical","severity":"medium","start":"2026-03-01T12:00:00.000Z","tactics":["TA0007"],"techniques":["T1046"],"title":"port-scan-vertical a1","update":0,"windowStart":"2026-03-01T12:00:00.000Z"},{"end":"2026-03-01T12:01:30.000Z","entities":[{"role":"attacker","type":"ipv4-addr","value":"10.0.0.7"},{"role":"victim","type":"ipv4-addr","value":"192.0.2.5"}],"evidence":{"flows":10,"observed":10,"octets":600,"packets":10,"threshold":8,"unit":"ports"},"id":"000000000000000000000000000000a2","ports":[22],"rule":"port-scan-vertical","severity":"medium","start":"2026-03-01T12:01:00.000Z","tactics":["TA0007"],"techniques":["T1046"],"title":"port-scan-vertical a2","update":0,"windowStart":"2026-03-01T12:00:00.000Z"}],"id":"7b3f30c5363bf2ef97ae2247249352a7","revision":2,"rule":"port-scan-vertical","severity":"medium","start":"2026-03-01T12:00:00.000Z","status":"open","tactics":["TA0007"],"techniques":["T1046"],"title":"port-scan-vertical a1 (and 1 more)"}');
CREATE TABLE finding (
    tenant TEXT NOT NULL, id TEXT NOT NULL, incident TEXT NOT NULL, revised INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)) STRICT, WITHOUT ROWID;
INSERT INTO finding VALUES('acme','000000000000000000000000000000a1','7b3f30c5363bf2ef97ae2247249352a7',0);
INSERT INTO finding VALUES('acme','000000000000000000000000000000a2','7b3f30c5363bf2ef97ae2247249352a7',0);
CREATE INDEX incident_newest ON incident (tenant, start_ms DESC, id DESC);
CREATE INDEX incident_subject ON incident (tenant, subject, end_ms);
COMMIT;
