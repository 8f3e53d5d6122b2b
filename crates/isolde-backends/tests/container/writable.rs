//! Writable roots of what runs on the host's kernel, with busybox as agent.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use isolde_backends::container::Container;
use isolde_backends::process::Process;
use isolde_backends::{Backend, Ending, SandboxSpec};
use isolde_model::ByteSize;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};

use crate::listen;
use crate::rig::{Rig, soon};

fn backends() -> [Box<dyn Backend>; 2] {
    [Box::new(Process::new()), Box::new(Container::new())]
}

fn writable(rig: &Rig) -> SandboxSpec {
    SandboxSpec { writable_root: true, ..rig.spec() }
}

/// Everything below a folder, with times.
fn listing(folder: &Path) -> String {
    let output = Command::new("find").arg(folder).arg("-ls").output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Launches the rig's agent and gives what it said.
fn said(rig: &Rig, backend: &dyn Backend, spec: SandboxSpec) -> String {
    let scratch = spec.scratch.clone();
    let mut sandbox = backend.create(spec).unwrap();
    let said = listen(sandbox.start(soon()).unwrap());
    let ending = sandbox.wait(soon()).unwrap();
    let console = String::from_utf8_lossy(&sandbox.console_tail()).into_owned();
    assert_eq!(ending, Ending::Exited(0), "{console}");
    rig.end_one(sandbox);
    assert_eq!(fs::read_dir(scratch).unwrap().count(), 0);
    said
}

/// An agent that writes, and says whether it found what it wrote before.
const WRITER: &str = "for f in /mine /bin/mine /etc/mine; do [ -e $f ] && echo found $f; done
    /bin/busybox mkdir -p /etc; echo x >/mine >/bin/mine; echo x >/etc/mine; echo x >>/isolde
    cat /mine /bin/mine; cat /etc/hostname; exit 0";

#[test]
fn what_is_written_goes_with_the_launch() {
    let Some(mut rig) = Rig::new(WRITER) else { return };
    rig.memory = ByteSize::mebibytes(64);
    let before = listing(&rig.root());
    for backend in backends() {
        for _ in 0..2 {
            let spec = writable(&rig);
            assert_eq!(said(&rig, &*backend, spec), "x\nisolde\n", "{}", backend.name());
        }
    }
    assert_eq!(listing(&rig.root()), before);
    rig.check();
}

#[test]
fn the_work_for_the_mounts_is_charged() {
    let Some(rig) = Rig::new("exit 0") else { return };
    for backend in backends() {
        let mut sandbox = backend.create(writable(&rig)).unwrap();
        let _line = sandbox.start(soon()).unwrap();
        sandbox.wait(soon()).unwrap();
        let reading = sandbox.usage().unwrap();
        assert!(reading.daemons[0].cpu_ns > 0, "{reading:?}");
        rig.end_one(sandbox);
    }
    rig.check();
}

#[test]
fn names_that_mean_something_to_mount_are_taken_as_they_are() {
    let Some(rig) = Rig::new(WRITER) else { return };
    let place = rig.folder().join("a,b:c\\d e%20");
    for backend in backends() {
        let mut spec = writable(&rig);
        spec.scratch = place.join("scratch");
        fs::create_dir_all(&spec.scratch).unwrap();
        spec.root = place.join("root");
        fs::rename(rig.root(), &spec.root).unwrap();
        assert_eq!(said(&rig, &*backend, spec), "x\nisolde\n", "{}", backend.name());
        fs::rename(place.join("root"), rig.root()).unwrap();
        fs::remove_dir_all(&place).unwrap();
    }
    rig.check();
}

/// A small file system in memory stands for the disk.
#[test]
fn a_full_disk_is_the_launch_s_own_trouble() {
    let script = "/bin/busybox dd if=/dev/zero of=/fill bs=65536 count=400 2>/fill.log || echo full
        exit 0";
    let Some(rig) = Rig::new(script) else { return };
    for backend in backends() {
        let spec = writable(&rig);
        let scratch = spec.scratch.clone();
        mount("small", &scratch, "tmpfs", MountFlags::empty(), Some(c"size=4m")).unwrap();
        let mut sandbox = backend.create(spec).unwrap();
        let said = listen(sandbox.start(soon()).unwrap());
        assert_eq!(sandbox.wait(soon()).unwrap(), Ending::Exited(0));
        rig.end_one(sandbox);
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
        // The last namespace that holds it may take a moment to go.
        let deadline = soon();
        while unmount(&scratch, UnmountFlags::empty()).is_err() {
            assert!(Instant::now() < deadline, "the scratch folder stays in use");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(said, "full\n", "{}", backend.name());
    }
    rig.check();
}

#[test]
fn links_in_an_image_lead_nowhere_outside() {
    let Some(rig) = Rig::new("exit 0") else { return };
    let victim = rig.folder().join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("hosts"), "the host's").unwrap();
    for (name, target) in [("etc", victim.to_str().unwrap()), ("etc", "../../victim")] {
        symlink(target, rig.root().join(name)).unwrap();
        for backend in backends() {
            said(&rig, &*backend, writable(&rig));
        }
        fs::remove_file(rig.root().join(name)).unwrap();
    }
    fs::create_dir(rig.root().join("etc")).unwrap();
    symlink(victim.join("hosts"), rig.root().join("etc/hosts")).unwrap();
    for backend in backends() {
        said(&rig, &*backend, writable(&rig));
    }
    assert_eq!(fs::read_to_string(victim.join("hosts")).unwrap(), "the host's");
    assert_eq!(fs::read_dir(&victim).unwrap().count(), 1);
    rig.check();
}

#[test]
fn an_overlay_upon_an_overlay_is_refused_with_what_helps() {
    let Some(rig) = Rig::new("exit 0") else { return };
    std::thread::scope(|scope| scope.spawn(|| refuse_nesting(&rig)).join()).unwrap();
    rig.check();
}

/// On a thread with mounts of its own.
fn refuse_nesting(rig: &Rig) {
    // SAFETY: no descriptor table is unshared, and the thread ends with the test.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.unwrap();
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC).unwrap();
    let place = rig.folder().join("nested");
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir_all(place.join(name)).unwrap();
    }
    let options =
        format!("lowerdir={0}/lower,upperdir={0}/upper,workdir={0}/work", place.display());
    let options = std::ffi::CString::new(options).unwrap();
    let merged = place.join("merged");
    mount("o", &merged, "overlay", MountFlags::empty(), Some(options.as_c_str())).unwrap();
    for backend in backends() {
        let mut spec = writable(rig);
        spec.scratch = merged.join("scratch");
        fs::create_dir(&spec.scratch).unwrap();
        let started = backend.create(spec).and_then(|mut sandbox| sandbox.start(soon()));
        let error = started.map(drop).unwrap_err().to_string();
        assert!(error.contains("TMPDIR"), "{error}");
        assert_eq!(fs::read_dir(merged.join("scratch")).unwrap().count(), 0);
        fs::remove_dir(merged.join("scratch")).unwrap();
    }
}

#[test]
fn a_killed_program_leaves_no_mount_and_files_that_can_be_removed() {
    let script = "echo x >/mine; exec /bin/busybox sleep 1000";
    for name in ["process", "container"] {
        let Some(rig) = Rig::new(script) else { return };
        let mut program = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writable::play_the_writer_that_dies"])
            .env("ISOLDE_TEST_DIES_WRITING", rig.folder())
            .env("ISOLDE_TEST_BACKEND", name)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = soon();
        while !rig.folder().join("started").exists() {
            assert!(Instant::now() < deadline && program.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(5));
        }
        program.kill().unwrap();
        program.wait().unwrap();
        while !rig.cgroup().processes().is_empty() {
            assert!(Instant::now() < deadline, "it lives on");
            std::thread::sleep(Duration::from_millis(5));
        }
        let scratch = rig.folder().join("scratch-0");
        assert_eq!(fs::read_to_string(scratch.join("overlay/upper/mine")).unwrap(), "x\n");
        fs::remove_dir_all(scratch).unwrap();
        rig.check();
    }
}

/// Not a test of its own: what the test above starts and kills.
#[test]
fn play_the_writer_that_dies() {
    let Some(folder) = std::env::var_os("ISOLDE_TEST_DIES_WRITING") else { return };
    let rig = Rig::in_folder(folder.into());
    let name = std::env::var("ISOLDE_TEST_BACKEND").unwrap();
    let backend = backends().into_iter().find(|backend| *backend.name().as_str() == *name).unwrap();
    let spec = writable(&rig);
    let mine = spec.scratch.join("overlay/upper/mine");
    let mut sandbox = backend.create(spec).unwrap();
    let _line = sandbox.start(soon()).unwrap();
    while !fs::read(&mine).is_ok_and(|content| !content.is_empty()) {
        std::thread::sleep(Duration::from_millis(1));
    }
    fs::write(rig.folder().join("started"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}
