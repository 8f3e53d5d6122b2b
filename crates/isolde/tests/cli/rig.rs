//! Running the real program and looking at what it leaves behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;
use tempfile::TempDir;

/// A static multi-call program that every Debian-like distribution has.
pub(crate) const BUSYBOX: &str = "/usr/bin/busybox";
/// What hangs for so long is broken, also on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a finished program did.
pub(crate) struct Ran {
    pub(crate) pid: u32,
    /// As a shell gives it.
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Fails unless it ended with `code`, said all `words`, and left nothing.
    #[track_caller]
    pub(crate) fn expect(self, code: i32, words: &[&str]) -> Self {
        let said = format!("{}{}", self.out(), self.stderr);
        assert_eq!(self.code, code, "exit code; it said:\n{said}");
        for word in words {
            assert!(said.contains(word), "no `{word}` in:\n{said}");
        }
        assert_eq!(left_by(self.pid), Vec::<String>::new(), "left behind");
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap()
    }
}

/// A program that still runs.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn of(child: Child) -> Self {
        Self(child)
    }

    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.0)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for the first line of its output.
    pub(crate) fn first_line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.0.stdout.as_mut().unwrap();
        // Byte by byte: nothing of what follows is taken.
        BufReader::with_capacity(1, stdout).read_line(&mut line).unwrap();
        line
    }

    /// Closes the reading end of its standard output.
    pub(crate) fn close_output(&mut self) {
        self.0.stdout = None;
    }

    /// Waits until `condition` holds.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            assert!(Instant::now() < deadline, "it did not come to that");
            assert!(self.0.try_wait().unwrap().is_none(), "it ended before");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for its end; what hangs is killed.
    pub(crate) fn end(self) -> Ran {
        let pid = self.0.id();
        let pidfd = pidfd_open(self.pid(), PidfdFlags::empty()).unwrap();
        let (done, waiting) = std::sync::mpsc::channel::<()>();
        let watchdog = std::thread::spawn(move || {
            if waiting.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
            }
        });
        let output = self.0.wait_with_output().unwrap();
        drop(done);
        watchdog.join().unwrap();
        use std::os::unix::process::ExitStatusExt;
        let code = output.status.code().or(output.status.signal().map(|signal| 128 + signal));
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ran { pid, code: code.unwrap(), stdout: output.stdout, stderr }
    }
}

/// The program with a cache of the tests' own.
pub(crate) fn isolde(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isolde"));
    command
        .args(arguments)
        .env("XDG_CACHE_HOME", cache())
        .env_remove("NO_COLOR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Ran {
    finish(&mut isolde(arguments))
}

pub(crate) fn finish(command: &mut Command) -> Ran {
    Running::start(command).end()
}

/// Kept between tests: making root file systems takes its time.
fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("isolde-cache");
        // What an earlier build of the program left would only grow.
        let built = fs::metadata(env!("CARGO_BIN_EXE_isolde")).unwrap().modified().unwrap();
        let made = fs::metadata(&folder).and_then(|metadata| metadata.modified());
        if made.is_ok_and(|made| made < built) {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        folder
    })
}

/// A folder for a test's own files.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// An executable script in `folder`.
pub(crate) fn script(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// `PATH` with `folder` before everything else.
pub(crate) fn path_with(folder: &Path) -> String {
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// Cgroups, folders, mounts, containers and images of a run of process `pid`.
pub(crate) fn left_by(pid: u32) -> Vec<String> {
    let of_run = |name: &str| name.starts_with(&format!("{pid}-"));
    let mut left = Vec::new();
    let mut places = vec![PathBuf::from("/sys/fs/cgroup/isolde")];
    places.extend(children(Path::new("/sys/fs/cgroup")).map(|child| child.join("isolde")));
    for place in places {
        left.extend(children(&place).filter(|child| of_run(&file_name(child))));
    }
    let is_folder = |path: &PathBuf| file_name(path).strip_prefix("isolde-").is_some_and(of_run);
    left.extend(children(&std::env::temp_dir()).filter(is_folder));
    let mut left: Vec<String> = left.iter().map(|path| path.display().to_string()).collect();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    left.extend(mounts.lines().filter(|l| l.contains(&format!("isolde-{pid}-"))).map(Into::into));
    left.extend(
        docker(&["ps", "-a", "--format", "{{.Names}}"])
            .lines()
            .filter(|n| n.contains(&format!("{pid}-")))
            .map(Into::into),
    );
    let suffix = format!("-{pid}");
    let images = docker(&["images", "--format", "{{.Tag}}", "isolde-root"]);
    left.extend(images.lines().filter(|tag| tag.ends_with(&suffix)).map(Into::into));
    left
}

/// What the command line of Docker says; nothing where there is none.
fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

fn children(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Whether all these environments can run here. Where they cannot, the reason
/// is printed, and `ISOLDE_REQUIRE` may say that they must.
pub(crate) fn ready(names: &[&str]) -> bool {
    let listing = run(&["environments", "--format", "json"]).json();
    let missing = listing["environments"].as_array().unwrap().iter().find(|report| {
        let name = report["environment"].as_str().unwrap();
        names.contains(&name) && report["readiness"]["state"] != "ready"
    });
    let Some(missing) = missing else { return needs(Path::new(BUSYBOX).exists(), BUSYBOX) };
    let required = std::env::var("ISOLDE_REQUIRE").unwrap_or_default();
    let name = missing["environment"].as_str().unwrap();
    assert!(!required.split(',').any(|other| other == name), "required here: {missing}");
    needs(false, &missing.to_string())
}

/// Prints what is missing.
#[expect(clippy::print_stderr, reason = "a skipped test says why")]
pub(crate) fn needs(there: bool, what: &str) -> bool {
    if !there {
        eprintln!("skipped: it needs {what}");
    }
    there
}

pub(crate) fn is_root() -> bool {
    needs(rustix::process::geteuid().is_root(), "root")
}

pub(crate) fn has(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    needs(std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()), tool)
}

/// The trial records of a bundle, in their order.
pub(crate) fn trials(bundle: &Path) -> Vec<Value> {
    let mut paths: Vec<PathBuf> = children(&bundle.join("trials")).collect();
    paths.sort();
    let record = |path: &PathBuf| {
        serde_json::from_slice(&fs::read(path.join("trial.json")).unwrap()).unwrap()
    };
    paths.iter().map(record).collect()
}

/// The state that a bundle's header tells.
pub(crate) fn state(bundle: &Path) -> String {
    let header: Value =
        serde_json::from_slice(&fs::read(bundle.join("bundle.json")).unwrap()).unwrap();
    header["state"].as_str().unwrap().to_owned()
}
