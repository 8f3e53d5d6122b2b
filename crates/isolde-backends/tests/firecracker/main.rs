//! Firecracker that misbehaves, without KVM.
//!
//! It has no harness, because it is started in two roles: by cargo it runs the cases;
//! as `firecracker` on the PATH it is what they are about.
#![expect(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout, reason = "a test")]

mod fake;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use isolde_backends::cgroup::{Cgroup, host_hierarchy};
use isolde_backends::firecracker::Firecracker;
use isolde_backends::{Backend, BackendError, Ending, GuestKernel, SandboxSpec};
use isolde_model::{ByteSize, EnvironmentName, Readiness};

fn main() {
    let name = std::env::args_os().next().unwrap_or_default();
    if Path::new(&name).ends_with("firecracker") { fake::play() } else { run_cases() }
}

/// What all cases share.
struct Bench {
    folder: PathBuf,
    top: tempfile::TempDir,
}

impl Bench {
    /// Deep below, so that no socket's path would fit into its name.
    fn new() -> Self {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("a".repeat(120)).join("b".repeat(120));
        let programs = top.path().join("bin");
        fs::create_dir_all(&folder).unwrap();
        fs::create_dir(&programs).unwrap();
        let own = std::env::current_exe().unwrap();
        std::os::unix::fs::symlink(own, programs.join("firecracker")).unwrap();
        for name in ["root image", "kernel", "initramfs", "room"] {
            fs::write(folder.join(name), name).unwrap();
        }
        // SAFETY: no other thread is there yet.
        unsafe { std::env::set_var("PATH", &programs) };
        Self { folder, top }
    }

    /// That cgroups can be made, without which there are no sandboxes.
    fn try_cgroup(&self) -> Result<(), BackendError> {
        let name = format!("isolde-test/{}-fake", std::process::id());
        Cgroup::create(&host_hierarchy()?, &name, &[0]).map(drop)
    }

    fn play(&self, mode: &str) {
        fs::write(self.top.path().join("bin").join(fake::MODE), mode).unwrap();
    }

    fn spec(&self, writable_root: bool) -> SandboxSpec {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!("{}-fake-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let scratch = self.folder.join(&id);
        fs::create_dir(&scratch).unwrap();
        let hierarchy = host_hierarchy().unwrap();
        let cgroup = Cgroup::create(&hierarchy, &format!("isolde-test/{id}"), &[0]).unwrap();
        SandboxSpec {
            id,
            root: self.folder.join("root image"),
            root_digest: "digest".into(),
            writable_root,
            kernel: Some(GuestKernel {
                release: "6.1.0".into(),
                image: self.folder.join("kernel"),
                initramfs: self.folder.join("initramfs"),
            }),
            room: writable_root.then(|| self.folder.join("room")),
            cpus: vec![0],
            memory: ByteSize::mebibytes(128),
            cgroup,
            scratch,
        }
    }

    /// What comes of a start that must fail. It leaves nothing behind.
    fn failure(&self, mode: &str, patience: Duration) -> BackendError {
        self.play(mode);
        let spec = self.spec(true);
        let cgroup = spec.cgroup.clone();
        let mut sandbox = Firecracker::booting().create(spec).unwrap();
        let error = sandbox.start(Instant::now() + patience).unwrap_err();
        eprintln!("  {mode}: {error}: {:?}", std::error::Error::source(&error));
        assert_eq!(cgroup.processes(), [0u32; 0]);
        assert_eq!(sandbox.destroy(), []);
        assert_eq!(cgroup.remove(), []);
        error
    }

    /// Names in the folder around the scratch folders that are no launch's.
    fn snapshots(&self) -> usize {
        let names = fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("isolde-")).count()
    }
}

/// For what happens at once unless it is broken.
const LATE: Duration = Duration::from_secs(60);
/// For what does not happen.
const SOON: Duration = Duration::from_millis(300);

type Case = (&'static str, fn(&Bench));

const CASES: [Case; 9] = [
    ("old_ones_and_none_are_told", old_ones_and_none_are_told),
    ("one_that_dies_is_told_with_its_last_words", one_that_dies),
    ("one_that_hangs_is_ended_with_the_deadline", one_that_hangs),
    ("a_refusal_is_told_in_its_words", a_refusal),
    ("nonsense_is_no_answer", nonsense),
    ("a_guest_comes_up_and_ends", a_guest),
    ("a_panic_is_told_from_an_end", a_panic),
    ("a_snapshot_is_made_once_and_given_back", a_snapshot),
    ("a_snapshot_that_fails_leaves_nothing", a_failed_snapshot),
];

fn old_ones_and_none_are_told(bench: &Bench) {
    bench.play("old");
    let Readiness::Missing(missing) = Firecracker::booting().probe() else { panic!("it is old") };
    assert_eq!(missing.what, "firecracker 1.7.0 is too old, 1.8.0 or newer is needed");
    assert!(missing.hint.contains("releases"), "{}", missing.hint);
    let jailed = EnvironmentName::new("firecracker:jailed");
    bench.play("new");
    let Readiness::Missing(missing) = Firecracker::with_options(&jailed).unwrap().probe() else {
        panic!("there is no jailer")
    };
    assert!(missing.what == "jailer is not on the PATH", "{}", missing.what);
    let template = EnvironmentName::new("firecracker:none.json");
    let spec = bench.spec(false);
    let error = Firecracker::with_options(&template).unwrap().create(spec).err().unwrap();
    assert!(error.to_string().contains("CPU template none.json"), "{error}");
}

fn one_that_dies(bench: &Bench) {
    for answers in 0..=6 {
        let error = bench.failure(&format!("dies {answers}"), LATE);
        let BackendError::DiedAtOnce { said, .. } = error else { panic!("{answers}: {error}") };
        assert_eq!(said, "the fake is out of luck");
    }
}

fn one_that_hangs(bench: &Bench) {
    for answers in 0..=6 {
        let error = bench.failure(&format!("hangs {answers}"), SOON);
        assert!(matches!(error, BackendError::TimedOut { .. }), "{answers}: {error}");
    }
    let error = bench.failure("silent", SOON);
    assert!(matches!(error, BackendError::TimedOut { .. }), "{error}");
}

fn a_refusal(bench: &Bench) {
    for answers in 0..=6 {
        let error = bench.failure(&format!("refuses {answers}"), LATE);
        let BackendError::Tool { action, source } = error else { panic!("{answers}: {error}") };
        assert!(action.starts_with("have Firecracker"), "{action}");
        assert_eq!(source.to_string(), "the fake does not want to");
    }
}

fn nonsense(bench: &Bench) {
    let error = bench.failure("babbles 2", LATE);
    assert!(matches!(error, BackendError::Tool { .. }), "{error}");
}

fn a_guest(bench: &Bench) {
    assert_eq!(end_of_a_guest(bench, "well"), Ending::Exited(0));
}

fn a_panic(bench: &Bench) {
    assert_eq!(end_of_a_guest(bench, "panics"), Ending::Exited(1));
}

fn end_of_a_guest(bench: &Bench, mode: &str) -> Ending {
    bench.play(mode);
    let spec = bench.spec(true);
    let (cgroup, scratch) = (spec.cgroup.clone(), spec.scratch.clone());
    let mut sandbox = Firecracker::booting().create(spec).unwrap();
    assert!(sandbox.wait(Instant::now()).is_err());
    let ending = hear_and_hang_up(&mut *sandbox);
    // The disk that the guest writes to has no name any more.
    assert!(!scratch.join("upper").exists() && scratch.join("root").exists());
    assert_eq!(sandbox.destroy(), []);
    assert_eq!(cgroup.remove(), []);
    ending
}

fn hear_and_hang_up(sandbox: &mut dyn isolde_backends::Sandbox) -> Ending {
    let line = sandbox.start(Instant::now() + LATE).unwrap();
    assert!(sandbox.running_since().is_some());
    let mut mark = [0];
    fs::File::from(line.reader).read_exact(&mut mark).unwrap();
    assert_eq!(mark, *b"!");
    drop(line.writer);
    sandbox.wait(Instant::now() + LATE).unwrap()
}

fn a_snapshot(bench: &Bench) {
    bench.play("well");
    let backend = Firecracker::restoring();
    let spec = bench.spec(true);
    backend.prepare(&spec).unwrap();
    assert_eq!(spec.cgroup.processes(), [0u32; 0]);
    assert_eq!(fs::read_dir(&spec.scratch).unwrap().count(), 0);
    assert_eq!(spec.cgroup.remove(), []);
    for writable in [true, true, false] {
        let spec = bench.spec(writable);
        let cgroup = spec.cgroup.clone();
        let mut sandbox = backend.create(spec).unwrap();
        assert_eq!(hear_and_hang_up(&mut *sandbox), Ending::Exited(0));
        drop(sandbox);
        assert_eq!(cgroup.remove(), []);
    }
    // One for each kind of root.
    assert_eq!(bench.snapshots(), 2);
    assert_eq!(backend.retire(), []);
    assert_eq!(bench.snapshots(), 0);
}

fn a_failed_snapshot(bench: &Bench) {
    for (mode, words) in [
        ("lies", "hear that the guest is up"),
        ("refuses 7", "pause the machine"),
        ("refuses 8", "make the snapshot"),
        ("dies 8", "out of luck"),
    ] {
        bench.play(mode);
        let spec = bench.spec(true);
        let error = Firecracker::restoring().prepare(&spec).unwrap_err().to_string();
        assert!(error.contains(words), "{mode}: {error}");
        assert_eq!(spec.cgroup.processes(), [0u32; 0]);
        assert_eq!(spec.cgroup.remove(), []);
        assert_eq!(bench.snapshots(), 0);
    }
}

/// Speaks as much of the usual harness's command line as cargo and nextest use:
/// names to choose by, `--exact`, `--list`.
fn run_cases() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let names: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let is_chosen = |case: &&Case| {
        let is_meant = |name: &&String| match has("--exact") {
            true => case.0 == name.as_str(),
            false => case.0.contains(name.as_str()),
        };
        names.is_empty() || names.iter().any(is_meant)
    };
    let chosen: Vec<&Case> = CASES.iter().filter(is_chosen).collect();
    if has("--list") {
        // None of them is marked to be ignored.
        chosen.iter().filter(|_| !has("--ignored")).for_each(|case| println!("{}: test", case.0));
        return;
    }
    let bench = Bench::new();
    if let Err(error) = bench.try_cgroup() {
        return eprintln!("skipped: {error}");
    }
    for (name, case) in chosen {
        eprintln!("test {name}");
        case(&bench);
    }
    eprintln!("all passed");
}
