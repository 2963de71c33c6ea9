//! Chromium without a window, spoken to over the pipe of its own protocol: no driver and no port is needed.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use serde_json::{Value, json};

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    next: Cell<u64>,
    session: String,
    complaints: Vec<String>,
}

impl Browser {
    /// Starts Chromium with a profile of its own in `directory`.
    ///
    /// # Panics
    /// Where there is none: `tests/setup` installs it.
    pub(crate) fn start(directory: &Path) -> Self {
        let program = ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find(|name| Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok())
            .expect("there is a Chromium: tests/setup installs it");
        // The protocol wants descriptors 3 and 4; the shell makes them of its own input and output.
        let line = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null";
        let mut child = Command::new("/bin/sh")
            .args(["-c", line, program])
            .args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", directory.join("profile").display()))
            .arg("--window-size=1280,900")
            .env("HOME", directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let to = child.stdin.take().expect("a pipe");
        let from = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut browser = Self { child, to, from, next: Cell::new(1), session: String::new(), complaints: Vec::new() };
        let target = browser.send("Target.createTarget", json!({ "url": "about:blank" }));
        let attached = browser.send("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        browser.session = attached["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.send(domain, json!({}));
        }
        browser.resize(1280);
        browser.prefer("light");
        browser
    }

    /// Sends a command and waits for its answer; what else comes meanwhile is looked through for errors.
    fn send(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.next.get();
        self.next.set(id + 1);
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = serde_json::to_vec(&message).expect("JSON");
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser listens");
        loop {
            let answer = self.receive();
            if answer["id"] == json!(id) {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    fn receive(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).expect("the browser answers");
        assert!(bytes.pop() == Some(0), "the browser went away");
        let message: Value = serde_json::from_slice(&bytes).expect("JSON");
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown") => self.complaints.push(message["params"].to_string()),
            Some("Log.entryAdded") if message["params"]["entry"]["level"] == "error" => {
                self.complaints.push(message["params"]["entry"]["text"].to_string());
            }
            _ => {}
        }
        message
    }

    /// Opens a file and waits until it is loaded.
    pub(crate) fn open(&mut self, file: &Path) {
        let mut url = String::from("file://");
        for byte in file.to_str().expect("UTF-8").bytes() {
            if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
                url.push(char::from(byte));
            } else {
                url.push_str(&format!("%{byte:02X}"));
            }
        }
        self.send("Page.navigate", json!({ "url": url }));
        while self.receive()["method"] != "Page.loadEventFired" {}
    }

    /// Evaluates an expression in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let result = self.send("Runtime.evaluate", json!({ "expression": expression, "returnByValue": true }));
        assert!(result.get("exceptionDetails").is_none(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Evaluates an expression that gives text.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        self.evaluate(expression).as_str().unwrap_or_else(|| panic!("{expression} gives no text")).to_owned()
    }

    /// Presses a key by its name.
    pub(crate) fn key(&mut self, name: &str) {
        let mut down = json!({ "type": "keyDown", "key": name, "code": name });
        let code = match name {
            "Enter" => 13,
            "Escape" => 27,
            _ => 0,
        };
        down["windowsVirtualKeyCode"] = json!(code);
        if name == "Enter" {
            down["text"] = json!("\r");
        }
        self.send("Input.dispatchKeyEvent", down);
        self.send("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": name, "code": name, "windowsVirtualKeyCode": code }));
    }

    /// Types characters.
    pub(crate) fn keys(&mut self, text: &str) {
        for c in text.chars() {
            let key = c.to_string();
            self.send("Input.dispatchKeyEvent", json!({ "type": "keyDown", "key": key, "text": key }));
            self.send("Input.dispatchKeyEvent", json!({ "type": "keyUp", "key": key }));
        }
    }

    /// What the system prefers: `dark` or `light`.
    pub(crate) fn prefer(&mut self, scheme: &str) {
        self.send("Emulation.setEmulatedMedia", json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }));
    }

    /// Makes the window this wide.
    pub(crate) fn width(&mut self, width: u32) {
        self.resize(width);
    }

    fn resize(&mut self, width: u32) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.send("Emulation.setDeviceMetricsOverride", size);
    }

    /// A picture of the whole page, PNG.
    pub(crate) fn screenshot(&mut self) -> Vec<u8> {
        let picture = self.send("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }));
        let text = picture["data"].as_str().expect("a picture");
        base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
    }

    /// What the browser complained about.
    pub(crate) fn complaints(&self) -> &[String] {
        &self.complaints
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
