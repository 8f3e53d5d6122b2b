//! A root file system with busybox, a cgroup and a scratch folder, and the
//! check that nothing of them is left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use isolde_backends::cgroup::{Cgroup, host_hierarchy};
use isolde_backends::container::Container;
use isolde_backends::{Backend, BackendError, Sandbox, SandboxSpec};
use isolde_model::ByteSize;

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub(crate) struct Rig {
    /// Removed at the end, unless another process owns it.
    _owned: Option<tempfile::TempDir>,
    folder: PathBuf,
    name: String,
    cgroup: Option<Cgroup>,
    launches: AtomicU32,
    pub(crate) memory: ByteSize,
    /// One test at a time: each checks the children of this whole process.
    _alone: Option<MutexGuard<'static, ()>>,
}

static ALONE: Mutex<()> = Mutex::new(());
static COUNT: AtomicU32 = AtomicU32::new(0);

impl Rig {
    /// `None`, with the reason said, where this host cannot.
    pub(crate) fn new(script: &str) -> Option<Self> {
        if let Some(reason) = missing() {
            #[expect(clippy::print_stderr, reason = "a skipped test says why")]
            {
                eprintln!("skipped: {reason}");
            }
            return None;
        }
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rig = Self::with_script(script);
        rig._alone = Some(alone);
        Some(rig)
    }

    /// A second one in the same test.
    pub(crate) fn another(&self, script: &str) -> Self {
        Self::with_script(script)
    }

    fn with_script(script: &str) -> Self {
        let owned = tempfile::tempdir().unwrap();
        let root = owned.path().join("root");
        for name in ["bin", "dev", "proc", "sys", "tmp", "run"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::copy("/usr/bin/busybox", root.join("bin/busybox")).unwrap();
        // Each word of a script is tried as a busybox applet.
        let head = "#!/bin/busybox sh\n\
            for a in cat head ls nproc readlink sleep touch mknod mount grep env hostname; do\n\
            eval \"$a() { /bin/busybox $a \\\"\\$@\\\"; }\"; done\n";
        write_agent(&root, &format!("{head}{script}\n"));
        let mut rig = Self::in_folder(owned.path().to_owned());
        rig._owned = Some(owned);
        rig
    }

    /// One whose folder another process made.
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let base = folder.file_name().unwrap().to_string_lossy().to_lowercase();
        let base: String = base.chars().filter(char::is_ascii_alphanumeric).collect();
        let name = match folder.join("name").exists() {
            true => fs::read_to_string(folder.join("name")).unwrap(),
            false => format!("test-{}-{count}-{base}", std::process::id()),
        };
        fs::write(folder.join("name"), &name).unwrap();
        let cgroup =
            Cgroup::create(&host_hierarchy().unwrap(), &format!("isolde/{name}/it"), &[0]).unwrap();
        Self {
            _owned: None,
            folder,
            name,
            cgroup: Some(cgroup),
            launches: AtomicU32::new(0),
            memory: ByteSize::mebibytes(64),
            _alone: None,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    pub(crate) fn cgroup(&self) -> &Cgroup {
        self.cgroup.as_ref().unwrap()
    }

    pub(crate) fn replace_agent(&self, content: &str) {
        write_agent(&self.root(), content);
    }

    pub(crate) fn create(&self) -> Result<Box<dyn Sandbox>, BackendError> {
        Container::new().create(self.spec())
    }

    /// What the next sandbox is made of.
    pub(crate) fn spec(&self) -> SandboxSpec {
        let launch = self.launches.fetch_add(1, Ordering::Relaxed);
        let scratch = self.folder.join(format!("scratch-{launch}"));
        fs::create_dir(&scratch).unwrap();
        SandboxSpec {
            id: format!("{}-{launch}", &self.name[..self.name.len().min(30)]),
            root: self.root(),
            root_digest: String::new(),
            writable_root: false,
            kernel: None,
            room: None,
            cpus: vec![0],
            memory: self.memory,
            cgroup: self.cgroup().clone(),
            scratch,
        }
    }

    /// What a creation that must fail says, causes included.
    pub(crate) fn refusal(&self) -> String {
        let error = self.create().map(drop).unwrap_err();
        let mut said = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            said = format!("{said}: {error}");
            cause = error.source();
        }
        let last = self.launches.load(Ordering::Relaxed) - 1;
        let scratch = self.folder.join(format!("scratch-{last}"));
        assert_eq!(fs::read_dir(scratch).unwrap().count(), 0, "after {said}");
        assert!(children().is_empty(), "after {said}");
        said
    }

    /// Destroys twice and checks.
    pub(crate) fn end(self, sandbox: Box<dyn Sandbox>) {
        self.end_sandbox(sandbox);
        self.check();
    }

    /// The same while others still live.
    pub(crate) fn end_one(&self, sandbox: Box<dyn Sandbox>) {
        self.end_sandbox(sandbox);
    }

    fn end_sandbox(&self, mut sandbox: Box<dyn Sandbox>) {
        assert_eq!(sandbox.destroy(), []);
        assert_eq!(sandbox.destroy(), []);
        assert!(self.cgroup().read().is_ok(), "destroy took the caller's cgroup");
    }

    /// That nothing is left.
    pub(crate) fn check(mut self) {
        assert_eq!(self.cgroup.take().unwrap().remove(), []);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.folder.to_str().unwrap()), "{mounts}");
        for place in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
            let left = place.path().join("isolde").join(&self.name);
            assert!(!left.exists(), "{} is left", left.display());
        }
        assert!(!Path::new("/sys/fs/cgroup/isolde").join(&self.name).exists());
        assert!(!Path::new("/run/youki").exists());
        let left = children();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn write_agent(root: &Path, content: &str) {
    let agent = root.join("isolde");
    fs::write(&agent, content).unwrap();
    fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
}

fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".into());
    }
    if !Path::new("/usr/bin/busybox").exists() {
        return Some("needs the package busybox-static".into());
    }
    match Container::new().probe() {
        isolde_model::Readiness::Ready(_) => None,
        isolde_model::Readiness::Missing(missing) => Some(missing.what),
    }
}

/// Children of every thread of this process, zombies included.
fn children() -> Vec<String> {
    let mut all = Vec::new();
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let list = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(list.split_whitespace().map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.split(')').next().unwrap_or_default().to_owned()
        }));
    }
    all
}
