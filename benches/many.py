#!/usr/bin/env python3
"""Many nodes from stored facts: `plan --from-facts` and `review` of a one-line change, each node with 100 resources.

    benches/many.py STEAD [NODES ...]          (default: 1000 2500 5000 10000)

Prints one line of JSON for each size: seconds (wall and CPU) and the largest resident set in MiB, the median of three rounds. What a
node has in common with the others is 90 resources; 10 hold its name, so that as many changes are different as there are nodes.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

SITE = """
state base(pool: String) {
  for i in 0..60 { file "/etc/app/conf-${i}.conf" { content = "pool ${pool}\\nline ${i}\\n", mode = 0644, owner = "root" } }
  for i in 0..20 { package "pkg-${i}" { state = installed } }
  for i in 0..10 { service "svc-${i}" { state = running } }
}
state machine(name: String) {
  for i in 0..9 { file "/etc/machine/m-${i}.conf" { content = "node ${name}\\nsetting ${i}\\n", mode = 0600 } }
  file "/etc/motd" { content = "hello\\n" }
}
node "*" {
  base(pool = data.pool)
  machine(name = node.name)
}
"""


def facts(name):
    address = "10.0.0.1"
    interface = {"mac": "52:54:00:00:00:01", "mtu": 1500, "up": True, "ipv4": [address], "ipv6": []}
    return {
        "hostname": name,
        "os": {"id": "debian", "family": "debian", "name": "Debian GNU/Linux 12 (bookworm)", "version": "12", "codename": "bookworm"},
        "kernel": {"name": "Linux", "release": "6.1.0", "version": "#1 SMP"},
        "cpu": {"count": 4, "model": "a processor"},
        "memory": {"total": "8GiB", "swap": "0B"},
        "arch": "x86_64",
        "init": "systemd",
        "network": {"interfaces": {"eth0": interface}, "ipv4": [address], "ipv6": []},
    }


def run(arguments, directory):
    """Runs a command. Returns wall and CPU seconds, and the largest resident set in MiB."""
    began = time.monotonic()
    process = subprocess.Popen(arguments, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{arguments}: {process.returncode}\n{said.decode(errors='replace')}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def median(rounds, arguments, directory):
    found = [run(arguments, directory) for _ in range(rounds)]
    wall, cpu, memory = (statistics.median(column) for column in zip(*found))
    return {"wall_s": round(wall, 2), "cpu_s": round(cpu, 2), "rss_mib": round(memory)}


def main():
    stead = os.path.abspath(sys.argv[1])
    rounds = int(os.environ.get("ROUNDS", "3"))
    for count in [int(word) for word in sys.argv[2:]] or [1000, 2500, 5000, 10000]:
        with tempfile.TemporaryDirectory(prefix="stead-many-") as directory:
            def write(name, text):
                path = os.path.join(directory, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text)

            def git(*words):
                who = ["-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "gc.auto=0"]
                subprocess.run(["git", *who, *words], cwd=directory, check=True, stdout=subprocess.DEVNULL)

            write("stead.toml", 'name = "bench"\n')
            write("site.stead", SITE)
            write("data/common.yaml", "pool: a.example\n")
            for number in range(count):
                write(f"facts/node-{number:05}.json", json.dumps(facts(f"node-{number:05}")))
            git("init", "-q", "-b", "main")
            git("add", "-A")
            git("commit", "-q", "-m", "first")
            write("site.stead", SITE.replace("hello", "hello there"))
            git("commit", "-q", "-a", "-m", "one line")
            line = {
                "nodes": count,
                "plan": median(rounds, [stead, "plan", "--from-facts", "--brief"], directory),
                "review": median(rounds, [stead, "review", "main~1..main"], directory),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
