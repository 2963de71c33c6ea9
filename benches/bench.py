#!/usr/bin/env python3
"""Stead's figures, with a C reference and other tools given the same work on the same machine in one run.

  bench.py [--runs N] [--files N] [--only NAME,...] [--json FILE]

  check    `stead check` of N resources written out in 100 files, and of 10 N for linearity
  plan     no-op plan of N small files in 100 directories, written out and from a loop; 1 % drifted
  apply    first apply of the same, against `cp -r`
  start    `stead --version`, and the binary's size

Needs target/release/stead (or STEAD) and a C compiler. Each row is the median of N runs: wall, CPU
(user + system), peak memory. Machines are noisy: compare rows of one run, not runs.
"""
import argparse, hashlib, json, os, shutil, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
STEAD = os.environ.get("STEAD", os.path.join(HERE, "..", "target", "release", "stead"))
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "HOME": "/root"}


def run(command, prepare=None, runs=5, cwd=None, expect=(0,)):
    """Runs a command some times; returns medians of wall and CPU seconds and the largest peak in MiB."""
    walls, cpus, peak = [], [], 0
    for _ in range(runs):
        if prepare:
            prepare()
        start = time.monotonic()
        with open(os.devnull, "r+b") as null, tempfile.TemporaryFile() as out:
            process = subprocess.Popen(command, stdin=null, stdout=out, stderr=out, env=ENV, cwd=cwd)
            _, status, usage = os.wait4(process.pid, 0)
            walls.append(time.monotonic() - start)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode not in expect:
                out.seek(0)
                sys.exit(f"{' '.join(command)}: exit {process.returncode}\n{out.read()[-4000:].decode(errors='replace')}")
        cpus.append(usage.ru_utime + usage.ru_stime)
        peak = max(peak, usage.ru_maxrss / 1024)
    return statistics.median(walls), statistics.median(cpus), peak


class Table:
    def __init__(self):
        self.rows = []

    def add(self, name, measured, reference=None):
        wall, cpu, peak = measured
        row = {"name": name, "wall_s": round(wall, 4), "cpu_s": round(cpu, 4), "peak_mib": round(peak, 1)}
        ratio = ""
        if reference:
            row["of_reference_cpu"] = round(cpu / reference[1], 2) if reference[1] else None
            row["of_reference_wall"] = round(wall / reference[0], 2)
            ratio = f"  {row['of_reference_cpu']} x cpu, {row['of_reference_wall']} x wall of the reference"
        self.rows.append(row)
        print(f"{name:58s} wall {wall:8.3f} s  cpu {cpu:8.3f} s  peak {peak:6.1f} MiB{ratio}", flush=True)
        return measured


def content(i):
    token = hashlib.sha256(str(i).encode()).hexdigest()
    return (f"# managed file {i:06d}\nname=item-{i:06d}\nport={10000 + i % 50000}\ntoken={token}\n"
            f"limit={i * 7 % 1000}\nmode=standard\ncomment=the quick brown fox jumps over lazy dog {i % 97}\n")


def name(i):
    return f"d{i % 100:02d}/f{i:06d}.conf"


def put(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def written_out(project, out, count):
    """A project of 100 files with every resource written out."""
    put(f"{project}/stead.toml", 'name = "bench"\n')
    parts = [[f'directory "{out}" {{ mode = 0755 }}\n'] if d == 0 else [] for d in range(100)]
    for d in range(100):
        parts[d].append(f'directory "{out}/d{d:02d}" {{ mode = 0755 }}\n')
    for i in range(count):
        parts[i % 100].append(f'file "{out}/{name(i)}" {{\n  content = {quoted(content(i))}\n  mode    = 0644\n}}\n')
    for d, part in enumerate(parts):
        put(f"{project}/part{d:02d}.stead", "\n".join(part))


def loop(path, out, count):
    put(path, f'''directory "{out}" {{ mode = 0755 }}
for d in 0..100 {{ directory "{out}/d${{d.pad(2)}}" {{ mode = 0755 }} }}
for i in 0..{count} {{
  file "{out}/d${{(i % 100).pad(2)}}/f${{i.pad(6)}}.conf" {{
    content = "# managed file ${{i.pad(6)}}\\nname=item-${{i.pad(6)}}\\nport=${{10000 + i % 50000}}\\ntoken=${{"${{i}}".sha256()}}\\nlimit=${{i * 7 % 1000}}\\nmode=standard\\ncomment=the quick brown fox jumps over lazy dog ${{i % 97}}\\n"
    mode    = 0644
  }}
}}
''')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--only", default="start,check,plan,apply")
    parser.add_argument("--json")
    options = parser.parse_args()
    wanted, runs, count = options.only.split(","), options.runs, options.files
    table = Table()
    work = tempfile.mkdtemp(prefix="stead-bench-")
    out, state = f"{work}/out", f"{work}/state"
    clean = lambda: (shutil.rmtree(out, ignore_errors=True), shutil.rmtree(state, ignore_errors=True))
    stead = lambda *words: [STEAD, *words, "--state-dir", state]
    try:
        if "start" in wanted:
            table.add("stead --version", run([STEAD, "--version"], runs=runs * 4))
            print(f"binary: {os.path.getsize(STEAD) / 2**20:.1f} MiB")
        written_out(f"{work}/project", out, count)
        loop(f"{work}/loop.stead", out, count)
        if "check" in wanted:
            small = table.add(f"check, {count} resources in 100 files", run([STEAD, "check", f"{work}/project"], runs=runs))
            written_out(f"{work}/large", out, 10 * count)
            table.add(f"check, {10 * count} resources in 100 files", run([STEAD, "check", f"{work}/large"], runs=max(1, runs // 2)), small)
        manifest, reference = f"{work}/manifest", f"{work}/ref"
        with open(manifest, "w") as f:
            for i in range(count):
                text = content(i)
                f.write(f"{out}/{name(i)} {len(text)}\n{text}")
        subprocess.run(["cc", "-O2", "-o", reference, f"{HERE}/ref.c"], check=True)
        if "plan" in wanted:
            subprocess.run([reference, "write", manifest], check=True, stdout=subprocess.DEVNULL)
            c = table.add(f"C reference, check {count} files", run([reference, "check", manifest], runs=runs * 2))
            quiet = table.add("plan, nothing to do, written out", run(stead("plan", f"{work}/project"), runs=runs), c)
            table.add("plan, nothing to do, loop", run(stead("plan", f"{work}/loop.stead"), runs=runs), c)
            for i in range(0, count, 100):
                put(f"{out}/{name(i)}", content(i).replace("mode=standard", "mode=drifted"))
            table.add("plan, 1 % drifted, written out (of the no-op plan)", run(stead("plan", f"{work}/project"), runs=runs), quiet)
        if "apply" in wanted:
            clean()
            subprocess.run([reference, "write", manifest], check=True, stdout=subprocess.DEVNULL)
            os.rename(out, f"{work}/tree")
            copy = table.add("cp -r", run(["cp", "-r", f"{work}/tree", out], prepare=clean, runs=runs))
            write = lambda: (clean(), os.sync())
            table.add("C reference, write, rename, syncfs", run([reference, "write", manifest], prepare=write, runs=runs), copy)
            table.add("first apply, written out (of cp -r)", run(stead("apply", "--yes", f"{work}/project"), prepare=write, runs=runs), copy)
            subprocess.run(["diff", "-r", f"{work}/tree", out], check=True)
            table.add("first apply, loop (of cp -r)", run(stead("apply", "--yes", f"{work}/loop.stead"), prepare=write, runs=runs), copy)
            subprocess.run(["diff", "-r", f"{work}/tree", out], check=True)
        if options.json:
            put(os.path.abspath(options.json), json.dumps({"machine": os.uname().release, "cores": os.cpu_count(), "rows": table.rows}, indent=1))
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
