//! The full virtual machine, with this test's own executable in it.
//!
//! It has no harness, because it is started in two roles: by cargo it runs the
//! cases; as the agent on a guest's root disk it obeys one-line orders.
#![expect(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout, reason = "a test")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use isolde_agent::guest;
use isolde_backends::cgroup::{Cgroup, host_hierarchy};
use isolde_backends::qemu::Qemu;
use isolde_backends::{Backend, BackendError, Ending, GuestKernel, Sandbox, SandboxSpec};
use isolde_image::{RootTree, Store, choose_kernel};
use isolde_model::{ByteSize, GuestParameters, Readiness};

/// The guest's first byte.
const BOOT_MARK: u8 = b'!';

fn main() {
    if guest::is_first_process() { stand_in() } else { run_cases() }
}

/// The agent's place is taken by this: it obeys orders until one ends it.
fn stand_in() -> ! {
    let told = GuestParameters::of_agent(std::env::args());
    let mut port = guest::open_line(&told).unwrap();
    port.write_all(&[BOOT_MARK]).unwrap();
    guest::finish_boot();
    for order in BufReader::new(port.try_clone().unwrap()).lines() {
        let answer = match order.unwrap().as_str() {
            "off" => guest::end_machine(told.end),
            "panic" => std::process::exit(3),
            "silence" => loop {
                std::thread::sleep(Duration::from_secs(60));
            },
            "facts" => facts(),
            "reap" => reap(),
            "write" => write(),
            order => order.to_owned(),
        };
        writeln!(port, "{answer}").unwrap();
    }
    // The host has closed the line.
    guest::end_machine(told.end)
}

/// What the guest sees of itself, in one line.
fn facts() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let total = memory.lines().next().unwrap_or_default().split_whitespace().nth(1).unwrap_or("0");
    let cpus = std::thread::available_parallelism().unwrap();
    let is_read_only = read("/proc/mounts").lines().any(|line| line.contains(" / ext4 ro"));
    let can_write = fs::write("/tmp/x", "x").is_ok() && fs::write("/run/x", "x").is_ok();
    let year = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 31_556_952;
    let variables = std::env::vars_os().count();
    let pid = std::process::id();
    format!("{cpus} {total} {is_read_only} {can_write} {} {variables} {pid}", year > 50)
}

/// Writes where only a root of its own can be written, and tells whether it did
/// so before.
fn write() -> String {
    let (mine, deep) = (Path::new("/mine"), Path::new("/opt/deep/mine"));
    if mine.exists() || deep.exists() {
        return "written before".into();
    }
    let done = fs::create_dir_all("/opt/deep")
        .and_then(|()| fs::write(mine, "x"))
        .and_then(|()| fs::write(deep, vec![b'x'; 100_000]))
        // Past the cache of the guest, to the disk.
        .and_then(|()| File::open(deep)?.sync_all())
        .and_then(|()| fs::read(deep));
    match done {
        Ok(content) => format!("{} bytes", content.len()),
        Err(error) => error.to_string(),
    }
}

/// Starts this executable as a child that ends at once, and waits for it.
#[expect(clippy::zombie_processes, reason = "reap_until waits for it")]
fn reap() -> String {
    let child = Command::new("/isolde").arg("--list").stdout(Stdio::null()).spawn().unwrap();
    format!("{:?}", guest::reap_until(rustix::process::Pid::from_child(&child)).unwrap())
}

/// What all cases share.
struct Bench {
    _folder: tempfile::TempDir,
    folder: PathBuf,
    root: PathBuf,
    /// The same with room for what a guest writes.
    roomy_root: PathBuf,
    digest: String,
    kernel: GuestKernel,
    vm: Qemu,
}

impl Bench {
    /// Or why the cases cannot run here.
    fn new() -> Result<Self, String> {
        let vm = Qemu::vm();
        match vm.probe() {
            Readiness::Ready(ready) => eprintln!("{ready:?}"),
            Readiness::Missing(missing) => return Err(missing.what),
        }
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let needs = vm.guest().ok_or("it boots no kernel")?;
        let host_kernel =
            choose_kernel(&store, &[needs], None).map_err(|error| error.to_string())?;
        let tree = RootTree::new(Path::new("/proc/self/exe")).unwrap();
        let root = store.ext4(&tree).map_err(|error| error.to_string())?;
        let roomy_root = store.ext4(&tree.clone().with_room()).unwrap();
        let initramfs = store.initramfs(&host_kernel, &needs).unwrap();
        let kernel =
            GuestKernel { release: host_kernel.release, image: host_kernel.image, initramfs };
        let path = folder.path().to_owned();
        let digest = tree.digest();
        Ok(Self { _folder: folder, folder: path, root, roomy_root, digest, kernel, vm })
    }

    fn spec(&self) -> SandboxSpec {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("vm-test-{}-{count}", std::process::id());
        let scratch = self.folder.join(&id);
        fs::create_dir(&scratch).unwrap();
        let cpus = vec![0];
        let hierarchy = host_hierarchy().unwrap();
        let cgroup = Cgroup::create(&hierarchy, &format!("isolde-test/{id}"), &cpus).unwrap();
        SandboxSpec {
            id,
            root: self.root.clone(),
            root_digest: self.digest.clone(),
            writable_root: false,
            kernel: Some(self.kernel.clone()),
            room: None,
            cpus,
            memory: ByteSize::mebibytes(192),
            cgroup,
            scratch,
        }
    }

    /// A guest that has come up.
    fn up(&self, spec: SandboxSpec) -> Guest {
        let mut guest = Guest::start(self.vm.create(spec).unwrap());
        let mut mark = [0];
        guest.reader.read_exact(&mut mark).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&guest.sandbox.console_tail()))
        });
        assert_eq!(mark[0], BOOT_MARK);
        guest
    }
}

/// A generous deadline: the CPU may be emulated and the host busy.
fn late() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

struct Guest {
    sandbox: Box<dyn Sandbox>,
    reader: BufReader<File>,
    writer: OwnedFd,
}

impl Guest {
    fn start(mut sandbox: Box<dyn Sandbox>) -> Self {
        let line = sandbox.start(late()).unwrap();
        Self { sandbox, reader: BufReader::new(File::from(line.reader)), writer: line.writer }
    }

    fn order(&mut self, order: &str) {
        let mut writer = File::from(self.writer.try_clone().unwrap());
        writer.write_all(format!("{order}\n").as_bytes()).unwrap();
    }

    fn ask(&mut self, order: &str) -> String {
        self.order(order);
        let mut answer = String::new();
        self.reader.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }

    /// Takes it down and checks that nothing stays.
    fn gone(mut self, cgroup: &Cgroup) {
        assert_eq!(self.sandbox.destroy(), []);
        assert_eq!(self.sandbox.destroy(), []);
        assert_eq!(cgroup.processes(), [0u32; 0]);
        assert_eq!(cgroup.remove(), []);
    }
}

type Case = (&'static str, fn(&Bench));

const CASES: [Case; 9] = [
    ("it_boots_echoes_and_powers_off", it_boots_echoes_and_powers_off),
    ("it_has_the_resources_it_was_given", it_has_the_resources_it_was_given),
    ("a_panic_ends_it_with_a_status", a_panic_ends_it_with_a_status),
    ("closing_the_line_ends_it", closing_the_line_ends_it),
    ("a_silent_guest_is_killed", a_silent_guest_is_killed),
    ("two_share_one_image", two_share_one_image),
    ("what_a_guest_writes_goes_with_it", what_a_guest_writes_goes_with_it),
    ("a_kernel_that_is_none_is_refused", a_kernel_that_is_none_is_refused),
    ("a_missing_root_disk_is_told", a_missing_root_disk_is_told),
];

fn it_boots_echoes_and_powers_off(bench: &Bench) {
    let spec = bench.spec();
    let cgroup = spec.cgroup.clone();
    let mut guest = bench.up(spec);
    assert_eq!(guest.ask("hello"), "hello");
    let long = "x".repeat(100_000);
    assert_eq!(guest.ask(&long), long);
    assert!(guest.sandbox.usage().unwrap().cpu_ns > 0);
    guest.order("off");
    assert_eq!(guest.sandbox.wait(late()).unwrap(), Ending::Exited(0));
    let mut rest = Vec::new();
    guest.reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    guest.gone(&cgroup);
}

fn it_has_the_resources_it_was_given(bench: &Bench) {
    let mut spec = bench.spec();
    let cgroup = spec.cgroup.clone();
    if std::thread::available_parallelism().unwrap().get() > 1 {
        spec.cpus = vec![0, 1];
    }
    let cpus = spec.cpus.len();
    let mut guest = bench.up(spec);
    let facts = guest.ask("facts");
    eprintln!("  {facts}");
    let words: Vec<&str> = facts.split(' ').collect();
    assert_eq!(words[0], cpus.to_string());
    // The kernel keeps a part of the memory for itself.
    let kibibytes: u64 = words[1].parse().unwrap();
    assert!((140 << 10..192 << 10).contains(&kibibytes), "{kibibytes}");
    // A read-only root, writable /tmp and /run, a sane clock, no variables, PID 1.
    assert_eq!(words[2..], ["true", "true", "true", "0", "1"]);
    assert_eq!(guest.ask("reap"), "Exited(0)");
    guest.order("off");
    assert_eq!(guest.sandbox.wait(late()).unwrap(), Ending::Exited(0));
    guest.gone(&cgroup);
}

fn a_panic_ends_it_with_a_status(bench: &Bench) {
    let spec = bench.spec();
    let cgroup = spec.cgroup.clone();
    let mut guest = bench.up(spec);
    guest.order("panic");
    assert_eq!(guest.sandbox.wait(late()).unwrap(), Ending::Exited(1));
    let console = String::from_utf8_lossy(&guest.sandbox.console_tail()).into_owned();
    assert!(console.contains("Kernel panic"), "{console}");
    guest.gone(&cgroup);
}

fn closing_the_line_ends_it(bench: &Bench) {
    let spec = bench.spec();
    let cgroup = spec.cgroup.clone();
    let Guest { mut sandbox, reader, writer } = bench.up(spec);
    drop((reader, writer));
    assert_eq!(sandbox.wait(late()).unwrap(), Ending::Exited(0));
    drop(sandbox);
    assert_eq!(cgroup.remove(), []);
}

fn a_silent_guest_is_killed(bench: &Bench) {
    let spec = bench.spec();
    let cgroup = spec.cgroup.clone();
    let mut guest = bench.up(spec);
    guest.order("silence");
    let error = guest.sandbox.wait(Instant::now() + Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, BackendError::TimedOut { .. }), "{error}");
    guest.sandbox.kill();
    guest.sandbox.kill();
    assert_eq!(guest.sandbox.wait(late()).unwrap(), Ending::Signalled(9));
    guest.gone(&cgroup);
}

fn two_share_one_image(bench: &Bench) {
    let (one, two) = (bench.spec(), bench.spec());
    let cgroups = [one.cgroup.clone(), two.cgroup.clone()];
    let mut first = Guest::start(bench.vm.create(one).unwrap());
    let mut second = bench.up(two);
    assert_eq!(second.ask("two"), "two");
    let mut mark = [0];
    first.reader.read_exact(&mut mark).unwrap();
    assert_eq!(first.ask("one"), "one");
    // Dropping takes a machine down as well.
    drop((first, second));
    for cgroup in &cgroups {
        assert_eq!(cgroup.processes(), [0u32; 0]);
        assert_eq!(cgroup.remove(), []);
    }
}

fn what_a_guest_writes_goes_with_it(bench: &Bench) {
    let image = bench.folder.join("root, of=mine.img");
    std::os::unix::fs::symlink(&bench.roomy_root, &image).unwrap();
    // A write moves the time on from that at which it was sealed.
    let state = || {
        let found = fs::metadata(&image).unwrap();
        (found.len(), found.blocks(), found.mtime(), found.mtime_nsec())
    };
    let before = state();
    for _ in 0..2 {
        let mut spec = bench.spec();
        spec.writable_root = true;
        spec.root.clone_from(&image);
        let (cgroup, scratch) = (spec.cgroup.clone(), spec.scratch.clone());
        let mut guest = bench.up(spec);
        assert_eq!(guest.ask("write"), "100000 bytes");
        // What it wrote has no name on the host: were this program killed, nothing
        // would be left.
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
        let facts = guest.ask("facts");
        assert_eq!(facts.split(' ').nth(2), Some("false"), "{facts}");
        guest.order("off");
        assert_eq!(guest.sandbox.wait(late()).unwrap(), Ending::Exited(0));
        guest.gone(&cgroup);
    }
    assert_eq!(state(), before, "the shared image was changed");
}

fn a_kernel_that_is_none_is_refused(bench: &Bench) {
    let mut spec = bench.spec();
    let cgroup = spec.cgroup.clone();
    let garbage = bench.folder.join("garbage");
    fs::write(&garbage, vec![0x5a; 1 << 20]).unwrap();
    if let Some(kernel) = &mut spec.kernel {
        kernel.image = garbage;
    }
    let mut sandbox = bench.vm.create(spec).unwrap();
    // arm64's machine runs whatever it is given, and nothing comes of it.
    match sandbox.start(late()) {
        Err(error) => {
            eprintln!("  {error}");
            assert!(matches!(error, BackendError::DiedAtOnce { .. }), "{error}");
        }
        Ok(_) => assert!(sandbox.wait(Instant::now() + Duration::from_millis(500)).is_err()),
    }
    assert_eq!(sandbox.destroy(), []);
    assert_eq!(cgroup.remove(), []);
}

fn a_missing_root_disk_is_told(bench: &Bench) {
    let mut spec = bench.spec();
    let cgroup = spec.cgroup.clone();
    spec.root = "/no, such/disk".into();
    let error = bench.vm.create(spec).err().unwrap().to_string();
    eprintln!("  {error}");
    assert!(error.contains("/no, such/disk"), "{error}");
    assert_eq!(cgroup.remove(), []);
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
    let bench = match Bench::new() {
        Ok(bench) => bench,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    for (name, case) in chosen {
        eprintln!("test {name}");
        case(&bench);
    }
    eprintln!("all passed");
}
