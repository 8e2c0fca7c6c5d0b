//! A headless Chromium under the test's control, by the `DevTools` protocol over a pipe: reads what
//! the page shows, sends keys and clicks like a person's, and collects the page's errors and
//! requests.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// Its program's names on Debian, on Ubuntu, and from Google.
const PROGRAMS: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// The protocol uses file descriptors 3 and 4; the test passes them as standard input and output.
const START: &str = "exec \"$0\" --headless --no-sandbox --disable-gpu --no-first-run \
    --disable-background-networking --disable-component-update --remote-debugging-pipe \
    --user-data-dir=\"$1\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// An answer takes milliseconds; on a machine that is also emulating another, seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// A browser with one page open.
pub struct Browser {
    process: Child,
    requests: ChildStdin,
    messages: Receiver<Value>,
    next: u64,
    session: Option<String>,
    profile: PathBuf,
    complaints: Vec<String>,
    fetched: Vec<String>,
    loaded: bool,
}

impl Browser {
    /// Starts a browser whose files are in a folder of its own below this one.
    pub fn start(folder: &Path, name: &str) -> Self {
        let profile = folder.join(format!("{name}-{}", std::process::id()));
        let mut process = Command::new("sh")
            .args(["-c", START, program()])
            .arg(&profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh runs");
        let requests = process.stdin.take().expect("a pipe");
        let answers = process.stdout.take().expect("a pipe");
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("messages are JSON");
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut browser = Self {
            process,
            requests,
            messages,
            next: 0,
            session: None,
            profile,
            complaints: Vec::new(),
            fetched: Vec::new(),
            loaded: false,
        };
        browser.attach();
        browser
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", &json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.call("Target.attachToTarget", &target);
        self.session = session["sessionId"].as_str().map(Into::into);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), &json!({}));
        }
    }

    /// Opens a file and waits until it is loaded and drawn once.
    pub fn open(&mut self, file: &Path) {
        self.loaded = false;
        self.fetched.clear();
        let url = format!("file://{}", file.display());
        self.call("Page.navigate", &json!({"url": url}));
        while !self.loaded {
            let message = self.messages.recv_timeout(PATIENCE);
            self.note(&message.expect("the page loads"));
        }
        self.settle();
    }

    /// Waits for two frames: layout that depends on sizes is drawn in the second.
    pub fn settle(&mut self) {
        self.evaluate(
            "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))",
        );
    }

    /// The value of an expression in the page; promises are awaited.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let what = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &what);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    /// The text of an element, as shown.
    pub fn text(&mut self, selector: &str) -> String {
        let value = self.evaluate(&format!("document.querySelector({selector:?}).innerText"));
        value.as_str().expect("a text").to_owned()
    }

    /// Presses a key, by its name in the DOM.
    pub fn press(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        for kind in ["keyDown", "keyUp"] {
            self.call(
                "Input.dispatchKeyEvent",
                &json!({"type": kind, "key": key, "text": text}),
            );
        }
        self.settle();
    }

    /// Types into the focused element.
    pub fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", &json!({"text": text}));
        self.settle();
    }

    /// Clicks in the middle of an element.
    pub fn click(&mut self, selector: &str) {
        self.drag(selector, 0.5, 0.5);
    }

    /// Presses the button over an element and releases it elsewhere, both given as shares of the
    /// element's width.
    pub fn drag(&mut self, selector: &str, from: f64, to: f64) {
        let (from, to) = (self.point(selector, from), self.point(selector, to));
        self.mouse("mouseMoved", from);
        self.mouse("mousePressed", from);
        self.mouse("mouseMoved", to);
        self.mouse("mouseReleased", to);
        self.settle();
    }

    /// Moves the pointer over an element, at a share of its width.
    pub fn point_at(&mut self, selector: &str, share: f64) {
        let point = self.point(selector, share);
        self.mouse("mouseMoved", point);
        self.settle();
    }

    /// A point near the upper edge of an element, in the window.
    fn point(&mut self, selector: &str, share: f64) -> (f64, f64) {
        let place = self.evaluate(&format!(
            "(() => {{ const element = document.querySelector({selector:?}); \
             element.scrollIntoView({{block: 'center'}}); \
             const box = element.getBoundingClientRect(); \
             return [box.left + box.width * {share}, box.top + Math.min(8, box.height / 2)]; }})()"
        ));
        let at = |index: usize| place[index].as_f64().expect("a number");
        (at(0), at(1))
    }

    fn mouse(&mut self, kind: &str, (x, y): (f64, f64)) {
        let held = i32::from(kind != "mouseMoved");
        let event = json!({"type": kind, "x": x, "y": y, "button": if held == 1 { "left" } else { "none" },
            "buttons": held, "clickCount": held});
        self.call("Input.dispatchMouseEvent", &event);
    }

    /// Shows the page in a window of this width, in a colour scheme and on a medium.
    pub fn show(&mut self, width: u32, scheme: &str, medium: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call(
            "Emulation.setEmulatedMedia",
            &json!({"media": medium, "features": features}),
        );
        self.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false}),
        );
        self.settle();
    }

    /// The whole page as a PNG, in base64.
    pub fn screenshot(&mut self) -> String {
        let how = json!({"captureBeyondViewport": true});
        let answer = self.call("Page.captureScreenshot", &how);
        answer["data"].as_str().expect("a picture").to_owned()
    }

    /// The page as it would be printed: a PDF, in base64.
    pub fn print(&mut self) -> String {
        let answer = self.call("Page.printToPDF", &json!({"printBackground": true}));
        answer["data"].as_str().expect("a document").to_owned()
    }

    /// Errors and warnings since the start.
    #[must_use]
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Everything that the page requested, itself first.
    #[must_use]
    pub fn fetched(&self) -> &[String] {
        &self.fetched
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.next += 1;
        let mut request = json!({"id": self.next, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            request["sessionId"] = session.as_str().into();
        }
        let mut request = serde_json::to_vec(&request).expect("JSON");
        request.push(0);
        self.requests
            .write_all(&request)
            .expect("the browser listens");
        loop {
            let message = self.messages.recv_timeout(PATIENCE);
            let message = message.unwrap_or_else(|_| panic!("no answer to {method}"));
            if message["id"] == self.next {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, message: &Value) {
        match message["method"].as_str() {
            Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded") => {
                self.complaints.push(message["params"].to_string());
            }
            Some("Network.requestWillBeSent") => {
                let url = &message["params"]["request"]["url"];
                self.fetched.push(url.as_str().unwrap_or_default().into());
            }
            Some("Page.loadEventFired") => self.loaded = true,
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // This is the shell that was started.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

fn program() -> &'static str {
    let has = |name: &&&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
    };
    PROGRAMS
        .iter()
        .find(has)
        .expect("chromium is there; `cargo xtask test` installs it")
}
