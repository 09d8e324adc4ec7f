"""What a program is made of: Swift packages with their commits, and the Debian libraries that it is linked with."""
import json
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def pins():
    """Package.resolved, by identity."""
    path = os.path.join(ROOT, "Package.resolved")
    if not os.path.exists(path):
        raise SystemExit(f"{path} is not there: build first, or swift package resolve")
    with open(path, encoding="utf-8") as file:
        return {pin["identity"]: pin for pin in json.load(file)["pins"]}


def checkout(pin):
    """The folder of a package's sources; None when they are not here."""
    name = os.path.basename(pin["location"]).removesuffix(".git")
    folder = os.path.join(ROOT, ".build/checkouts", name)
    return folder if os.path.isdir(folder) else None


def linked_pins(program):
    """The packages that have a module in the program, by what the linker was given; None when that isn't known."""
    listing = f"{program}.product/Objects.LinkFileList"
    if not os.path.exists(listing):
        return None
    with open(listing, encoding="utf-8") as file:
        modules = set(re.findall(r"/([A-Za-z0-9_+-]+)\.build/", file.read()))
    found = {}
    for identity, pin in pins().items():
        folder = checkout(pin)
        if folder is None:
            return None
        own = set()
        for parent in [folder] + [os.path.join(folder, name) for name in ("Sources", "Source")]:
            if os.path.isdir(parent):
                own.update(name for name in os.listdir(parent) if os.path.isdir(os.path.join(parent, name)))
        if own & modules:
            found[identity] = pin
    return found


def licence(pin):
    """(SPDX name, text) of a package, as its own file says."""
    folder = checkout(pin)
    for name in sorted(os.listdir(folder)) if folder else []:
        if name.upper().startswith("LICENSE"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                text = file.read()
            if "Apache License" in text:
                return "Apache-2.0", text
            if "Permission is hereby granted, free of charge" in text:
                return "MIT", text
            return "NOASSERTION", text
    return "NOASSERTION", ""


def notice(pin):
    """A package's NOTICE, which Apache's licence wants handed on."""
    folder = checkout(pin)
    for name in sorted(os.listdir(folder)) if folder else []:
        if name.upper().startswith("NOTICE"):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                return file.read()
    return ""


def debian_libraries(binary):
    """[(package, version, [file names])] of the shared libraries that are Debian's; others are not named."""
    listing = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    found = {}
    for path in re.findall(r"=> (/\S+)", listing):
        for candidate in {path, os.path.realpath(path), path.replace("/lib/", "/usr/lib/", 1)}:
            owner = subprocess.run(["dpkg-query", "--search", candidate], capture_output=True, text=True).stdout
            if owner:
                found.setdefault(owner.split(": ")[0], []).append(os.path.basename(path))
                break
    rows = []
    for package, files in sorted(found.items()):
        version = subprocess.run(
            ["dpkg-query", "--show", "--showformat=${Version}", package], capture_output=True, text=True, check=True
        ).stdout
        rows.append((package.split(":")[0], version, sorted(set(files))))
    return rows
