"""peers: other servers with the content of common.document(): the same names and addresses, one UDP thread.

Each is a Peer: whether it is installed, its configuration, its command line. What is not the same work is
in `work`: static servers decide nothing, and not all of them answer the client subnet."""

import os
import shutil

import common
from common import PORT, REGIONS, address

ZONE_HEAD = "$TTL 30\n@ 30 IN SOA ns1 host 1 3600 600 86400 30\n@ 30 IN NS ns1\nns1 30 IN A 127.0.0.1\n"


def v6(region, i):
    return "2001:db8:%x::%x:%x" % (region + 1, i >> 16, i & 0xffff)


def label(i):
    return common.service(i).split(".")[0]


def write(folder, name, text):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def static_zone(folder, services):
    records = "".join("%s 30 IN A %s\n%s 30 IN AAAA %s\n" % (label(i), address(0, i), label(i), v6(0, i))
                      for i in range(services))
    return write(folder, "gslb.example.zone", "$ORIGIN gslb.example.\n" + ZONE_HEAD + records)


def nsd(folder, services, mmdb):
    static_zone(folder, services)
    return ["nsd", "-d", "-c", write(folder, "nsd.conf", """
server:
    ip-address: 127.0.0.1@%d
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "%s"
    database: ""
    pidfile: ""
    xfrdfile: "%s/xfrd.state"
    xfrdir: "%s"
    zonelistfile: "%s/zone.list"
    cookie-secret-file: "%s/cookies"
    minimal-responses: yes
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: gslb.example
    zonefile: gslb.example.zone
""" % ((PORT,) + (folder,) * 5))]


def knot_config(folder, module, use):
    return ["knotd", "-c", write(folder, "knot.conf", """
server:
    rundir: %s
    listen: 127.0.0.1@%d
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    edns-client-subnet: on
log:
  - target: stderr
    any: warning
database:
    storage: %s/db
%szone:
  - domain: gslb.example
    file: %s/gslb.example.zone
    zonefile-sync: -1
    journal-content: none
%s""" % (folder, PORT, folder, module, folder, use))]


def knot(folder, services, mmdb):
    static_zone(folder, services)
    return knot_config(folder, "", "")


def knot_geo(folder, services, mmdb):
    static_zone(folder, services)
    names = []
    for i in range(services):
        names.append("%s:\n" % common.service(i))
        for k, (_, _, continent) in enumerate(REGIONS):
            names.append('  - geo: "%s"\n    A: %s\n    AAAA: %s\n' % (continent, address(k, i), v6(k, i)))
    places = write(folder, "places.yml", "".join(names))
    module = ("mod-geoip:\n  - id: places\n    config-file: %s\n    ttl: 30\n    mode: geodb\n    geodb-file: %s\n"
              "    geodb-key: continent/code\n" % (places, mmdb))
    return knot_config(folder, module, "    module: mod-geoip/places\n")


def gdnsd_config(folder, services, mmdb, how):
    resources, names = [], []
    for i in range(services):
        centres = ", ".join("%s => { plugin => multifo, addrs_v4 => { a => %s }, addrs_v6 => { a => %s } }"
                            % (name, address(k, i), v6(k, i)) for k, (name, _, _) in enumerate(REGIONS))
        resources.append("r%d => { map => m, service_types => up, dcmap => { %s } }\n" % (i, centres))
        names.append("%s 30 DYNA geoip!r%d\n" % (label(i), i))
    write(folder, "etc/zones/gslb.example", ZONE_HEAD + "".join(names))
    for name in ("run", "state"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    write(folder, "etc/config", """
options => {
    listen => 127.0.0.1, dns_port => %d, udp_threads => 1, tcp_threads => 1,
    edns_client_subnet => true, run_dir => %s/run, state_dir => %s/state,
}
plugins => { geoip => {
    maps => { m => { geoip2_db => %s, datacenters => [us, eu, as], %s } },
    resources => { %s }
} }
""" % (PORT, folder, folder, mmdb, how, "".join(resources)))
    return ["gdnsd", "-c", os.path.join(folder, "etc"), "start"]


def gdnsd_map(folder, services, mmdb):
    return gdnsd_config(folder, services, mmdb, "map => { EU => [eu, us, as], AS => [as, us, eu], "
                                                "default => [us, eu, as] }")


def gdnsd_nearest(folder, services, mmdb):
    at = ", ".join("%s => [ %g, %g ]" % (name, where[0], where[1]) for name, where, _ in REGIONS)
    return gdnsd_config(folder, services, mmdb, "auto_dc_coords => { %s }" % at)


class Peer:
    def __init__(self, name, command, argv, work, needs=None):
        self.name, self.command, self.argv, self.work, self.needs = name, command, argv, work, needs

    def is_installed(self):
        return bool(shutil.which(self.command)) and (not self.needs or any(os.path.exists(n) for n in self.needs))


KNOT_GEOIP = ["/usr/lib/%s/knot/modules-3.2/geoip.so" % a for a in ("x86_64-linux-gnu", "aarch64-linux-gnu")]
PEERS = [Peer("nsd", "nsd", nsd, "static; no client subnet in the answer"),
         Peer("knot", "knotd", knot, "static; scope 0"),
         Peer("knot, geoip module", "knotd", knot_geo, "by continent", KNOT_GEOIP),
         Peer("gdnsd, map", "gdnsd", gdnsd_map, "by continent"),
         Peer("gdnsd, by distance", "gdnsd", gdnsd_nearest, "by distance")]
