#!/usr/bin/env python3
"""copyright.py PROGRAM: Debian's copyright file: whose code is in the program, and under which licence."""
import sys

import parts

program = sys.argv[1]
print("""Weir: sensors and aggregators of network flow.

Copyright: the authors of Weir, as its history names them.

No licence has been given for Weir's own code: this package is for those whom its authors gave it to.

The program holds code of these packages and of Swift's standard library, which are under licences of their own:
""")
linked = parts.linked_pins(program)
whole, apache = [], ["swift (standard library, Apache-2.0 with Runtime Library Exception)"]
for identity, pin in sorted((linked if linked is not None else parts.pins()).items()):
    spdx, text = parts.licence(pin)
    if spdx == "Apache-2.0":
        apache.append(f"{identity} ({pin['location']})")
    else:
        whole.append((identity, pin["location"], text))
print("Apache-2.0, whose text is in /usr/share/common-licenses/Apache-2.0 on Debian:\n")
print("\n".join(f"  {row}" for row in apache))
for identity, location, text in whole:
    print(f"\n{identity} ({location}):\n")
    print("\n".join(f"  {line}".rstrip() for line in text.strip().splitlines()))
for identity, pin in sorted((linked if linked is not None else parts.pins()).items()):
    if text := parts.notice(pin).strip():
        print(f"\nNotice of {identity}:\n")
        print("\n".join(f"  {line}".rstrip() for line in text.splitlines()))
