#!/usr/bin/python3
"""The rules of the house that the compiler does not check (docs/architecture.md, docs/style.md).

    house.py layers   no room includes a header of a room that it may not know; third-party headers
                      stand only where the table below allows them
    house.py headers  every public header opens with its contract and compiles alone
    house.py size     no source file is longer than LINES_MAX
    house.py format   clang-format would change nothing
    house.py scripts  shell scripts parse; with shellcheck installed, it has no warning
    house.py wire     no production code gives octets from the network to ldns: it leaks and asserts on some
    house.py fuzz     every fuzz target has seeds and a dictionary that libFuzzer can read
    house.py pure DIR the archives of pure rooms under the build folder DIR use no clock, socket,
                      heap, stdio or random number of libc
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LINES_MAX = 700

# Which rooms a room may include, beside itself. Lower floors stand above higher ones.
MAY_KNOW = {
    "base": "",
    "dns": "base",
    "geo": "base",
    "net": "base",
    "model": "base dns",
    "zone": "base dns",
    "health": "base",
    "probe": "base dns model",
    "config": "base model",
    "store": "base model config",
    "steer": "base geo model",
    "snapshot": "base dns geo model zone config steer",
    "signal": "base geo model zone dns health probe steer snapshot",
    "answer": "base dns geo model zone steer snapshot",
    "crowd": "base dns geo model zone steer snapshot answer",
    "admin": "base",
    "meridiand": "base dns geo net model zone health probe config store steer snapshot signal answer crowd admin",
    "meridian": "base dns geo model zone config store snapshot crowd admin",
}

# Which files may include which foreign headers.
FOREIGN = {
    r"uv\.h": r"net/|probe/|admin/|meridiand/",
    r"ldns/": r"zone/",
    r"maxminddb\.h": r"geo/",
    r"curl/": r"probe/",
    r"sqlite3\.h": r"store/",
    r"jansson\.h": r"config/|store/|crowd/|admin/|meridiand/|meridian/",
    r"openssl/": r"admin/token\.c",
    r"microhttpd\.h": r"admin/http\.c",
}

# What of ldns reads messages, records or names as they are on the wire, or fetches them from there.
WIRE = re.compile(r"\bldns_(wire2\w+|buffer2pkt_wire|dname_new_frm_wire|udp_\w+|tcp_\w+|send\w*|resolver_\w+|axfr_\w+)\b")

# What a pure room may not call. Building text in a buffer (snprintf) is no stdio in this sense.
PURE = ["dns", "steer", "answer", "health"]
IMPURE = re.compile(r"^(_*(clock_gettime|gettimeofday|time|nanosleep|usleep|sleep|socket|bind|connect|listen|accept4?|"
                    r"(send|recv)(to|msg|mmsg)?|poll|epoll_.*|read|write|open(64|at)?|f?printf(_chk)?|fopen(64)?|fputs|"
                    r"fwrite|puts|putchar|malloc|calloc|realloc(array)?|strdup|strndup|asprintf(_chk)?|free|"
                    r"s?rand(om)?(_r)?|[dl]rand48|getrandom|getentropy|arc4random.*|pthread_.*))$")
LABELS = ("Owns", "Lifetime", "Threads", "Errors", "Units", "Limits", "Spec")


def sources(pattern):
    return sorted(glob.glob(os.path.join(SOURCE, pattern), recursive=True))


def relative(path):
    return os.path.relpath(path, SOURCE)


def room_of(path):
    return relative(path).split(os.sep)[1]


def includes(path):
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if m:
                yield number, m.group(1), m.group(2)


def check_layers():
    for path in sources("src/**/*.[ch]") + sources("src/**/*.def"):
        room = room_of(path)
        if room not in MAY_KNOW:
            yield "%s: the room \"%s\" is not in the table of tests/lint/house.py" % (relative(path), room)
            continue
        allowed = set(MAY_KNOW[room].split()) | {room}
        for line, kind, name in includes(path):
            where = "%s:%d" % (relative(path), line)
            other = name.split("/")[0]
            if "/" in name and other in MAY_KNOW and other not in allowed:
                yield "%s: %s may not know %s (\"%s\")" % (where, room, other, name)
            if kind == '"' and name.startswith(".."):
                yield "%s: \"%s\" climbs out of its folder" % (where, name)
            if "_priv." in name and "/" in name:
                yield "%s: \"%s\" is private to another room" % (where, name)
            for header, rooms in FOREIGN.items():
                if re.match(header, name) and not re.match("src/(%s)" % (rooms or "-"), relative(path)):
                    yield "%s: <%s> may not be included here" % (where, name)


def check_headers():
    compiler = os.environ.get("CC", "cc")
    roots = [a for r in MAY_KNOW for a in ("-I", os.path.join(SOURCE, "src", r, "include"))]
    with tempfile.TemporaryDirectory() as folder:
        unit = os.path.join(folder, "alone.c")
        for path in sources("src/*/include/**/*.h"):
            with open(path, encoding="utf-8") as f:
                text = f.read()
            name = relative(path)
            opening = re.match(r"/\*.*?\*/", text, re.S)
            if not opening:
                yield "%s:1: a public header opens with its contract" % name
            elif not any(re.search(r"(^|\s)%s\s" % label, opening.group(0)) for label in LABELS):
                yield "%s:1: its contract has none of the labels %s" % (name, ", ".join(LABELS))
            if "#pragma once" not in text:
                yield "%s: no #pragma once" % name
            with open(unit, "w", encoding="utf-8") as f:
                f.write('#include "%s"\n#include "%s"\n' % (path, path))
            done = subprocess.run([compiler, "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-fsyntax-only"] + roots +
                                  [unit], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode != 0 or done.stdout:
                yield "%s: does not compile alone:\n%s" % (name, done.stdout)


def check_size():
    for pattern in ("src/**/*.[ch]", "tests/**/*.[ch]", "tests/**/*.py"):
        for path in sources(pattern):
            with open(path, encoding="utf-8") as f:
                lines = sum(1 for _ in f)
            if lines > LINES_MAX:
                yield "%s: %d lines, more than %d: which two ideas share it?" % (relative(path), lines, LINES_MAX)


def check_format():
    files = sources("src/**/*.[ch]") + sources("tests/**/*.[ch]")
    if not shutil.which("clang-format"):
        yield "clang-format is not installed: apt-get install --no-install-recommends clang-format"
        return
    for at in range(0, len(files), 50):
        done = subprocess.run(["clang-format", "--dry-run", "-Werror"] + files[at:at + 50], cwd=SOURCE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wrong = {}
        for line in done.stdout.splitlines():
            m = re.match(r"([^:\s]+):(\d+):\d+: error", line)
            if m:
                wrong.setdefault(m.group(1), m.group(2))
        for path, line in wrong.items():
            yield "%s:%s: clang-format would write it otherwise (scripts/lint --fix)" % (relative(path), line)
        if done.returncode != 0 and not wrong:
            yield done.stdout


def check_scripts():
    for path in sources("scripts/*") + sources("scripts/parts/*.sh") + sources(".ci/run"):
        if not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8") as f:
            first = f.readline()
        if "bash" not in first and not path.endswith(".sh"):
            continue
        done = subprocess.run(["bash", "-n", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            yield done.stdout
        if shutil.which("shellcheck"):
            done = subprocess.run(["shellcheck", "-x", "-S", "warning", "-f", "gcc", relative(path)], cwd=SOURCE,
                                  stdout=subprocess.PIPE, text=True)
            yield from done.stdout.splitlines()


def check_wire():
    for path in sources("src/**/*.[ch]") + sources("src/**/*.def"):
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                for word in WIRE.finditer(line):
                    yield "%s:%d: %s: messages are read by src/dns or by hand" % (relative(path), number, word.group(0))


def check_fuzz():
    folder = os.path.join(SOURCE, "tests/fuzz")
    for description in sources("tests/fuzz/*.cmake"):
        target = os.path.basename(description)[:-len(".cmake")]
        seeds = os.path.join(folder, "corpus", target)
        if not os.path.isdir(seeds) or not os.listdir(seeds):
            yield "tests/fuzz/corpus/%s: no seeds" % target
        dictionary = os.path.join(folder, target + ".dict")
        if not os.path.exists(dictionary):
            yield "%s: missing" % relative(dictionary)
            continue
        with open(dictionary, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                if not re.fullmatch(r'(#.*|\w+="([^"\\]|\\["\\]|\\x[0-9a-f]{2})+")?', line.rstrip("\n")):
                    yield "%s:%d: no entry of a dictionary" % (relative(dictionary), number)
    done = subprocess.run([sys.executable, "-B", os.path.join(folder, "make_corpus.py"), "--check"], cwd=SOURCE,
                          stdout=subprocess.PIPE, text=True)
    yield from done.stdout.splitlines()


def check_pure(build):
    for room in PURE:
        archive = os.path.join(build, "src", room, "lib%s.a" % room)
        if not os.path.exists(archive):
            yield "%s: not built" % archive
            continue
        out = subprocess.run(["nm", "-A", "-u", archive], stdout=subprocess.PIPE, text=True, check=True).stdout
        for line in out.splitlines():
            symbol = line.split()[-1].split("@")[0]
            if IMPURE.match(symbol):
                yield "%s: %s calls %s" % (room, line.split(":")[1], symbol)


def main():
    checks = {"layers": check_layers, "headers": check_headers, "size": check_size, "format": check_format,
              "scripts": check_scripts, "wire": check_wire, "fuzz": check_fuzz, "pure": check_pure}
    if len(sys.argv) < 2 or sys.argv[1] not in checks:
        sys.exit(__doc__)
    findings = list(checks[sys.argv[1]](*sys.argv[2:]))
    for finding in findings:
        print(finding)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
