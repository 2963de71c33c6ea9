#!/usr/bin/env python3
"""Stead over SSH, against as many parallel `ssh HOST true` in the same run.

  ssh.py [--hosts N] [--runs N] [--json FILE]

Boots N disposable hosts (tests/testhost; root and what tests/setup makes), each with an address of its own and a real sshd, and works on
them from this machine with 20 resources each:

  ssh       N parallel `ssh HOST true`: what no tool can go below
  contact   first contact: the worker is sent, and everything is applied
  apply     first apply, with the worker there
  noop      apply with nothing to do
  plan      plan with nothing to do

Each row is the median of the runs: wall seconds, and how many times the `ssh` row that is. Needs target/release/stead (or STEAD).
Machines are noisy: compare rows of one run, not runs.
"""
import argparse, json, os, platform, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
STEAD = os.path.abspath(os.environ.get("STEAD", os.path.join(HERE, "..", "target", "release", "stead")))
TESTHOST = os.path.join(HERE, "..", "tests", "testhost")
ROOT = os.environ.get("STEAD_TEST_ROOT", "/var/cache/stead-tests/root")

SITE = "\n".join(
    ['node "*" {', '  directory "/srv/bench" { mode = 0755 }', '  group "bench"', '  user "bench" { group = "bench", home = "/srv/bench" }']
    + [f'  file "/srv/bench/{i}" {{ content = "setting {i} of ${{node.name}}\\n", mode = 0640, owner = "bench" }}' for i in range(12)]
    + ['  symlink "/srv/bench/link" { target = "/srv/bench/0" }', '  cron "bench" { user = "bench", command = "true", minute = "5" }',
       '  directory "/srv/bench/d" { mode = 0700 }',
       '  service "cron" { state = running, enabled = true }', '  package "logrotate"', "}"]
)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stead-ssh-") as scratch:
        environment = dict(os.environ, TESTHOST_DIR=os.path.join(scratch, "hosts"), TESTHOST_BRIDGE="steadbench",
                           TESTHOST_NET="10.92.7", TESTHOST_ROOT=ROOT, TESTHOST_SIZE="512m")
        testhost = lambda *words: subprocess.run(["bash", TESTHOST, *words], env=environment, check=True, capture_output=True, text=True).stdout
        try:
            for index in range(1, options.hosts + 1):
                boot(testhost, index)
            measure(options, scratch, testhost)
        finally:
            testhost("down")


def boot(testhost, index):
    """A busy machine may fail to bring a host up in time."""
    for left in (3, 2, 1, 0):
        try:
            return testhost("boot", str(index))
        except subprocess.CalledProcessError as failed:
            if not left:
                sys.exit(failed.stderr)
            subprocess.run(["sleep", "1"])
            testhost("stop", f"h{index}")


def measure(options, scratch, testhost):
    hosts = [line.split()[:2] for line in testhost("ls").splitlines()]
    key, hostkey = testhost("key").strip(), open(os.path.join(scratch, "hosts", "hostkey.pub")).read().strip()
    known, config, project = (os.path.join(scratch, name) for name in ("known_hosts", "config", "site"))
    with open(known, "w") as file:
        file.writelines(f"{address} {hostkey}\n" for _, address in hosts)
    with open(config, "w") as file:
        file.writelines(f"Host {name}\n  HostName {address}\n  User root\n  IdentityFile {key}\n  UserKnownHostsFile {known}\n" for name, address in hosts)
    os.mkdir(project)
    open(os.path.join(project, "stead.toml"), "w").close()
    with open(os.path.join(project, "site.stead"), "w") as file:
        file.write(SITE + "\n")
    names = [name for name, _ in hosts]
    environment = dict(os.environ, STEAD_STATE_DIR=os.path.join(scratch, "state"))

    def stead(verb, *words):
        command = [STEAD, verb, project, "--on", ",".join(names), "--ssh-config", config, *words]
        begun = time.monotonic()
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        took = time.monotonic() - begun
        if done.returncode:
            sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return took

    def ssh(command):
        begun = time.monotonic()
        running = [subprocess.Popen(["ssh", "-F", config, name, command], stdin=subprocess.DEVNULL) for name in names]
        if any(process.wait() for process in running):
            sys.exit("ssh failed")
        return time.monotonic() - begun

    undo = "crontab -r -u bench; userdel bench; groupdel bench; rm -rf /srv/bench /var/lib/stead; true"
    forget = undo.replace("; true", " /var/cache/stead; true")
    rows = {name: [] for name in ("ssh", "contact", "apply", "noop", "plan")}
    stead("apply", "--yes")
    for _ in range(options.runs):
        rows["ssh"].append(ssh("true"))
        ssh("{ " + forget + "; } >/dev/null 2>&1")
        rows["contact"].append(stead("apply", "--yes"))
        ssh("{ " + undo + "; } >/dev/null 2>&1")
        rows["apply"].append(stead("apply", "--yes"))
        rows["noop"].append(stead("apply", "--yes"))
        rows["plan"].append(stead("plan"))
    base = statistics.median(rows["ssh"])
    print(f"{len(names)} hosts, {options.runs} runs, {os.cpu_count()} processors, stead of {os.path.getsize(STEAD) / 1e6:.1f} MB, {platform.release()}")
    for name, took in rows.items():
        print(f"{name:8} {statistics.median(took):7.2f} s  {statistics.median(took) / base:5.2f} x")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"hosts": len(names), "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
