"""The language server as an editor meets it: how long a keystroke, a completion and the start take, and what it costs.

A small client of the protocol, of no use beyond this: it sends edits and waits for what they lead to.
"""
import json, os, re, subprocess, threading, time
from collections import deque


class Client:
    def __init__(self, command, root, env):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
        self.started = time.monotonic()
        self.root, self.next, self.versions = root, 0, {}
        self.arrived = threading.Condition()
        self.messages = deque()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        out = self.process.stdout
        while True:
            length = 0
            while line := out.readline().strip():
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if not length:
                break
            message = json.loads(out.read(length))
            with self.arrived:
                self.messages.append((time.monotonic(), message))
                self.arrived.notify_all()

    def send(self, method, params, number=None):
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        body = json.dumps(message).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()
        return time.monotonic()

    def wait(self, wanted, limit=60):
        """The first message that is wanted; answers what the server asks meanwhile. Returns when it came."""
        end = time.monotonic() + limit
        while True:
            with self.arrived:
                while not self.messages:
                    if not self.arrived.wait(end - time.monotonic()):
                        raise TimeoutError
                at, message = self.messages.popleft()
            if "id" in message and "method" in message:
                body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": None}).encode()
                self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                self.process.stdin.flush()
            if wanted(message):
                return at, message

    def request(self, method, params):
        self.next += 1
        number = self.next
        sent = self.send(method, params, number)
        at, message = self.wait(lambda m: m.get("id") == number and "method" not in m)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        return at - sent, message["result"]

    def uri(self, name):
        return f"file://{self.root}/{name}"

    def open(self, name):
        text = open(f"{self.root}/{name}").read()
        self.versions[name] = 1
        document = {"uri": self.uri(name), "languageId": "stead", "version": 1, "text": text}
        return self.send("textDocument/didOpen", {"textDocument": document})

    def edit(self, name, line, start, end, text):
        self.versions[name] += 1
        span = {"start": {"line": line, "character": start}, "end": {"line": line, "character": end}}
        document = {"uri": self.uri(name), "version": self.versions[name]}
        return self.send("textDocument/didChange", {"textDocument": document, "contentChanges": [{"range": span, "text": text}]})

    def told(self, name, codes=None):
        """Waits for diagnostics of the file in its newest version; with `codes`, for those that have exactly these."""
        def wanted(message):
            if message.get("method") != "textDocument/publishDiagnostics" or message["params"]["uri"] != self.uri(name):
                return False
            if message["params"].get("version") != self.versions[name]:
                return False
            return codes is None or sorted(d["code"] for d in message["params"]["diagnostics"]) == sorted(codes)
        return self.wait(wanted)[0]

    def resident(self):
        return int(re.search(r"VmHWM:\s*(\d+)", open(f"/proc/{self.process.pid}/status").read()).group(1)) / 1024

    def close(self):
        self.request("shutdown", None)
        self.send("exit", None)
        self.process.wait(20)


def project(directory, resources, files):
    """So many resources over so many files: each file a module with a state that has a loop-free list of files, called for one node."""
    os.makedirs(directory)
    each = resources // files
    site = []
    for f in range(files):
        os.makedirs(f"{directory}/m{f}")
        body = "\n".join(f'  file "/srv/m{f}/f{i}" {{ content = "${{name}} {i}\\n", mode = 0644 }}' for i in range(each - 1))
        text = f'state make(name: String) {{\n  directory "/srv/m{f}" {{ mode = 0755 }}\n{body}\n}}\n'
        open(f"{directory}/m{f}/make.stead", "w").write(text)
        site.append(f"  m{f}.make(name = \"m{f}\")")
    imports = "\n".join(f"use m{f}" for f in range(files))
    open(f"{directory}/site.stead", "w").write(imports + '\n\nnode "*" {\n' + "\n".join(site) + "\n}\n")
    open(f"{directory}/stead.toml", "w").write('name = "bench"\n')


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def pulled(stead, directory, env, rounds):
    """As an editor that asks for diagnostics by itself after each keystroke, and completes at once: latencies in milliseconds by name."""
    client = Client([stead, "lsp"], directory, env)
    folders = [{"uri": f"file://{directory}", "name": "bench"}]
    capabilities = {"textDocument": {"diagnostic": {}}, "workspace": {"diagnostics": {"refreshSupport": True}}}
    client.request("initialize", {"processId": None, "rootUri": None, "capabilities": capabilities, "workspaceFolders": folders})
    client.send("initialized", {})
    refreshed = lambda: client.wait(lambda message: message.get("method") == "workspace/diagnostic/refresh")[0]
    name = "m7/make.stead"
    client.open(name)
    refreshed()
    ask = lambda: client.request("textDocument/diagnostic", {"textDocument": {"uri": client.uri(name)}})
    lines = open(f"{directory}/{name}").read().split("\n")
    file, project, completion = [], [], []
    for i in range(rounds):
        line = 2 + i % (len(lines) - 4)
        at = lines[line].index("content")
        sent = client.edit(name, line, at, at, "x")
        took, report = ask()
        assert [one["code"] for one in report["items"]] == ["unknown-attribute"], report
        file.append(took)
        refreshed()
        sent = client.edit(name, line, at, at + 1, "")
        assert ask()[1]["items"] == [], "the mistake is gone"
        refreshed()
        ask()
        project.append(time.monotonic() - sent)
        end = lines[line].index(" }")
        client.edit(name, line, end, end, ", ")
        ask()
        # The node is being compiled now.
        took, items = client.request("textDocument/completion", {
            "textDocument": {"uri": client.uri(name)}, "position": {"line": line, "character": end + 2}})
        assert any(item["label"] == "owner" for item in items), "attributes are offered"
        completion.append(took)
        refreshed()
        client.edit(name, line, end, end + 2, "")
        ask()
        refreshed()
    client.close()
    return {"pulled file": file, "pulled project": project, "pulled completion": completion}


def measure(stead, directory, env, rounds):
    """Latencies in milliseconds by name, and the peak of memory in MiB."""
    client = Client([stead, "lsp"], directory, env)
    folders = [{"uri": f"file://{directory}", "name": "bench"}]
    client.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}, "workspaceFolders": folders})
    client.send("initialized", {})
    name = "m7/make.stead"
    client.open(name)
    start = client.told(name, []) - client.started
    # The background goes on compiling after the first look.
    client.edit(name, 1, 0, 0, " "), client.told(name), time.sleep(2)
    lines = open(f"{directory}/{name}").read().count("\n")
    file, project, completion = [], [], []
    for i in range(rounds):
        line = 2 + i % (lines - 3)
        # A letter of an attribute more, and away again: an error comes and goes.
        at = 30
        text = open(f"{directory}/{name}").read().split("\n")[line]
        at = text.index("content")
        sent = client.edit(name, line, at, at, "x")
        file.append(client.told(name, ["unknown-attribute"]) - sent)
        # Without a mistake the node is compiled: `publish` comes a second time with the result.
        sent = client.edit(name, line, at, at + 1, "")
        client.told(name)
        project.append(client.told(name) - sent)
        end = text.index(" }")
        client.edit(name, line, end, end, ", ")
        client.told(name)
        took, items = client.request("textDocument/completion", {
            "textDocument": {"uri": client.uri(name)}, "position": {"line": line, "character": end + 2}})
        assert any(item["label"] == "owner" for item in items), "attributes are offered"
        completion.append(took)
        client.edit(name, line, end, end + 2, "")
        client.told(name), client.told(name)
    memory = client.resident()
    client.close()
    return {"start": [start], "file": file, "project": project, "completion": completion}, memory
