"""Hosts with networks of their own, joined by a bridge in the test's network.

    bridge, in the test's namespace: 10.0.255.254
      ├── host 10.0.0.1
      ├── host 10.0.1.1 …

Each host is a network namespace that a process of the lab holds; cut() takes its port out of the
bridge, or its link down, and join() puts it back. What runs there begins with the words of enter."""

import os
import subprocess

from common import lab


def ip(t, words, within=()):
    subprocess.run(list(within) + ["ip"] + words.split(), env=t.env, check=True)


class Bridge:
    def __init__(self, t):
        self.t = t
        ip(t, "link add hub type bridge forward_delay 0")
        ip(t, "address add 10.0.255.254/16 dev hub")
        ip(t, "link set hub up")

    def host(self, name, address):
        return Host(self, name, address)


class Host:
    """name: at most 11 characters; address: of 10.0.0.0/16."""

    def __init__(self, bridge, name, address):
        t, self.t, self.port, self.address = bridge.t, bridge.t, "p-" + name, address
        self.holder = lab.Process(t, "net-" + name, ["unshare", "--net", "sleep", "300"])
        mine = os.readlink("/proc/self/ns/net")
        lab.wait_for("a network for " + name, lambda: self.net() not in (None, mine))
        self.enter = ["nsenter", "--net=/proc/%d/ns/net" % self.holder.pid]
        ip(t, "link add %s type veth peer name eth0 netns %d" % (self.port, self.holder.pid))
        ip(t, "link set %s master hub up" % self.port)
        ip(t, "link set lo up", self.enter)
        ip(t, "address add %s/16 dev eth0" % address, self.enter)
        ip(t, "link set eth0 up", self.enter)

    def net(self):
        try:
            return os.readlink("/proc/%d/ns/net" % self.holder.pid)
        except OSError:
            return None

    def cut(self, silently):
        """Nothing comes or goes. Silently: its link stays up, and what it sends is lost."""
        ip(self.t, "link set %s %s" % (self.port, "nomaster" if silently else "down"))

    def join(self):
        ip(self.t, "link set %s master hub up" % self.port)
