//! Children that do not become a machine. Those that do are tried by the conformance
//! suite, where there is KVM.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::Command;

use isolde_model::ByteSize;

use super::*;
use crate::GuestKernel;
use crate::cgroup::{self, Cgroup, host_hierarchy};

#[test]
fn a_panic_is_known_by_the_kernels_words() {
    let console = b"\r\n[    1.2] Kernel panic - not syncing: sysrq triggered crash\r\n";
    assert!(says_panic(console));
    assert!(!says_panic(b"[    1.2] reboot: Restarting system\r\n"));
}

/// A spec of files that are there, in a folder whose name is no text, and its cgroup;
/// `None` where no cgroup can be made.
fn spec(name: &str) -> Option<(SandboxSpec, Cgroup, PathBuf)> {
    cgroup::check_permission().ok()?;
    let id = format!("isolde-{}-{name}", std::process::id());
    let folder = std::env::temp_dir().join(&id).join(std::ffi::OsStr::from_bytes(b"no \\xff text"));
    let folder = folder.join("a".repeat(120));
    fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| {
        let path = folder.join(name);
        fs::write(&path, name).unwrap();
        path
    };
    let cgroup = Cgroup::create(&host_hierarchy().unwrap(), &id, &[0]).unwrap();
    let kernel =
        GuestKernel { release: "6.1".into(), image: file("kernel"), initramfs: file("initramfs") };
    let spec = SandboxSpec {
        root: file("root"),
        room: Some(file("room")),
        root_digest: String::new(),
        writable_root: true,
        kernel: Some(kernel),
        cpus: vec![0],
        memory: ByteSize::mebibytes(64),
        cgroup: cgroup.clone(),
        scratch: folder,
        id: id.clone(),
    };
    Some((spec, cgroup, std::env::temp_dir().join(id)))
}

/// What comes of starting `program` as a machine; that nothing is left of it.
fn start(name: &str, program: &'static str, patience: Duration) -> Option<BackendError> {
    let (spec, cgroup, folder) = spec(name)?;
    let scratch = spec.scratch.clone();
    let mut sandbox = KrunSandbox::new(spec, Path::new(program)).unwrap();
    let error = sandbox.start(Instant::now() + patience).unwrap_err();
    assert!(sandbox.destroy().is_empty());
    assert!(cgroup.processes().is_empty());
    drop(sandbox);
    assert!(cgroup.remove().is_empty());
    assert!(!scratch.join("upper.ext4").exists());
    fs::remove_dir_all(folder).unwrap();
    Some(error)
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_child_that_dies_says_why() {
    // `sh microvm-vmm`: there is no such script.
    let Some(error) = start("dies", "/bin/sh", LONG) else { return };
    let BackendError::DiedAtOnce { said, .. } = error else { panic!("{error:?}") };
    assert!(said.contains(crate::microvm::ROLE), "{said}");
    let Some(error) = start("silent", "/bin/false", LONG) else { return };
    let BackendError::DiedAtOnce { said, .. } = error else { panic!("{error:?}") };
    assert!(said.contains("exited with 1"), "{said}");
    let Some(error) = start("absent", "/nowhere/isolde", LONG) else { return };
    assert!(matches!(error, BackendError::Os { .. }), "{error:?}");
}

#[test]
fn a_child_that_says_something_else_is_ended() {
    // It says its argument without end.
    let Some(error) = start("babbles", "/usr/bin/yes", LONG) else { return };
    assert!(matches!(error, BackendError::DiedAtOnce { .. }), "{error:?}");
}

#[test]
fn a_child_that_hangs_is_ended_with_the_deadline() {
    let script = std::env::temp_dir().join(format!("isolde-hangs-{}", std::process::id()));
    let script: &'static str = script.to_str().unwrap().to_owned().leak();
    // Written by a process of its own, or a child of another test might hold it open.
    let write = format!("printf '#!/bin/sh\\nexec sleep 600\\n' >{script} && chmod 755 {script}");
    assert!(Command::new("sh").args(["-c", &write]).status().unwrap().success());
    let error = start("hangs", script, Duration::from_millis(100));
    fs::remove_file(script).unwrap();
    let Some(error) = error else { return };
    assert!(matches!(error, BackendError::TimedOut { .. }), "{error:?}");
}
