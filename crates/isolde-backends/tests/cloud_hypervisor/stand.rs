//! What the cases share.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use isolde_backends::cgroup::{Cgroup, host_hierarchy};
use isolde_backends::cloud_hypervisor::CloudHypervisor;
use isolde_backends::{Backend, BackendError, GuestKernel, Sandbox, SandboxSpec};
use isolde_model::ByteSize;

use crate::vmm::BEHAVIOUR;

pub(crate) type Case = (&'static str, fn(&Stand));

/// Runs the cases whose names contain what is asked for.
pub(crate) fn run(cases: &[Case], arguments: &[String]) {
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    if let Err(error) = cgroup("spare").map(|cgroup| cgroup.remove()) {
        println!("skipped: {error}");
        return;
    }
    let stand = Stand::new();
    for (name, case) in cases {
        if arguments.iter().any(|argument| argument == "--list") {
            println!("{name}: test");
        } else if wanted.is_none_or(|wanted| name.contains(wanted.as_str())) {
            eprintln!("{name}");
            case(&stand);
        }
    }
}

pub(crate) struct Stand {
    _folder: tempfile::TempDir,
    /// Long, and no text.
    pub(crate) folder: PathBuf,
    backend: CloudHypervisor,
}

impl Stand {
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("a".repeat(120)).join(OsStr::from_bytes(b"\xff, \"b\""));
        fs::create_dir_all(&folder).unwrap();
        for (name, content) in [("kernel", "k"), ("initramfs", "i"), ("root", "r"), ("room", "")] {
            fs::write(folder.join(name), content).unwrap();
        }
        let backend = CloudHypervisor::of(std::env::current_exe().unwrap());
        Self { _folder: top, folder, backend }
    }

    pub(crate) fn spec(&self, behaviour: &str) -> SandboxSpec {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("ch-test-{}-{count}", std::process::id());
        let scratch = self.folder.join(&id);
        fs::create_dir(&scratch).unwrap();
        fs::write(scratch.join(BEHAVIOUR), behaviour).unwrap();
        let cgroup = cgroup(&id).unwrap();
        SandboxSpec {
            id,
            root: self.folder.join("root"),
            root_digest: "digest".into(),
            writable_root: false,
            kernel: Some(GuestKernel {
                release: "6.1".into(),
                image: self.folder.join("kernel"),
                initramfs: self.folder.join("initramfs"),
            }),
            room: None,
            cpus: vec![0],
            memory: ByteSize::mebibytes(192),
            cgroup,
            scratch,
        }
    }

    /// A sandbox whose VMM behaves so.
    pub(crate) fn vmm(&self, behaviour: &str) -> Vm {
        self.made(self.spec(behaviour))
    }

    pub(crate) fn made(&self, spec: SandboxSpec) -> Vm {
        let (cgroup, scratch) = (spec.cgroup.clone(), spec.scratch.clone());
        Vm { sandbox: self.backend.create(spec).unwrap(), cgroup, scratch }
    }

    /// Why `backend` makes none of `spec`, or does not start it.
    pub(crate) fn refusal(backend: &CloudHypervisor, spec: SandboxSpec) -> String {
        let cgroup = spec.cgroup.clone();
        let started = backend.create(spec).and_then(|mut sandbox| sandbox.start(late()));
        assert_eq!(cgroup.remove(), []);
        started.unwrap_err().to_string()
    }

    pub(crate) fn backend(&self) -> &CloudHypervisor {
        &self.backend
    }
}

/// One sandbox.
pub(crate) struct Vm {
    pub(crate) sandbox: Box<dyn Sandbox>,
    cgroup: Cgroup,
    pub(crate) scratch: PathBuf,
}

impl Vm {
    /// Takes it down; nothing stays.
    pub(crate) fn gone(mut self) {
        assert_eq!(self.sandbox.destroy(), []);
        assert_eq!(self.cgroup.processes(), [0; 0]);
        assert_eq!(self.cgroup.remove(), []);
    }
}

fn cgroup(id: &str) -> Result<Cgroup, BackendError> {
    Cgroup::create(&host_hierarchy()?, &format!("isolde-test/{id}"), &[0])
}

/// A generous deadline.
pub(crate) fn late() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
