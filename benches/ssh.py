#!/usr/bin/env python3
"""Stead over SSH, against as many parallel `ssh HOST true` in the same run, and beside Ansible and pyinfra.

  ssh.py [--hosts N] [--runs N] [--link 80ms,5%] [--peers-venv DIR] [--json FILE]

Boots N disposable hosts (tests/testhost; root and what tests/setup makes), each with an address of its own and a real sshd, and works on
them from this machine with 20 resources each:

  ssh       N parallel `ssh HOST true`: what no tool can go below
  contact   first contact: the worker is sent, and everything is applied
  apply     first apply, with the worker there
  noop      apply with nothing to do
  plan      plan with nothing to do

With `--link ROUND_TRIP,LOSS` a line that is so long, and loses so much of a hundred packets, lies between (tests/src/link.rs: TCP that waits 200 ms
for what was lost). It needs `cargo build -p stead-tests --bin stead-link`.

With `--peers-venv DIR` (peers-ssh.sh makes one) the same work is given to Ansible and to pyinfra, as far as they are in there; it is then 2
directories, 16 files, a symlink and a guarded command, which all of them have. The hosts have a Python for Ansible. It runs as it is tuned for speed: pipelining, no facts
gathered, as many forks as hosts, connections kept within a run.

Each row is the median of the runs: wall seconds, and how many times the `ssh` row that is. Needs target/release/stead (or STEAD).
Machines are noisy: compare rows of one run, not runs.
"""
import argparse, glob, json, os, platform, re, statistics, subprocess, sys, tempfile, time

from workload import content

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.path.join(HERE, "..", "target")
STEAD = os.path.abspath(os.environ.get("STEAD", os.path.join(TARGET, "release", "stead")))
TESTHOST = os.path.join(HERE, "..", "tests", "testhost")
ROOT = os.environ.get("STEAD_TEST_ROOT", "/var/cache/stead-tests/root")
# With a Python, which Ansible needs on its hosts: a layer over the other one.
ROOT_WITH_PYTHON = os.environ.get("STEAD_TEST_ROOT_TOOLS", f"{ROOT}-tools") + ":" + ROOT

EVERYDAY = "\n".join(
    ['node "*" {', '  directory "/srv/bench" { mode = 0755 }', '  group "bench"', '  user "bench" { group = "bench", home = "/srv/bench" }']
    + [f'  file "/srv/bench/{i}" {{ content = "setting {i} of ${{node.name}}\\n", mode = 0640, owner = "bench" }}' for i in range(12)]
    + ['  symlink "/srv/bench/link" { target = "/srv/bench/0" }', '  cron "bench" { user = "bench", command = "true", minute = "5" }',
       '  directory "/srv/bench/d" { mode = 0700 }',
       '  service "cron" { state = running, enabled = true }', '  package "logrotate"', "}"]
)
UNDO_EVERYDAY = "crontab -r -u bench; userdel bench; groupdel bench; rm -rf /srv/bench"

# What every tool can say: 2 directories, 16 files, a symlink, a command that has something to do once.
BASE = "/srv/bench"
CONTENTS = [content(i) for i in range(16)]


def shared_stead():
    files = [f'  file "{BASE}/etc/f{i}.conf" {{ mode = 0644, content = {json.dumps(text)} }}' for i, text in enumerate(CONTENTS)]
    return "\n".join(
        ['node "*" {', f'  directory "{BASE}/etc" {{ mode = 0755, parents = true }}', f'  directory "{BASE}/var" {{ mode = 0755 }}'] + files
        + [f'  symlink "{BASE}/var/link" {{ target = "{BASE}/etc/f0.conf" }}',
           f'  exec "once" {{ command = "touch {BASE}/var/once", creates = "{BASE}/var/once" }}', "}"])


def shared_ansible():
    tasks = [{"file": {"path": f"{BASE}/{name}", "state": "directory", "mode": "0755"}} for name in ("etc", "var")]
    tasks += [{"copy": {"dest": f"{BASE}/etc/f{i}.conf", "mode": "0644", "content": text}} for i, text in enumerate(CONTENTS)]
    tasks += [{"file": {"path": f"{BASE}/var/link", "src": f"{BASE}/etc/f0.conf", "state": "link"}},
              {"command": {"cmd": f"touch {BASE}/var/once", "creates": f"{BASE}/var/once"}}]
    # JSON is YAML.
    return json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}], indent=1)


def shared_pyinfra():
    return f"""import io
from pyinfra import host
from pyinfra.facts.files import File
from pyinfra.operations import files, server

for name in ("etc", "var"):
    files.directory(path=f"{BASE}/{{name}}", mode="755")
for i, text in enumerate({CONTENTS!r}):
    files.put(src=io.StringIO(text), dest=f"{BASE}/etc/f{{i}}.conf", mode="644")
files.link(path="{BASE}/var/link", target="{BASE}/etc/f0.conf")
if not host.get_fact(File, path="{BASE}/var/once"):
    server.shell(commands=["touch {BASE}/var/once"])
"""


def main():
    parser = argparse.ArgumentParser(description="Stead over SSH, and beside its peers: the head of this file says more.")
    parser.add_argument("--hosts", type=int, default=10)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--link", type=link, metavar="MS,LOSS", help="a line in between: 80ms,5%%")
    parser.add_argument("--peers-venv", metavar="DIR")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    peers = [name for name, program in (("ansible", "ansible-playbook"), ("pyinfra", "pyinfra"))
             if options.peers_venv and os.path.exists(os.path.join(options.peers_venv, "bin", program))]
    if options.peers_venv and not peers:
        sys.exit(f"neither Ansible nor pyinfra is in {options.peers_venv}: peers-ssh.sh makes one")
    root = ROOT_WITH_PYTHON if "ansible" in peers else ROOT
    with tempfile.TemporaryDirectory(prefix="stead-ssh-") as scratch:
        environment = dict(os.environ, TESTHOST_DIR=os.path.join(scratch, "hosts"), TESTHOST_BRIDGE="steadbench",
                           TESTHOST_NET="10.92.7", TESTHOST_ROOT=root, TESTHOST_SIZE="512m")
        testhost = lambda *words: subprocess.run(["bash", TESTHOST, *words], env=environment, check=True, capture_output=True, text=True).stdout
        try:
            for index in range(1, options.hosts + 1):
                boot(testhost, index)
            fleet = Fleet(scratch, testhost)
            with Link(options.link, fleet) as lines:
                measure(options, fleet, lines, peers)
        finally:
            testhost("down")


def link(text):
    found = re.fullmatch(r"(\d+)ms,(\d+)%", text)
    if not found:
        raise argparse.ArgumentTypeError("expected a round trip and a loss: 80ms,5%")
    return tuple(map(int, found.groups()))


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


class Fleet:
    """The hosts, and how ssh reaches them."""

    def __init__(self, scratch, testhost):
        self.scratch = scratch
        self.hosts = [line.split()[:2] for line in testhost("ls").splitlines()]
        self.names = [name for name, _ in self.hosts]
        self.key = testhost("key").strip()
        with open(os.path.join(scratch, "hosts", "hostkey.pub")) as file:
            self.hostkey = " ".join(file.read().split()[:2])
        # Without a line in between: for what is not measured.
        self.straight = self.config("straight", [(name, address, 22) for name, address in self.hosts])

    def config(self, name, ways):
        known, config = (os.path.join(self.scratch, f"{name}-{what}") for what in ("known_hosts", "config"))
        with open(known, "w") as file:
            file.writelines(f"{address if port == 22 else f'[{address}]:{port}'} {self.hostkey}\n" for _, address, port in ways)
        with open(config, "w") as file:
            file.writelines(f"Host {host}\n  HostName {address}\n  Port {port}\n  User root\n  IdentityFile {self.key}\n"
                            f"  UserKnownHostsFile {known}\n" for host, address, port in ways)
        return Way(config, known, ways)

    def ssh(self, way, command):
        begun = time.monotonic()
        running = [subprocess.Popen(["ssh", "-F", way.config, name, command], stdin=subprocess.DEVNULL) for name in self.names]
        # All are waited for, whatever the first says.
        if any([process.wait() for process in running]):
            sys.exit("ssh failed")
        return time.monotonic() - begun


class Way:
    def __init__(self, config, known, ways):
        self.config, self.known, self.ways = config, known, ways


class Link:
    """A line to each host, where there is to be one."""

    def __init__(self, line, fleet):
        self.line, self.fleet, self.running = line, fleet, None

    def __enter__(self):
        if not self.line:
            return self.fleet.straight
        near = [os.path.join(TARGET, kind, "stead-link") for kind in ("release", "debug")]
        program = os.environ.get("STEAD_LINK") or next(filter(os.path.exists, near), None)
        if not program:
            sys.exit("there is no stead-link: cargo build -p stead-tests --bin stead-link")
        words = [program, *map(str, self.line), *(f"{address}:22" for _, address in self.fleet.hosts)]
        self.running = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ports = [int(self.running.stdout.readline()) for _ in self.fleet.hosts]
        return self.fleet.config("line", [(name, "127.0.0.1", port) for name, port in zip(self.fleet.names, ports)])

    def __exit__(self, *_):
        if self.running:
            self.running.stdin.close()
            self.running.wait()


def timed(command, environment, directory):
    begun = time.monotonic()
    done = subprocess.run(command, env=environment, cwd=directory, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    took = time.monotonic() - begun
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return took


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    return path


def stead(fleet, way, site):
    project = os.path.join(fleet.scratch, "site")
    write(os.path.join(project, "stead.toml"), "")
    write(os.path.join(project, "site.stead"), site + "\n")
    environment = dict(os.environ, STEAD_STATE_DIR=os.path.join(fleet.scratch, "state"))
    command = lambda verb, *words: [STEAD, verb, project, "--on", ",".join(fleet.names), "--ssh-config", way.config, *words]
    return lambda *words: timed(command(*words), environment, fleet.scratch)


def ansible(fleet, way, venv):
    directory = os.path.join(fleet.scratch, "ansible")
    sockets = os.path.join(directory, "cp")
    config = write(os.path.join(directory, "ansible.cfg"), f"""[defaults]
forks = {len(fleet.names)}
gathering = explicit
interpreter_python = /usr/bin/python3
retry_files_enabled = False
local_tmp = {directory}/tmp
[ssh_connection]
pipelining = True
ssh_args = -F {way.config} -o ControlMaster=auto -o ControlPersist=60s
control_path_dir = {sockets}
""")
    inventory = write(os.path.join(directory, "hosts"), "\n".join(fleet.names) + "\n")
    playbook = write(os.path.join(directory, "site.yml"), shared_ansible())
    environment = dict(os.environ, ANSIBLE_CONFIG=config, ANSIBLE_FORCE_COLOR="0", LC_ALL="C.UTF-8")

    def run():
        took = timed([os.path.join(venv, "bin", "ansible-playbook"), "-i", inventory, playbook], environment, directory)
        # Connections are kept for a minute: the next run has to pay for its own.
        for path in glob.glob(os.path.join(sockets, "*")):
            subprocess.run(["ssh", "-F", way.config, "-o", f"ControlPath={path}", "-O", "exit", "x"], capture_output=True)
        return took

    return run


def pyinfra(fleet, way, venv):
    directory = os.path.join(fleet.scratch, "pyinfra")
    hosts = [(name, {"ssh_hostname": address, "ssh_port": port, "ssh_user": "root", "ssh_key": fleet.key,
                     "ssh_known_hosts_file": way.known, "ssh_strict_host_key_checking": "yes"}) for name, address, port in way.ways]
    inventory = write(os.path.join(directory, "inventory.py"), f"targets = {hosts!r}\n")
    deploy = write(os.path.join(directory, "site.py"), shared_pyinfra())
    environment = dict(os.environ, LC_ALL="C.UTF-8")
    return lambda: timed([os.path.join(venv, "bin", "pyinfra"), "-y", inventory, deploy], environment, directory)


def measure(options, fleet, way, peers):
    run_stead = stead(fleet, way, shared_stead() if peers else EVERYDAY)
    others = {name: {"ansible": ansible, "pyinfra": pyinfra}[name](fleet, way, options.peers_venv) for name in peers}
    undo = f"rm -rf {BASE}" if peers else UNDO_EVERYDAY
    forget = lambda *more: fleet.ssh(fleet.straight, f"{{ {'; '.join((undo, 'rm -rf /var/lib/stead', *more))}; }} >/dev/null 2>&1; true")
    rows = {name: [] for name in ("ssh", "contact", "apply", "noop", "plan")}
    rows.update({f"{name} {what}": [] for name in peers for what in ("apply", "noop")})
    run_stead("apply", "--yes")
    for _ in range(options.runs):
        rows["ssh"].append(fleet.ssh(way, "true"))
        forget("rm -rf /var/cache/stead")
        rows["contact"].append(run_stead("apply", "--yes"))
        forget()
        rows["apply"].append(run_stead("apply", "--yes"))
        rows["noop"].append(run_stead("apply", "--yes"))
        rows["plan"].append(run_stead("plan"))
        for name, run in others.items():
            forget()
            rows[f"{name} apply"].append(run())
            rows[f"{name} noop"].append(run())
    show(options, fleet, rows, peers)


def show(options, fleet, rows, peers):
    line = "straight" if not options.link else "round trip {} ms, {} % lost".format(*options.link)
    print(f"{len(fleet.names)} hosts, {line}, {options.runs} runs, {os.cpu_count()} processors, "
          f"stead of {os.path.getsize(STEAD) / 1e6:.1f} MB, {platform.release()}")
    median = {name: statistics.median(took) for name, took in rows.items()}
    for name, took in median.items():
        against = next((f"  {took / median[row]:5.1f} x stead" for row in ("apply", "noop") if name.endswith(f" {row}")), "")
        print(f"{name:14} {took:7.2f} s  {took / median['ssh']:5.2f} x{against}")
    if options.json:
        versions = {name: version(options.peers_venv, name) for name in peers}
        with open(options.json, "w") as file:
            json.dump({"hosts": len(fleet.names), "link": options.link, "peers": versions, "rows": rows}, file, indent=1)


def version(venv, name):
    program = {"ansible": "ansible-playbook", "pyinfra": "pyinfra"}[name]
    told = subprocess.run([os.path.join(venv, "bin", program), "--version"], capture_output=True, text=True).stdout
    return told.splitlines()[0] if told else "unknown"


if __name__ == "__main__":
    main()
