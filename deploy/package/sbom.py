#!/usr/bin/env python3
"""sbom.py PROGRAM [--built FOLDER] --version V: a CycloneDX 1.5 bill of materials on standard output.

PROGRAM is what is shipped; FOLDER is where it was linked, with the linker's list of modules: without it every package
of the build is named, and the bill says that."""
import argparse
import datetime
import hashlib
import json
import os
import uuid

import parts


def component(pin):
    name, state = pin["identity"], pin["state"]
    host = pin["location"].removesuffix(".git").removeprefix("https://")
    spdx, _ = parts.licence(pin)
    row = {
        "type": "library", "bom-ref": f"swift:{name}", "name": name, "version": state.get("version", state["revision"]),
        "purl": f"pkg:swift/{host}@{state.get('version', state['revision'])}",
        "externalReferences": [{"type": "vcs", "url": pin["location"]}],
        "properties": [{"name": "git:commit", "value": state["revision"]}],
    }
    if spdx != "NOASSERTION":
        row["licenses"] = [{"license": {"id": spdx}}]
    return row


def library(row):
    package, version, files = row
    return {
        "type": "library", "bom-ref": f"deb:{package}", "name": package, "version": version,
        "purl": f"pkg:deb/debian/{package}@{version}", "properties": [{"name": "linked", "value": " ".join(files)}],
    }


def bill(program, version, built):
    name = os.path.basename(program)
    linked = parts.linked_pins(os.path.join(built, name)) if built else None
    swift = linked if linked is not None else parts.pins()
    components = [component(pin) for _, pin in sorted(swift.items())]
    components += [library(row) for row in parts.debian_libraries(program)]
    with open(program, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    time = datetime.datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), datetime.timezone.utc)
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, 'weir:' + digest)}",
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application", "bom-ref": name, "name": name, "version": version,
                "hashes": [{"alg": "SHA-256", "content": digest}],
            },
            "properties": [{
                "name": "weir:packages",
                "value": "those linked" if linked is not None else "all of the build; which are linked is not known",
            }],
        },
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": [row["bom-ref"] for row in components]}],
    }


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("program")
    options.add_argument("--version", required=True)
    options.add_argument("--built")
    given = options.parse_args()
    print(json.dumps(bill(given.program, given.version, given.built), indent=1))


if __name__ == "__main__":
    main()
