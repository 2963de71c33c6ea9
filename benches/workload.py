"""The same work for Stead and for its peers. Deterministic: the same call writes the same bytes.

  files      N small files (about 230 bytes) in 100 directories
  mixed      30 everyday resources of many types
  packages   200 packages declared: 190 that are installed, 10 that are not and shall not be
  services   100 services, running or stopped as they are
"""
import hashlib, os

PACKAGES = ["coreutils", "tzdata", "bash", "tar", "cron"]
HOSTS = ["a.internal", "b.internal", "c.internal"]
LINES = ["alpha=1", "beta=2", "gamma=3"]
KEYS = ["net.ipv4.ip_forward = 1", "vm.swappiness = 10"]


def put(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def content(i):
    """Unique, and without a character that any of the formats must escape (but the newline)."""
    token = hashlib.sha256(str(i).encode()).hexdigest()
    return (f"# managed file {i:06d}\nname=item-{i:06d}\nport={10000 + i % 50000}\ntoken={token}\n"
            f"limit={i * 7 % 1000}\nmode=standard\ncomment=the quick brown fox jumps over lazy dog {i % 97}\n")


def name(i):
    return f"d{i % 100:02d}/f{i:06d}.conf"


def directories(out):
    return [f"{out}/d{d:02d}" for d in range(100)]


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def indented(text, columns):
    return "".join(" " * columns + line + "\n" for line in text.splitlines())


def drift(out, count, mode):
    """Gives every hundredth file this mode: `standard` is what is declared."""
    for i in range(0, count, 100):
        put(f"{out}/{name(i)}", content(i).replace("mode=standard", f"mode={mode}"))


def manifest(path, out, count):
    """What ref.c reads."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        for i in range(count):
            text = content(i)
            f.write(f"{out}/{name(i)} {len(text)}\n{text}")


# ---------------------------------------------------------------- files

def files_written_out(project, out, count):
    """A project of 100 files with every resource written out."""
    put(f"{project}/stead.toml", 'name = "bench"\n')
    parts = [[f'directory "{out}" {{ mode = 0755 }}\n'] if d == 0 else [] for d in range(100)]
    for d, directory in enumerate(directories(out)):
        parts[d].append(f'directory "{directory}" {{ mode = 0755 }}\n')
    for i in range(count):
        parts[i % 100].append(f'file "{out}/{name(i)}" {{\n  content = {quoted(content(i))}\n  mode    = 0644\n}}\n')
    for d, part in enumerate(parts):
        put(f"{project}/part{d:02d}.stead", "\n".join(part))


def files_loop(path, out, count, mode="standard"):
    """The files from a loop; `mode` is one value in each, with expressions in `${}`."""
    put(path, f'''directory "{out}" {{ mode = 0755 }}
for d in 0..100 {{ directory "{out}/d${{d.pad(2)}}" {{ mode = 0755 }} }}
for i in 0..{count} {{
  file "{out}/d${{(i % 100).pad(2)}}/f${{i.pad(6)}}.conf" {{
    content = "# managed file ${{i.pad(6)}}\\nname=item-${{i.pad(6)}}\\nport=${{10000 + i % 50000}}\\ntoken=${{"${{i}}".sha256()}}\\nlimit=${{i * 7 % 1000}}\\nmode={mode}\\ncomment=the quick brown fox jumps over lazy dog ${{i % 97}}\\n"
    mode    = 0644
  }}
}}
''')


def salt_minion(directory):
    put(f"{directory}/minion", f"file_client: local\nid: bench\nroot_dir: {directory}/root\nlog_level: error\n"
        f"file_roots:\n  base:\n    - {directory}/states\ngrains: {{}}\n")


def files_salt(directory, out, count):
    salt_minion(directory)
    states = [f"{d}:\n  file.directory:\n    - mode: '0755'\n    - makedirs: True\n" for d in directories(out)]
    states += [f"{out}/{name(i)}:\n  file.managed:\n    - mode: '0644'\n    - contents: |\n{indented(content(i), 8)}"
               for i in range(count)]
    put(f"{directory}/states/files.sls", "".join(states))


def files_puppet(path, out, count):
    resources = [f"file {{ '{out}': ensure => directory }}\n"]
    resources += [f"file {{ '{d}': ensure => directory, mode => '0755' }}\n" for d in directories(out)]
    resources += [f"file {{ '{out}/{name(i)}': ensure => file, mode => '0644', content => '{content(i)}' }}\n"
                  for i in range(count)]
    put(path, "".join(resources))


def files_cfengine(path, out, count):
    promises = ['body common control { bundlesequence => { "main" }; }\n'
                'body perms m(mode) { mode => "$(mode)"; rxdirs => "false"; }\nbundle agent main {\nfiles:\n']
    promises += [f'  "{d}/." create => "true", perms => m("0755");\n' for d in directories(out)]
    promises += [f'  "{out}/{name(i)}" create => "true", perms => m("0644"), content => "{content(i)}";\n'
                 for i in range(count)]
    put(path, "".join(promises) + "}\n", 0o600)


# ---------------------------------------------------------------- mixed
# 5 packages, 2 groups, 2 users, 4 directories, 5 templates, 2 links, 3 lines, 2 cron entries, 2 files,
# 2 guarded commands, 1 absent file.

def mixed_stead(directory, out, types):
    """`types` are the resource types there are: what has none of its own is written as files."""
    put(f"{directory}/stead.toml", 'name = "mixed"\n')
    for i in range(5):
        put(f"{directory}/templates/app{i}.j2", f"# template {i} for {{{{ app_name }}}}\nlisten = {{{{ app_port }}}}\n"
            "{% for h in app_hosts %}upstream{{ loop.index }} = {{ h }}\n{% endfor %}")
    text = [f'package [{", ".join(quoted(p) for p in PACKAGES)}]']
    for g in (1, 2):
        text.append(f'group "benchg{g}" {{ gid = 4780{g} }}')
        text.append(f'user "benchu{g}" {{ uid = 4780{g}, group = "benchg{g}", shell = "/bin/sh", home = "/nonexistent", create_home = false }}')
    text.append(f'directory "{out}" {{ mode = 0755 }}')
    for d in ("etc", "var", "run"):
        text.append(f'directory "{out}/{d}" {{ mode = 0755 }}')
    text.append('let app = { app_name = "app", app_port = 8080, app_hosts = [' + ", ".join(quoted(h) for h in HOSTS) + "] }")
    for i in range(5):
        text.append(f'file "{out}/etc/app{i}.conf" {{ content = template("templates/app{i}.j2", app), mode = 0644 }}')
    for i in range(2):
        text.append(f'symlink "{out}/run/link{i}" {{ target = "{out}/etc/app{i}.conf" }}')
    for i, line in enumerate(LINES):
        if "line" in types:
            text.append(f'line "{line}" {{ path = "{out}/etc/lines.conf", create = true }}')
        else:
            text.append(f'file "{out}/etc/lines{i}.conf" {{ content = {quoted(line + chr(10))} }}')
    for i in range(2):
        if "cron" in types:
            text.append(f'cron "bench{i}" {{ command = "/bin/true bench{i}", minute = "{i}", hour = "4" }}')
        else:
            text.append(f'file "/etc/cron.d/bench{i}" {{ content = "{i} 4 * * * root /bin/true bench{i}\\n", mode = 0644 }}')
    for i, line in enumerate(KEYS):
        text.append(f'file "{out}/etc/sysctl{i}.conf" {{ content = {quoted(line + chr(10))} }}')
    text.append(f'exec "once" {{ command = ["touch", "{out}/var/once"], creates = "{out}/var/once" }}')
    text.append(f'exec "yes" {{ command = "echo yes > {out}/var/yes", unless = "grep -q yes {out}/var/yes", require = [directory["{out}/var"]] }}')
    text.append(f'file "{out}/etc/gone.conf" {{ state = absent }}')
    put(f"{directory}/site.stead", "\n".join(text) + "\n")


def mixed_salt(directory, out):
    salt_minion(directory)
    for i in range(5):
        put(f"{directory}/states/app{i}.j2", f"# template {i} for {{{{ app_name }}}}\nlisten = {{{{ app_port }}}}\n"
            "{% for h in app_hosts %}upstream{{ loop.index }} = {{ h }}\n{% endfor %}")
    s = [f"{p}:\n  pkg.installed: []\n" for p in PACKAGES]
    for g in (1, 2):
        s.append(f"benchg{g}:\n  group.present:\n    - gid: 4780{g}\n")
        s.append(f"benchu{g}:\n  user.present:\n    - uid: 4780{g}\n    - gid: 4780{g}\n    - shell: /bin/sh\n"
                 f"    - home: /nonexistent\n    - createhome: False\n    - require:\n      - group: benchg{g}\n")
    for d in ("", "/etc", "/var", "/run"):
        s.append(f"{out}{d}:\n  file.directory:\n    - makedirs: True\n    - mode: '0755'\n")
    for i in range(5):
        s.append(f"{out}/etc/app{i}.conf:\n  file.managed:\n    - source: salt://app{i}.j2\n    - template: jinja\n"
                 f"    - mode: '0644'\n    - context:\n        app_name: app\n        app_port: 8080\n"
                 f"        app_hosts: {HOSTS}\n    - require:\n      - file: {out}/etc\n")
    for i in range(2):
        s.append(f"{out}/run/link{i}:\n  file.symlink:\n    - target: {out}/etc/app{i}.conf\n")
    for i, line in enumerate(LINES):
        s.append(f"line{i}:\n  file.append:\n    - name: {out}/etc/lines.conf\n    - text: {line}\n")
    for i in range(2):
        s.append(f"cron{i}:\n  cron.present:\n    - name: /bin/true bench{i}\n    - identifier: bench{i}\n"
                 f"    - user: root\n    - minute: '{i}'\n    - hour: '4'\n")
    for i, line in enumerate(KEYS):
        s.append(f"key{i}:\n  file.managed:\n    - name: {out}/etc/sysctl{i}.conf\n    - contents: '{line}'\n")
    s.append(f"exec0:\n  cmd.run:\n    - name: touch {out}/var/once\n    - creates: {out}/var/once\n")
    s.append(f"exec1:\n  cmd.run:\n    - name: echo yes > {out}/var/yes\n    - unless: grep -q yes {out}/var/yes\n")
    s.append(f"{out}/etc/gone.conf:\n  file.absent: []\n")
    put(f"{directory}/states/mixed.sls", "".join(s))


def mixed_puppet(directory, out):
    for i in range(5):
        put(f"{directory}/app{i}.erb", f"# template {i} for <%= @app_name %>\nlisten = <%= @app_port %>\n"
            "<% @app_hosts.each_with_index do |h, i| -%>\nupstream<%= i + 1 %> = <%= h %>\n<% end -%>\n")
    p = [f"$app_name = 'app'\n$app_port = 8080\n$app_hosts = {HOSTS!r}\n"]
    p += [f"package {{ '{x}': ensure => installed }}\n" for x in PACKAGES]
    for g in (1, 2):
        p.append(f"group {{ 'benchg{g}': ensure => present, gid => 4780{g} }}\n"
                 f"user {{ 'benchu{g}': ensure => present, uid => 4780{g}, gid => 4780{g}, shell => '/bin/sh', home => '/nonexistent' }}\n")
    for d in ("", "/etc", "/var", "/run"):
        p.append(f"file {{ '{out}{d}': ensure => directory, mode => '0755' }}\n")
    for i in range(5):
        p.append(f"file {{ '{out}/etc/app{i}.conf': mode => '0644', content => template('{directory}/app{i}.erb') }}\n")
    for i in range(2):
        p.append(f"file {{ '{out}/run/link{i}': ensure => link, target => '{out}/etc/app{i}.conf' }}\n")
    p.append(f"file {{ '{out}/etc/lines.conf': ensure => file }}\n")
    for i, line in enumerate(LINES):
        p.append(f"file_line {{ 'line{i}': path => '{out}/etc/lines.conf', line => '{line}' }}\n")
    for i in range(2):
        p.append(f"cron {{ 'bench{i}': command => '/bin/true bench{i}', user => 'root', minute => {i}, hour => 4 }}\n")
    for i, line in enumerate(KEYS):
        p.append(f"file {{ '{out}/etc/sysctl{i}.conf': content => \"{line}\\n\" }}\n")
    p.append(f"exec {{ '/usr/bin/touch {out}/var/once': creates => '{out}/var/once' }}\n")
    p.append(f"exec {{ 'exec1': command => '/bin/sh -c \"echo yes > {out}/var/yes\"', unless => '/bin/grep -q yes {out}/var/yes' }}\n")
    p.append(f"file {{ '{out}/etc/gone.conf': ensure => absent }}\n")
    put(f"{directory}/mixed.pp", "".join(p))


def mixed_pyinfra(directory, out):
    for i in range(5):
        put(f"{directory}/app{i}.j2", f"# template {i} for {{{{ app_name }}}}\nlisten = {{{{ app_port }}}}\n"
            "{% for h in app_hosts %}upstream{{ loop.index }} = {{ h }}\n{% endfor %}")
    put(f"{directory}/mixed.py", f"""import io
from pyinfra import host
from pyinfra.facts.files import File, FindInFile
from pyinfra.operations import apt, crontab, files, server
for p in {PACKAGES!r}:
    apt.packages(packages=[p])
for g in (1, 2):
    server.group(group=f"benchg{{g}}", gid=47800 + g)
    server.user(user=f"benchu{{g}}", uid=47800 + g, group=f"benchg{{g}}", shell="/bin/sh", home="/nonexistent", ensure_home=False)
for d in ("", "/etc", "/var", "/run"):
    files.directory(path=f"{out}{{d}}", mode="755")
for i in range(5):
    files.template(src=f"{directory}/app{{i}}.j2", dest=f"{out}/etc/app{{i}}.conf", mode="644",
                   app_name="app", app_port=8080, app_hosts={HOSTS!r})
for i in range(2):
    files.link(path=f"{out}/run/link{{i}}", target=f"{out}/etc/app{{i}}.conf")
for line in {LINES!r}:
    files.line(path="{out}/etc/lines.conf", line=line)
for i in range(2):
    crontab.crontab(command=f"/bin/true bench{{i}}", cron_name=f"bench{{i}}", minute=str(i), hour="4")
for i, line in enumerate({KEYS!r}):
    files.put(src=io.StringIO(line + "\\n"), dest=f"{out}/etc/sysctl{{i}}.conf")
if not host.get_fact(File, path="{out}/var/once"):
    server.shell(commands=["touch {out}/var/once"])
if not host.get_fact(FindInFile, path="{out}/var/yes", pattern="yes"):
    server.shell(commands=["echo yes > {out}/var/yes"])
files.file(path="{out}/etc/gone.conf", present=False)
""")


# ---------------------------------------------------------------- packages, services

def packages(path, status, installed=190, absent=10):
    """Declares packages that a dpkg database has as installed, and some that are nowhere. Returns how many are declared."""
    names = []
    with open(status) as f:
        for record in f.read().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in record.splitlines() if ": " in line and not line.startswith(" "))
            if fields.get("Status") == "install ok installed" and fields.get("Multi-Arch") != "same":
                names.append(fields["Package"])
    names = sorted(names)[:installed]
    text = "".join(f'package "{n}"\n' for n in names)
    text += "".join(f'package "stead-bench-nowhere-{i}" {{ state = absent }}\n' for i in range(absent))
    put(path, text)
    return len(names) + absent


def services(path, count=100):
    put(path, f'for i in 0..{count} {{ service "stead-bench-${{i}}" {{ state = stopped, enabled = true }} }}\n')


def service_units(root, count=100):
    for i in range(count):
        put(f"{root}/etc/systemd/system/stead-bench-{i}.service",
            f"[Unit]\nDescription=Stead bench {i}\n[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n")
        link = f"{root}/etc/systemd/system/multi-user.target.wants/stead-bench-{i}.service"
        os.makedirs(os.path.dirname(link), exist_ok=True)
        if not os.path.lexists(link):
            os.symlink(f"/etc/systemd/system/stead-bench-{i}.service", link)
