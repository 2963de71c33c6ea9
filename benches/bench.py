#!/usr/bin/env python3
"""Stead's figures, with a C reference and other tools given the same work on the same machine in one run.

  bench.py [--runs N] [--files N] [--only NAME,...] [--peers DIR] [--json FILE]

  start     `stead --version`, and the binary's size
  check     `stead check` of N resources written out in 100 files, and of 10 N for linearity
  plan      no-op plan of N small files in 100 directories, written out and from a loop; 1 % drifted;
            observing and diffing alone, inside one process
  apply     first apply of the same, against `cp -r` and a durable writer in C
  undo      every file changed, and that run undone; every file made, and that run undone
  journal   what 100 applies leave that change 1 % of the files each, and what is left of it when it is collected
  watch     `stead apply --watch` over the same files: CPU time while nothing happens, and how soon a change is put right
  graph     100,000 resources with 300,000 edges: what the edges cost the compiler, and the order
  packages  200 packages declared, 190 of them installed: what a no-op plan reads and starts, by strace
  mixed     no-op plan of 30 everyday resources, on a copy-on-write layer over a Debian root
  editor    the language server on N resources in 100 files: a keystroke, a completion, the start, the memory
  services  100 services observed on a disposable host with a real systemd: connections and processes, by strace
  fidelity  the first dry run of each scenario of tests/hosts/fidelity, on a fresh host, without the time that apt takes

Needs target/release/stead and stead-bench (or STEAD and STEAD_BENCH) and a C compiler; `packages` and `services` strace;
`mixed`, `services` and `fidelity` root and what tests/setup makes. With --peers DIR (made by peers.sh) `plan`, `apply` and `mixed` are done by
Salt, Puppet, CFEngine and pyinfra as well, once each. Each row is the median of N runs: wall, CPU (user + system), peak memory.
Machines are noisy: compare rows of one run, not runs.
"""
import argparse, contextlib, json, os, platform, re, shutil, statistics, subprocess, sys, tempfile, time

import editor
import workload

HERE = os.path.dirname(os.path.abspath(__file__))
BUILT = os.path.join(HERE, "..", "target", "release")
STEAD = os.path.abspath(os.environ.get("STEAD", os.path.join(BUILT, "stead")))
STEAD_BENCH = os.path.abspath(os.environ.get("STEAD_BENCH", os.path.join(BUILT, "stead-bench")))
TESTS_ROOT = os.environ.get("STEAD_TEST_ROOT", "/var/cache/stead-tests/root")
ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "HOME": "/root"}
EVERYTHING = "start,check,plan,apply,undo,journal,watch,graph,packages,mixed,services,fidelity,editor"


def once(command, prepare=None, expect=(0,), root=None):
    """Runs a command; returns wall and CPU seconds and its peak in MiB."""
    if prepare:
        prepare()
    enter = (lambda: (os.chroot(root), os.chdir("/"))) if root else None
    with open(os.devnull, "r+b") as null, tempfile.TemporaryFile() as out:
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=null, stdout=out, stderr=out, env=ENV, preexec_fn=enter)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in expect:
            out.seek(0)
            raise Failed(f"{' '.join(command)}: exit {process.returncode}\n{out.read()[-3000:].decode(errors='replace')}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def middle(measured):
    """Medians of wall and CPU seconds, and the largest peak."""
    walls, cpus, peaks = zip(*measured)
    return statistics.median(walls), statistics.median(cpus), max(peaks)


def run(command, runs=5, **more):
    """Runs a command some times; returns medians of wall and CPU seconds and the largest peak in MiB."""
    return middle([once(command, **more) for _ in range(runs)])


def alternate(cases, runs):
    """Runs commands in turn, so that all of them meet the same machine. `cases` maps a name to a command and what prepares it."""
    measured = {name: [] for name in cases}
    for _ in range(runs):
        for name, (command, prepare) in cases.items():
            measured[name].append(once(command, prepare))
    return {name: middle(rows) for name, rows in measured.items()}


class Failed(Exception):
    pass


class Table:
    def __init__(self):
        self.rows, self.facts = [], []

    def add(self, name, measured, reference=None, bar=None):
        """A row; with a reference, also its ratios. `bar` says what is asked of it."""
        wall, cpu, peak = measured
        row = {"name": name, "wall_s": round(wall, 4), "cpu_s": round(cpu, 4), "peak_mib": round(peak, 1)}
        told = ""
        if reference:
            row["of_reference_cpu"] = round(cpu / reference[1], 2) if reference[1] else None
            row["of_reference_wall"] = round(wall / reference[0], 2)
            told = f"  {row['of_reference_cpu']} x cpu, {row['of_reference_wall']} x wall"
        if bar:
            row["bar"] = bar
            told += f"  [{bar}]"
        self.rows.append(row)
        print(f"{name:52s} wall {wall:8.3f}  cpu {cpu:8.3f}  peak {peak:6.1f}{told}", flush=True)
        return measured

    def tell(self, name, value, bar=None):
        """A figure that is no time."""
        self.facts.append({"name": name, "value": value, **({"bar": bar} if bar else {})})
        print(f"{name:52s} {value}" + (f"  [{bar}]" if bar else ""), flush=True)


class Bench:
    def __init__(self, options, work):
        self.runs, self.count, self.peers_root, self.work = options.runs, options.files, options.peers, work
        self.out, self.state = f"{work}/out", f"{work}/state"
        self.table = Table()

    def clean(self):
        """Takes what a run has left out of the way. It is not removed: for minutes ext4 looks for new inodes past those that were
        given back lately, one by one, and ten thousand of them make the next run several times as dear."""
        aside = tempfile.mkdtemp(dir=self.work, prefix="aside-")
        for left in (self.out, self.state):
            if os.path.exists(left):
                os.rename(left, f"{aside}/{os.path.basename(left)}")

    def stead(self, *words):
        return [STEAD, *words, "--state-dir", self.state]

    def inside(self, *words):
        """What stead-bench says."""
        done = subprocess.run([STEAD_BENCH, *words], capture_output=True, text=True, env=ENV)
        if done.returncode:
            raise Failed(f"stead-bench {' '.join(words)}: {done.stderr}")
        return json.loads(done.stdout)

    def sources(self):
        """The files, for Stead and for the C reference."""
        self.project, self.loop = f"{self.work}/project", f"{self.work}/loop.stead"
        if os.path.exists(self.project):
            return
        workload.files_written_out(self.project, self.out, self.count)
        workload.files_loop(self.loop, self.out, self.count)
        self.manifest, self.reference = f"{self.work}/manifest", f"{self.work}/ref"
        workload.manifest(self.manifest, self.out, self.count)
        subprocess.run(["cc", "-O2", "-o", self.reference, f"{HERE}/ref.c"], check=True)

    def write_tree(self):
        self.clean()
        subprocess.run([self.reference, "write", self.manifest], check=True, stdout=subprocess.DEVNULL)

    # ------------------------------------------------------------ groups

    def start(self):
        self.table.add("stead --version", run([STEAD, "--version"], runs=self.runs * 4), bar="5 ms")
        self.table.tell("size of the binary, MiB", round(os.path.getsize(STEAD) / 2**20, 1), "20")

    def check(self):
        self.sources()
        small = run([STEAD, "check", self.project], runs=self.runs)
        self.table.add(f"check, {self.count} resources in 100 files", small, bar="0.30 s of CPU, 0.16 s on two cores")
        large = f"{self.work}/large"
        workload.files_written_out(large, self.out, 10 * self.count)
        ten = run([STEAD, "check", large], runs=max(1, self.runs // 2))
        self.table.add(f"check, {10 * self.count} resources in 100 files", ten, small, "linear: 10 x")
        shutil.rmtree(large)

    def plan(self):
        self.sources()
        self.write_tree()
        # One process that checks a few times over tells its CPU time better than many short ones; its start is left out that way.
        rounds = 20
        c = [value / rounds for value in run([self.reference, "repeat", str(rounds), self.manifest], runs=self.runs)[:2]] + [0]
        self.table.add(f"C reference, check of {self.count} files", c)
        alone = self.inside("plan", str(self.runs * 2 + 1), self.project)["plan"]
        self.table.add("observing and diffing alone", (alone["wall_s"], alone["cpu_s"], 0), c, "3 x cpu")
        straight = lambda: workload.drift(self.out, self.count, "standard")
        drifted = lambda: workload.drift(self.out, self.count, "drifted")
        took = alternate({
            "quiet": (self.stead("plan", self.project), straight),
            "loop": (self.stead("plan", self.loop), straight),
            "drift": (self.stead("plan", self.project), drifted),
        }, self.runs * 2)
        self.table.add("plan, nothing to do, written out", took["quiet"], c, "20 x cpu")
        self.table.add("plan, nothing to do, loop", took["loop"], c, "10 x cpu")
        self.table.add("plan, 1 % drifted (of nothing to do)", took["drift"], took["quiet"], "1.1 x cpu")
        straight()
        if self.peers_root:
            self.peers_files("plan, nothing to do", {"plan": took["quiet"]})

    def apply(self):
        self.sources()
        self.write_tree()
        tree = f"{self.work}/tree"
        os.rename(self.out, tree)
        settle = lambda: (self.clean(), os.sync())
        took = alternate({
            "cp -r": (["cp", "-r", tree, self.out], settle),
            "cp -r, then synced": (["sh", "-c", f"cp -r {tree} {self.out} && sync -f {self.out}"], settle),
            "C reference: write, rename, syncfs": ([self.reference, "write", self.manifest], settle),
            "first apply, written out": (self.stead("apply", "--yes", self.project), settle),
            "first apply, loop": (self.stead("apply", "--yes", self.loop), settle),
        }, self.runs)
        subprocess.run(["diff", "-r", tree, self.out], check=True)
        for name, row in took.items():
            is_ours = name.startswith("first")
            self.table.add(name, row, took["cp -r"], "not slower than cp -r; 120 MB" if is_ours else None)
        if self.peers_root:
            self.peers_files("first apply", {"apply": took["first apply, written out"]})

    def undo(self):
        """In each round: all files are made, all are changed, the change is undone, the making is undone."""
        self.sources()
        changed = f"{self.work}/changed.stead"
        workload.files_loop(changed, self.out, self.count, mode="changed")
        steps = {
            "made": ("apply", "--yes", self.loop), "changed": ("apply", "--yes", changed),
            "changed back": ("undo", "2", "--yes"), "made back": ("undo", "1", "--yes"),
        }
        took = {step: [] for step in steps}
        for _ in range(self.runs):
            self.clean()
            for step, words in steps.items():
                took[step].append(once(self.stead(*words), os.sync))
            if os.path.exists(self.out):
                raise Failed(f"{self.out} is there after everything was undone")
        for step, name in (("changed", f"{self.count} files changed"), ("made", f"{self.count} files made")):
            done = self.table.add(f"apply, {name}", middle(took[step]))
            self.table.add(f"undo of {name}", middle(took[f"{step} back"]), done, "not slower than the apply")

    def journal(self):
        source, applies = f"{self.work}/growing.stead", 100
        self.clean()
        workload.files_loop(source, self.out, self.count)
        once(self.stead("apply", "--yes", source))
        sizes = [size_of(self.state)]
        for part in range(1, applies + 1):
            workload.files_loop(source, self.out, self.count, mode=f'${{if i % {applies} < {part} {{ "changed" }} else {{ "standard" }}}}')
            once(self.stead("apply", "--yes", source))
            sizes.append(size_of(self.state))
        each = self.count // applies
        self.table.tell(f"journal after the first apply of {self.count} files, KiB", sizes[0] >> 10)
        self.table.tell(f"  after {applies} more that change {each} files each, KiB", sizes[-1] >> 10)
        half = applies // 2
        for name, rows in ((f"first {half}", sizes[half] - sizes[0]), (f"last {half}", sizes[-1] - sizes[half])):
            self.table.tell(f"  bytes for each changed file, {name}", rows // (half * each), "what changed only")
        once(self.stead("gc", "--max-size", "1MiB"))
        self.table.tell("  collected down to 1 MiB, KiB", size_of(self.state) >> 10, "1024")

    def watch(self):
        self.sources()
        self.write_tree()
        watching = subprocess.Popen(self.stead("apply", "--watch", "--yes", self.project), stdin=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENV)
        try:
            # It watches once it mends.
            if self.mended(0, 30) is None:
                raise Failed("a change is not put right")
            time.sleep(2)
            before, seconds = cpu_of(watching.pid), 10
            time.sleep(seconds)
            self.table.tell(f"watching {self.count} files, CPU of {seconds} idle seconds, ms", round((cpu_of(watching.pid) - before) * 1000), "0")
            # Another file each time: one that somebody keeps changing is left alone after a while.
            took = [seconds for i in range(1, 11) if (seconds := self.mended(i * 321, 10)) is not None]
            self.table.tell("  changes put right", f"{len(took)} of 10")
            if took:
                self.table.tell("  put right after, ms: median", round(statistics.median(took) * 1000), "100")
                self.table.tell("  put right after, ms: longest", round(max(took) * 1000), "100")
        finally:
            watching.terminate()
            watching.wait()

    def mended(self, i, patience):
        """Spoils a file that is watched; returns the seconds until it is as it was."""
        time.sleep(0.5)
        path = f"{self.out}/{workload.name(i)}"
        begun = time.monotonic()
        workload.put(path, "spoilt\n")
        is_mended = until(lambda: open(path).read() == workload.content(i), patience)
        return time.monotonic() - begun if is_mended else None

    def graph(self):
        for resources in (10_000, 100_000):
            figures = self.inside("graph", str(max(3, self.runs)), str(resources))
            counts = figures["counts"]
            if counts["ordered"] != counts["resources"]:
                raise Failed(f"only {counts['ordered']} of {counts['resources']} resources have a place in the order")
            name = f"graph, {counts['resources']} resources, {counts['edges']} edges"
            times = lambda key: (figures[key]["wall_s"], figures[key]["cpu_s"], 0)
            both = tuple(a + b for a, b in zip(times("edges"), times("order")))
            before = self.table.add(f"{name}: all", both, None if resources == 10_000 else before, "linear: 10 x; 1 s")
            for key in ("edges", "order", "compile"):
                self.table.add(f"  {key}", times(key))

    def editor(self):
        directory = f"{self.work}/editor"
        editor.project(directory, self.count, 100)
        rounds = max(200, self.runs * 40)
        took, memory = editor.measure(STEAD, directory, ENV, rounds)
        took |= editor.pulled(STEAD, directory, ENV, rounds)
        bars = {"pulled file": "p99 50", "pulled project": "p99 300", "pulled completion": "p99 30", "start": "1000", "file": "p99 50", "project": "p99 300", "completion": "p99 30"}
        names = {"start": "start to first diagnostics", "file": "keystroke to diagnostics of the file",
                 "project": "keystroke to diagnostics of the project, compiled", "completion": "completion",
                 "pulled file": "  asked for: of the file", "pulled project": "  asked for: of the project, compiled",
                 "pulled completion": "  completion right behind that"}
        for key, values in took.items():
            middle, last = (round(editor.percentile(values, share) * 1000, 1) for share in (0.5, 0.99))
            self.table.tell(f"{names[key]}, ms", f"p50 {middle}  p99 {last}", bars[key])
        self.table.tell("memory of the server, MiB", round(memory, 1), "200")

    def packages(self):
        source = f"{self.work}/packages.stead"
        declared = workload.packages(source, "/var/lib/dpkg/status")
        command = self.stead("plan", "--detailed-exitcode", source)
        self.table.add(f"plan, {declared} packages, nothing to do", run(command, runs=self.runs))
        calls = trace(command, f"{self.work}/trace")
        self.table.tell("  reads of dpkg's database", calls.count(r'open(at2?)?\(.*dpkg/status"'), "1")
        self.table.tell("  processes started", calls.count(r"execve\(") - 1, "0")

    def mixed(self):
        lower = self.peers_root or TESTS_ROOT
        root = layer(lower, self.work)
        shutil.copy2(STEAD, f"{root}/usr/local/bin/stead")
        types = re.findall(r"^\S+", subprocess.run([STEAD, "docs"], capture_output=True, text=True, env=ENV).stdout, re.M)
        site = f"{self.work}/mixed"
        out = f"{self.work}/mix"
        workload.mixed_stead(f"{site}/stead", out, types)
        clean = f"for i in 1 2; do userdel benchu$i; groupdel benchg$i; done; crontab -r; rm -rf {out} {self.state} /etc/cron.d/bench*"
        fresh = lambda: subprocess.run(["chroot", root, "sh", "-c", clean], env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stead = lambda *words: ["/usr/local/bin/stead", *words, "--state-dir", self.state, f"{site}/stead"]
        first = run(stead("apply", "--yes"), prepare=fresh, runs=1, root=root)
        self.table.add("30 mixed resources, first apply", first)
        quiet = run(stead("plan", "--detailed-exitcode"), runs=self.runs * 4, root=root)
        self.table.add("30 mixed resources, nothing to do", quiet, bar="50 ms")
        if not self.peers_root:
            return
        workload.mixed_salt(f"{site}/salt", out)
        workload.mixed_puppet(f"{site}/puppet", out)
        workload.mixed_pyinfra(f"{site}/pyinfra", out)
        for tool, command in (
            ("Salt", salt(f"{site}/salt", "mixed")),
            ("Puppet", ["puppet", "apply", f"{site}/puppet/mixed.pp"]),
            ("pyinfra", pyinfra(f"{site}/pyinfra/mixed.py")),
        ):
            self.peer(f"  {tool}, first apply", command, first, root, prepare=fresh)
            self.peer(f"  {tool}, nothing to do", command, quiet, root, runs=3)
        fresh()

    @contextlib.contextmanager
    def host(self):
        """A disposable host: its root, and what enters it."""
        testhost = os.path.join(HERE, "..", "tests", "testhost")
        env = {**os.environ, "TESTHOST_DIR": f"{self.work}/hosts", "TESTHOST_BRIDGE": "stbench0", "TESTHOST_NET": "10.89.7", "TESTHOST_ROOT": TESTS_ROOT}
        call = lambda *words: subprocess.run([testhost, *words], env=env, check=True, capture_output=True, text=True).stdout
        try:
            call("up", "1")
            pid = next(line.split()[-1] for line in call("ls").splitlines() if line.startswith("h1"))
            root = f"/proc/{pid}/root"
            for name, binary in (("stead", STEAD), ("stead-bench", STEAD_BENCH)):
                shutil.copy2(binary, f"{root}/usr/local/bin/{name}")
            yield root, ["nsenter", "-t", pid, "-m", "-n", "-u", "-i", "-r", "-w"], lambda command: call("exec", "h1", "sh", "-c", command)
        finally:
            subprocess.run([testhost, "down"], env=env, capture_output=True)

    def services(self):
        with self.host() as (root, enter, shell):
            workload.service_units(root)
            workload.services(f"{root}/root/services.stead")
            workload.put(f"{root}/root/empty.stead", 'for i in 0..100 { exec "none-${i}" { command = ["true"], creates = "/" } }\n')
            shell("systemctl daemon-reload")
            stead = [*enter, "/usr/local/bin/stead", "plan", "--detailed-exitcode"]
            empty = run([*stead, "/root/empty.stead"], runs=self.runs * 4)
            self.table.add("plan, 100 resources that ask nothing", empty)
            asked = run([*stead, "/root/services.stead"], runs=self.runs * 4)
            self.table.add("plan, 100 services, nothing to do", asked)
            inner = [*enter, "/usr/local/bin/stead-bench", "plan", "21", "/root/services.stead"]
            figures = json.loads(subprocess.run(inner, env=ENV, check=True, capture_output=True, text=True).stdout)
            took = figures["plan"]
            self.table.add("  observed and planned alone", (took["wall_s"], took["cpu_s"], 0), bar="20 ms")
            calls = trace([*stead, "/root/services.stead"], f"{self.work}/trace")
            self.table.tell("  connections to D-Bus", calls.count(r"connect\(.*(dbus|systemd/private)"), "1")
            # nsenter becomes stead: two programs are started in all.
            self.table.tell("  processes started", calls.count(r"execve\(.*= 0") - 2, "0")

    def fidelity(self):
        folder = os.path.join(HERE, "..", "tests", "hosts", "fidelity")
        for file in sorted(os.listdir(folder)):
            name, suffix = os.path.splitext(file)
            if suffix != ".stead":
                continue
            with self.host() as (root, enter, shell):
                shutil.copy2(f"{folder}/{file}", f"{root}/root/site.stead")
                if os.path.exists(f"{folder}/{name}.setup"):
                    shell(open(f"{folder}/{name}.setup").read())
                # What apt takes is noted by a word in its place.
                for tool in ("apt-get", "apt-cache"):
                    stub = f"{root}/root/apart/{tool}"
                    workload.put(stub, f"#!/bin/bash\nbegun=$EPOCHREALTIME\n/usr/bin/{tool} \"$@\"\nstatus=$?\n"
                                 "echo $begun $EPOCHREALTIME >> /root/apart/times\nexit $status\n", 0o755)
                plan = [*enter, "/usr/bin/env", f"PATH=/root/apart:{ENV['PATH']}", "/usr/local/bin/stead", "plan", "/root/site.stead"]
                wall, cpu, peak = once(plan)
                times = f"{root}/root/apart/times"
                spans = [tuple(map(float, line.split())) for line in open(times)] if os.path.exists(times) else []
                apt = covered(spans)
                self.table.add(f"dry run, {name}, apt's {apt * 1000:.0f} ms apart", (wall - apt, cpu, peak), bar="150 ms")

    # ------------------------------------------------------------ peers

    def peer(self, name, command, reference, root, **more):
        """A row of a tool that may fail: then the row says so."""
        try:
            self.table.add(name, run(command, root=root, expect=(0, 2), **{"runs": 1, **more}), reference)
        except Failed as error:
            self.table.tell(name, f"failed: {str(error)[-300:]}")

    def peers_files(self, what, stead):
        """The same files by the peers, and what multiple of Stead's time they take."""
        site = f"{self.work}/peers"
        root = layer(self.peers_root, self.work)
        if not os.path.exists(site):
            workload.files_salt(f"{site}/salt", self.out, self.count)
            workload.files_puppet(f"{site}/files.pp", self.out, self.count)
            workload.files_cfengine(f"{site}/files.cf", self.out, self.count)
        is_plan, reference = "plan" in stead, next(iter(stead.values()))
        tools = {
            "CFEngine": ["cf-agent", "-K", *(["-n"] if is_plan else []), "-f", f"{site}/files.cf"],
            "Salt": salt(f"{site}/salt", "files", *(["test=True"] if is_plan else [])),
            "Puppet": ["puppet", "apply", *(["--noop", "--show_diff"] if is_plan else []), f"{site}/files.pp"],
        }
        for tool, command in tools.items():
            self.peer(f"  {tool}, {what}", command, reference, root, prepare=None if is_plan else self.clean)


def salt(directory, state, *more):
    code = "import sys; sys.path.insert(0, '/opt/salt'); from salt.scripts import salt_call; sys.argv[0] = 'salt-call'; salt_call()"
    return ["/usr/bin/python3", "-c", code, "--local", "-c", directory, "--state-output=changes", "state.apply", state, *more]


def pyinfra(deploy):
    code = "import sys; sys.path.insert(0, '/opt/pyinfra'); from pyinfra_cli.cli import cli; sys.argv[0] = 'pyinfra'; cli()"
    return ["/usr/bin/python3", "-c", code, "-y", "@local", deploy]


LAYERS = {}


def layer(lower, work):
    """A copy-on-write layer over a Debian root, with the work directory where it is outside. Gone with this process."""
    if lower in LAYERS:
        return LAYERS[lower]
    if not os.path.isdir(f"{lower}/etc"):
        raise Failed(f"there is no Debian root at {lower}: run tests/setup, or peers.sh")
    # Outside of the work directory, which is removed at the end: nothing that is mounted here may be.
    root, cow = tempfile.mkdtemp(prefix="stead-bench-layer-"), f"{work}/cow"
    for d in (f"{cow}/upper", f"{cow}/work"):
        os.makedirs(d)
    mount = lambda *words: subprocess.run(["mount", *words], check=True)
    mount("-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={cow}/upper,workdir={cow}/work", root)
    for d in ("proc", "sys", "dev"):
        mount("--rbind", f"/{d}", f"{root}/{d}")
    os.makedirs(root + work, exist_ok=True)
    mount("--bind", work, root + work)
    LAYERS[lower] = root
    return root


def until(holds, seconds):
    """Waits until something holds; says whether it does in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.001)
    return False


def cpu_of(pid):
    """CPU seconds of a process so far."""
    fields = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def size_of(directory):
    """Bytes of all files below a directory."""
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(directory) for name in names)


def covered(spans):
    """How much of the time any of these spans covers."""
    total, end = 0, 0
    for start, stop in sorted(spans):
        total += max(0, stop - max(start, end))
        end = max(end, stop)
    return total


class Calls:
    def __init__(self, path):
        with open(path, errors="replace") as f:
            self.lines = f.readlines()

    def count(self, pattern):
        return sum(bool(re.search(pattern, line)) for line in self.lines)


def own_disk(work):
    """Mounts a new ext4 on the work directory: what others write, sync and remove on this machine's disk is not measured then.
    Says what it lies on."""
    image = f"{work}.img"
    if os.geteuid() != 0:
        return "shared with everything else"
    with open(image, "w") as f:
        f.truncate(16 << 30)
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", "-N", "3000000", image], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, work], check=True, capture_output=True)
        return "a new ext4 in a file, mounted by loop"
    except (subprocess.CalledProcessError, FileNotFoundError):
        return "shared with everything else"
    finally:
        # It stays for as long as it is mounted.
        os.unlink(image)


def trace(command, path):
    """The system calls that look for files, connect, or start a process."""
    done = subprocess.run(["strace", "-f", "-qq", "-s", "200", "-e", "trace=execve,connect,open,openat,openat2", "-o", path, *command],
                          env=ENV, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-2000:]}{done.stdout[-2000:]}")
    return Calls(path)


def host(peers):
    """What the figures were taken on."""
    model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    memory = re.search(r"MemTotal:\s*(\d+)", open("/proc/meminfo").read())
    system = re.search(r'PRETTY_NAME="(.*)"', open("/etc/os-release").read())
    version = subprocess.run([STEAD, "--version"], capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    facts = {
        "processor": model.group(1) if model else platform.machine(), "cores": os.cpu_count(), "memory_gib": int(memory.group(1)) >> 20,
        "kernel": platform.release(), "system": system.group(1) if system else "", "load_before": os.getloadavg(),
        "stead": version, "commit": commit,
    }
    if peers:
        facts["peers"] = open(f"{peers}/opt/versions").read().splitlines()
    return facts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--only", default=EVERYTHING)
    parser.add_argument("--peers", help="a root made by peers.sh")
    parser.add_argument("--json", help="where the figures go, with the host and the versions")
    options = parser.parse_args()
    wanted = options.only.split(",")
    if unknown := set(wanted) - set(EVERYTHING.split(",")):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {EVERYTHING}")
    if os.geteuid() == 0 and "STEAD_BENCH_ALONE" not in os.environ:
        # Mounts of our own, which end with this process.
        os.environ["STEAD_BENCH_ALONE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    facts = host(options.peers)
    work = tempfile.mkdtemp(prefix="stead-bench-")
    facts["disk"] = own_disk(work)
    print(json.dumps(facts), flush=True)
    bench = Bench(options, work)
    failed = False
    try:
        for group in wanted:
            try:
                getattr(bench, group)()
            except (Failed, subprocess.CalledProcessError, FileNotFoundError) as error:
                failed = True
                print(f"{group}: {error}\n{getattr(error, 'stderr', '') or ''}", file=sys.stderr, flush=True)
        if options.json:
            bench_json = {"host": facts, "runs": options.runs, "files": options.files, "rows": bench.table.rows, "facts": bench.table.facts}
            workload.put(os.path.abspath(options.json), json.dumps(bench_json, indent=1) + "\n")
    finally:
        for root in LAYERS.values():
            if subprocess.run(["umount", "--recursive", "--lazy", root], check=False).returncode == 0:
                os.rmdir(root)
        if os.path.ismount(work):
            subprocess.run(["umount", "--lazy", work], check=True)
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(failed)


main()
