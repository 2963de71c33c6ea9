//! Disposable hosts for end-to-end tests: real systemd, D-Bus, sshd and apt in namespaces of their own, over a shared
//! read-only root (`tests/testhost`, `tests/mkroot.sh`). A [`Host`] is torn down when it is dropped.
//!
//! Every test process takes a bridge and a network for itself, guarded by a lock that the kernel gives back when the
//! process dies, so any number of test processes run side by side and none has to clean up after another.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::output::Output;
use crate::process::HostProcess;
use crate::snapshot::Snapshot;

/// Where the stead binary lies on a host.
pub const STEAD: &str = "/usr/local/bin/stead";

/// The environment of every command that is run on a host.
const ENVIRONMENT: [&str; 5] = [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "USER=root",
    "LC_ALL=C.UTF-8",
    "TERM=dumb",
];

/// Networks that test processes may take: 10.91.N.0/24.
const NETWORKS: std::ops::Range<u32> = 0..200;

/// Hosts that a network has addresses for.
const ADDRESSES: u32 = 240;

/// The numbers of hosts: those that nobody has had, then those of hosts that are gone, the longest gone first.
static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers { next: 1, gone: VecDeque::new() });

struct Numbers {
    next: u32,
    gone: VecDeque<u32>,
}

impl Numbers {
    fn take() -> u32 {
        let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        if numbers.next < ADDRESSES {
            numbers.next += 1;
            return numbers.next - 1;
        }
        numbers.gone.pop_front().expect("one test process has no more than 240 hosts at a time")
    }

    fn give_back(number: u32) {
        NUMBERS.lock().unwrap_or_else(PoisonError::into_inner).gone.push_back(number);
    }
}

/// One running host.
#[derive(Debug)]
pub struct Host {
    index: u32,
    pid: u32,
    booted: SystemTime,
    keep: bool,
    base: Base,
}

/// What a host is booted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    /// The root that most tests want.
    Root,
    /// That, with a layer of tools.
    Tools,
    /// The root of another release.
    Other,
}

/// Whether tests that need hosts may run here; `false` only where `STEAD_TEST_HOSTS=off` says so.
pub fn hosts_are_wanted() -> bool {
    !matches!(std::env::var("STEAD_TEST_HOSTS").as_deref(), Ok("off" | "0" | "no"))
}

impl Host {
    /// Boots a host with the stead binary on it, or returns `None` where `STEAD_TEST_HOSTS=off` is set.
    ///
    /// # Panics
    ///
    /// Where hosts cannot be had: not root, no namespaces, no root file system, or no stead binary.
    pub fn boot() -> Option<Self> {
        Self::start(false, Base::Root)
    }

    /// As [`Host::boot`], but what is written on the host is kept on disk, so that [`Host::power_cycle`] can be used.
    ///
    /// # Panics
    ///
    /// As [`Host::boot`].
    pub fn boot_with_disk() -> Option<Self> {
        Self::start(true, Base::Root)
    }

    /// As [`Host::boot`], with git, Python's venv and gpg on it (`tests/mktools.sh`).
    ///
    /// # Panics
    ///
    /// As [`Host::boot`].
    pub fn boot_with_tools() -> Option<Self> {
        Self::start(false, Base::Tools)
    }

    /// As [`Host::boot`], of another release of Debian, with nothing on it but what ssh and a worker need (`tests/mkother.sh`). `None`
    /// also where the mirror does not have that release; that is told on standard error.
    ///
    /// # Panics
    ///
    /// As [`Host::boot`].
    pub fn boot_other() -> Option<Self> {
        if hosts_are_wanted() && ground().other_root().is_none() {
            return None;
        }
        Self::start(false, Base::Other)
    }

    fn start(keep: bool, base: Base) -> Option<Self> {
        if !hosts_are_wanted() {
            return None;
        }
        let ground = ground();
        let mut host = Self { index: Numbers::take(), pid: 0, booted: UNIX_EPOCH, keep, base };
        host.power_on(ground);
        // By a process of its own: a descriptor that another thread's child inherits for a moment would keep the program from being run.
        let copied = Command::new("cp").arg(stead_binary()).arg(host.path(STEAD)).status();
        assert!(copied.is_ok_and(|status| status.success()), "the stead binary is copied to the host");
        Some(host)
    }

    fn power_on(&mut self, ground: &Ground) {
        self.booted = SystemTime::now() - Duration::from_secs(1);
        let keep = if self.keep { "1" } else { "0" };
        let index = self.index.to_string();
        // A busy machine may fail to bring a host up in time: what came up of it is ended, and it is tried again.
        let mut tries = 0;
        let root = match self.base {
            Base::Root => ground.root.clone(),
            Base::Tools => ground.root_with_tools(),
            Base::Other => ground.other_root().expect("it was made before"),
        };
        while let Err(why) = ground.testhost_with(&["boot", &index], &root, keep) {
            tries += 1;
            assert!(tries < 4, "the host did not boot: {why}");
            let _ = ground.testhost(&["stop", &format!("h{index}")]);
            std::thread::sleep(Duration::from_secs(tries));
        }
        let pid = fs::read_to_string(ground.state.join(format!("h{index}/pid"))).expect("testhost wrote the pid");
        self.pid = pid.trim().parse().expect("a pid is a number");
    }

    /// Its name, which is also its host name.
    pub fn name(&self) -> String {
        format!("h{}", self.index)
    }

    /// Its IPv4 address, reachable from the machine the tests run on.
    pub fn address(&self) -> String {
        format!("{}.{}", ground().net, 10 + self.index)
    }

    /// The private key that its root accepts over ssh.
    pub fn ssh_key(&self) -> PathBuf {
        ground().state.join("key")
    }

    /// The process id of its PID 1, as the machine that runs the tests sees it.
    pub fn outer_pid(&self) -> u32 {
        self.pid
    }

    /// Where a path of the host is found from outside. A symbolic link on the way would be followed on *this* machine:
    /// only for paths whose directories a test knows to be real.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/{}", self.pid, path.trim_start_matches('/')))
    }

    /// Runs a shell script on the host, as root.
    pub fn run(&self, script: &str) -> Output {
        self.output(&["sh", "-c", script])
    }

    /// Runs a shell script on the host and returns what it printed.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn must(&self, script: &str) -> String {
        let output = self.run(script);
        assert!(output.code == 0, "`{script}` failed on the host\n{output}");
        output.stdout
    }

    /// Runs `stead` with these arguments in `/root`.
    pub fn stead(&self, arguments: &[&str]) -> Output {
        let mut argv = vec!["env", "-C", "/root", STEAD];
        argv.extend_from_slice(arguments);
        self.output(&argv)
    }

    /// Runs `stead` as a user other than root, in that user's home directory.
    pub fn stead_as(&self, user: &str, arguments: &[&str]) -> Output {
        let home = self.must(&format!("getent passwd {user} | cut -d: -f6"));
        let (home, name) = (format!("HOME={}", home.trim()), format!("USER={user}"));
        let mut argv = vec!["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--"];
        argv.extend_from_slice(&["env", "-C", &home[5..], &home, &name, STEAD]);
        argv.extend_from_slice(arguments);
        self.output(&argv)
    }

    fn output(&self, argv: &[&str]) -> Output {
        self.spawn(argv).wait()
    }

    /// A command that will run on the host as root, with a clean environment and without standard input.
    pub fn command(&self, argv: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.pid.to_string(), "-a", "--", "env", "-i"]).args(ENVIRONMENT).args(argv);
        command.stdin(Stdio::null());
        command
    }

    /// Starts a command on the host and returns while it runs.
    pub fn spawn(&self, argv: &[&str]) -> HostProcess {
        HostProcess::spawn(self.command(argv))
    }

    /// Writes a file (0644, root) and the directories above it.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let outside = self.path(path);
        if let Some(parent) = outside.parent() {
            fs::create_dir_all(parent).unwrap_or_else(|why| panic!("{path}: {why}"));
        }
        fs::write(&outside, content).unwrap_or_else(|why| panic!("{path}: {why}"));
        fs::set_permissions(&outside, fs::Permissions::from_mode(0o644)).unwrap_or_else(|why| panic!("{path}: {why}"));
    }

    /// Copies a directory of this machine to the host.
    pub fn copy_tree(&self, from: &Path, to: &str) {
        let outside = self.path(to);
        fs::create_dir_all(&outside).unwrap_or_else(|why| panic!("{to}: {why}"));
        let status = Command::new("cp").args(["-R", "--"]).arg(from.join(".")).arg(&outside).status();
        assert!(status.is_ok_and(|status| status.success()), "{} is copied to {to}", from.display());
    }

    /// The text of a file, `None` if there is none.
    pub fn read(&self, path: &str) -> Option<String> {
        match fs::read(self.path(path)) {
            Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Err(why) if why.kind() == io::ErrorKind::NotFound => None,
            Err(why) => panic!("{path}: {why}"),
        }
    }

    /// Permission bits, owner and group of a path; `None` if it is missing. A symbolic link is not followed.
    pub fn stat(&self, path: &str) -> Option<(u32, u32, u32)> {
        let metadata = fs::symlink_metadata(self.path(path)).ok()?;
        Some((metadata.mode() & 0o7777, metadata.uid(), metadata.gid()))
    }

    /// Everything on its root file system that a run could change, less what the system itself keeps changing.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.path("/"), self.booted)
    }

    /// The running services with the main process of each, less those of the system itself.
    pub fn services(&self) -> Vec<(String, u32)> {
        let list = self.must("systemctl list-units --type=service --state=running --plain --no-legend");
        let mut services: Vec<_> = list
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(|unit| !["user@", "systemd-", "dbus", "ssh@"].iter().any(|own| unit.starts_with(own)))
            .map(|unit| (unit.to_owned(), self.main_pid(unit)))
            .collect();
        services.sort();
        services
    }

    /// The main process of a unit as the host numbers it, 0 when it does not run.
    pub fn main_pid(&self, unit: &str) -> u32 {
        let pid = self.must(&format!("systemctl show -p MainPID --value '{unit}'"));
        pid.trim().parse().expect("systemctl prints a number")
    }

    /// Kills PID 1 and with it everything on the host at once, as a power cut would, and boots it from the same disk.
    ///
    /// # Panics
    ///
    /// When the host was not made by [`Host::boot_with_disk`].
    pub fn power_cycle(&mut self) {
        self.power_off();
        self.power_on_again();
    }

    /// Kills PID 1 and with it everything on the host at once, as a power cut would. It answers nothing until it is on again.
    ///
    /// # Panics
    ///
    /// As [`Host::power_cycle`].
    pub fn power_off(&self) {
        assert!(self.keep, "only a host with a disk survives a power cut");
        ground().testhost(&["kill", &self.name()]).unwrap_or_else(|why| panic!("{why}"));
    }

    /// Boots a host that is off from the same disk.
    ///
    /// # Panics
    ///
    /// When it does not boot.
    pub fn power_on_again(&mut self) {
        self.power_on(ground());
    }

    /// Waits until `condition` holds on the host.
    ///
    /// # Panics
    ///
    /// When it does not within `limit`.
    pub fn wait_for(&self, what: &str, limit: Duration, mut condition: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            assert!(start.elapsed() < limit, "waited {limit:?} for: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::env::var_os("STEAD_TEST_KEEP").is_some() {
            let _ = writeln_stderr(&format!("host {} is kept: nsenter -t {} -a", self.name(), self.pid));
        } else if let Err(why) = ground().testhost(&["stop", &self.name()]) {
            let _ = writeln_stderr(&format!("host {} was not torn down: {why}", self.name()));
        } else {
            Numbers::give_back(self.index);
        }
    }
}

fn writeln_stderr(line: &str) -> io::Result<()> {
    use io::Write as _;
    writeln!(io::stderr(), "{line}")
}

/// What all hosts of this process stand on.
#[derive(Debug)]
struct Ground {
    state: PathBuf,
    bridge: String,
    net: String,
    root: PathBuf,
    /// Held for as long as the process lives: the network is ours, and the root is not replaced.
    _locks: (File, File),
}

impl Ground {
    fn testhost(&self, arguments: &[&str]) -> Result<String, String> {
        self.testhost_with(arguments, &self.root, "0")
    }

    fn testhost_with(&self, arguments: &[&str], root: &Path, keep: &str) -> Result<String, String> {
        let output = Command::new("bash")
            .arg(tests_dir().join("testhost"))
            .args(arguments)
            .env("TESTHOST_DIR", &self.state)
            .env("TESTHOST_BRIDGE", &self.bridge)
            .env("TESTHOST_NET", &self.net)
            .env("TESTHOST_ROOT", root)
            .env("TESTHOST_KEEP", keep)
            .stdin(Stdio::null())
            .output()
            .map_err(|why| format!("bash does not run: {why}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        } else {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(format!("testhost {} ({}): {said}", arguments.join(" "), output.status))
        }
    }

    /// The root of another release, which is made when it is asked for first; `None` where that cannot be had.
    fn other_root(&self) -> Option<PathBuf> {
        static OTHER: OnceLock<Option<(PathBuf, File)>> = OnceLock::new();
        let other = OTHER.get_or_init(|| {
            let made = Command::new("bash").arg(tests_dir().join("mkother.sh")).stdin(Stdio::null()).output().expect("bash runs");
            let said = String::from_utf8_lossy(&made.stderr).trim().to_owned();
            if made.status.code() == Some(3) {
                let _ = writeln_stderr(&format!("left out: {said}"));
                return None;
            }
            assert!(made.status.success(), "the root of another release was not made: {said}");
            let mut root = self.root.clone().into_os_string();
            root.push("-other");
            let root = PathBuf::from(root);
            let lock = File::open(root.with_extension("lock")).expect("mkother.sh makes the lock");
            lock.lock_shared().expect("the root is kept for as long as tests run");
            Some((root, lock))
        });
        other.as_ref().map(|(root, _)| root.clone())
    }

    /// The root with the layer of tools above it, which is made when it is asked for first.
    fn root_with_tools(&self) -> PathBuf {
        static LAYER: OnceLock<(PathBuf, File)> = OnceLock::new();
        let (layer, _lock) = LAYER.get_or_init(|| {
            let made = Command::new("bash").arg(tests_dir().join("mktools.sh")).stdin(Stdio::null()).output().expect("bash runs");
            assert!(made.status.success(), "the tools were not made: {}", String::from_utf8_lossy(&made.stderr).trim());
            let mut layer = self.root.clone().into_os_string();
            layer.push("-tools");
            let layer = PathBuf::from(layer);
            let lock = File::open(layer.with_extension("lock")).expect("mktools.sh makes the lock");
            lock.lock_shared().expect("the layer is kept for as long as tests run");
            (layer, lock)
        });
        let mut both = layer.clone().into_os_string();
        both.push(":");
        both.push(&self.root);
        both.into()
    }
}

fn ground() -> &'static Ground {
    static GROUND: OnceLock<Result<Ground, String>> = OnceLock::new();
    match GROUND.get_or_init(make_ground) {
        Ok(ground) => ground,
        Err(why) => panic!(
            "{why}\nhint: the tests on hosts need root, namespaces and what tests/setup installs; \
             STEAD_TEST_HOSTS=off leaves them out"
        ),
    }
}

fn make_ground() -> Result<Ground, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("not root".to_owned());
    }
    let unshare = Command::new("unshare").args(["-m", "-p", "-n", "-u", "-i", "-C", "--fork", "true"]).output();
    match unshare {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            return Err(format!("no namespaces here: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        Err(why) => return Err(format!("unshare does not run: {why}")),
    }
    let root = PathBuf::from(std::env::var_os("STEAD_TEST_ROOT").unwrap_or_else(|| "/var/cache/stead-tests/root".into()));
    let made = Command::new("bash").arg(tests_dir().join("mkroot.sh")).stdin(Stdio::null()).output();
    match made {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            return Err(format!("the hosts' root was not made: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        Err(why) => return Err(format!("bash does not run: {why}")),
    }
    let lock = root.with_extension("lock");
    let root_lock = File::open(&lock).map_err(|why| format!("{}: {why}", lock.display()))?;
    root_lock.lock_shared().map_err(|why| format!("{}: {why}", lock.display()))?;

    let base = PathBuf::from("/tmp/stead-tests");
    fs::create_dir_all(&base).map_err(|why| format!("{}: {why}", base.display()))?;
    for network in NETWORKS {
        let file = base.join(format!("net-{network}.lock"));
        let lock = File::create(&file).map_err(|why| format!("{}: {why}", file.display()))?;
        if lock.try_lock().is_err() {
            continue;
        }
        let ground = Ground {
            state: base.join(format!("net-{network}")),
            bridge: format!("stead{network}"),
            net: format!("10.91.{network}"),
            root,
            _locks: (root_lock, lock),
        };
        // Whoever had this network before may have been killed.
        ground.testhost(&["down"])?;
        return Ok(ground);
    }
    Err("every network is taken".to_owned())
}

/// The private key that every host's root accepts.
///
/// # Panics
/// When there is no host yet.
pub fn login_key() -> String {
    fs::read_to_string(ground().state.join("key")).expect("a host was booted")
}

/// The public key that every host shows, as it stands in a `known_hosts` file.
///
/// # Panics
/// When there is no host yet.
pub fn host_key() -> String {
    fs::read_to_string(ground().state.join("hostkey.pub")).expect("a host was booted").trim().to_owned()
}

/// The folder `tests/` of the source tree.
pub fn tests_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The binary under test: `STEAD_BIN`, else one built now, in the profile that the tests themselves were built in.
///
/// # Panics
///
/// When it cannot be built or found.
pub fn stead_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("STEAD_BIN") {
            let path = PathBuf::from(path);
            assert!(path.is_file(), "STEAD_BIN={} is not a file", path.display());
            return path;
        }
        let this = std::env::current_exe().expect("a test knows its own path");
        let profile = this.ancestors().nth(2).expect("a test lies in target/PROFILE/deps");
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "stead"]).current_dir(tests_dir());
        if profile.file_name().is_some_and(|name| name == "release") {
            build.arg("--release");
        }
        let status = build.stdin(Stdio::null()).status().expect("cargo runs");
        assert!(status.success(), "stead was not built");
        let path = profile.join("stead");
        assert!(path.is_file(), "{} is not there", path.display());
        path
    })
}
