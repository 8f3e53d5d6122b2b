//! The Docker back end against a real Engine, with a shell script as the agent.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod images;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use isolde_backends::cgroup::{self, Cgroup, Version};
use isolde_backends::docker::Docker;
use isolde_backends::{Backend, BackendError, Ending, Line, Sandbox, SandboxSpec};
use isolde_model::{ByteSize, Readiness};

/// Takes its first line as the job.
const AGENT: &str = r#"#!/bin/busybox sh
printf R
read -r job
case "$job" in
echo) /bin/busybox cat; exit 3 ;;
words) echo to stderr >&2; exit 0 ;;
flood) /bin/busybox dd if=/dev/zero bs=65536 count=800 2>/dev/null; exit 0 ;;
hog) exec /bin/busybox tail /dev/zero ;;
child-hog) /bin/busybox tail /dev/zero; exit 0 ;;
facts)
  /bin/busybox tr '\0' '\n' </proc/1/environ
  echo "args $0 $*"
  /bin/busybox grep Cpus_allowed_list /proc/self/status
  /bin/busybox cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null
  /bin/busybox touch /x 2>/dev/null && echo root is writable
  /bin/busybox touch /tmp/x /run/x && echo scratch is writable
  /bin/busybox hostname
  /bin/busybox ls /sys/class/net
  exit 0 ;;
write)
  [ -e /mine ] && echo written before
  echo written >/mine && /bin/busybox cp /mine /run/mine && /bin/busybox cat /run/mine
  exit 0 ;;
spin) i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exit 0 ;;
*) while :; do /bin/busybox sleep 60; done ;;
esac
"#;

const MEMORY: ByteSize = ByteSize::mebibytes(48);

/// A root file system, and a back end to run it.
struct Bench {
    folder: tempfile::TempDir,
    docker: Docker,
    digest: String,
}

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Of an archive in its bench's folder.
fn spec_of(root: PathBuf, digest: &str) -> SandboxSpec {
    let id = format!("test-{}-{}", std::process::id(), number());
    let hierarchy = cgroup::host_hierarchy().unwrap();
    SandboxSpec {
        root_digest: digest.to_owned(),
        writable_root: false,
        kernel: None,
        room: None,
        cpus: vec![0],
        memory: MEMORY,
        cgroup: Cgroup::create(&hierarchy, &format!("isolde/{id}"), &[0]).unwrap(),
        scratch: root.parent().unwrap().to_owned(),
        root,
        id,
    }
}

fn number() -> u32 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Bench {
    /// `None`, with the reason on standard error, where Docker is not usable.
    #[expect(clippy::print_stderr, reason = "a test that cannot run says why")]
    fn set_up() -> Option<Self> {
        let docker = Docker::new();
        if let Readiness::Missing(missing) = docker.probe() {
            eprintln!("skipped: {}", missing.what);
            return None;
        }
        if !Path::new("/usr/bin/busybox").exists() {
            eprintln!("skipped: no /usr/bin/busybox");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        for name in ["bin", "dev", "proc", "sys", "tmp", "run"] {
            fs::create_dir_all(tree.join(name)).unwrap();
        }
        fs::copy("/usr/bin/busybox", tree.join("bin/busybox")).unwrap();
        fs::write(tree.join("isolde"), AGENT).unwrap();
        fs::set_permissions(tree.join("isolde"), fs::Permissions::from_mode(0o755)).unwrap();
        let digest = format!("{:08x}{:08x}{:048x}", std::process::id(), number(), 0);
        let bench = Self { folder, docker, digest };
        bench.pack();
        Some(bench)
    }

    fn pack(&self) {
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(self.folder.path().join("tree")).arg("-cf").arg(self.root()).arg(".");
        assert!(tar.status().unwrap().success());
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root.tar")
    }

    fn tag(&self) -> String {
        format!("isolde-root:{}-{}", &self.digest[..16], std::process::id())
    }

    fn spec(&self) -> SandboxSpec {
        spec_of(self.root(), &self.digest)
    }

    fn writable_spec(&self) -> SandboxSpec {
        SandboxSpec { writable_root: true, ..self.spec() }
    }

    fn launch(&self, job: &str) -> Launched {
        self.launch_spec(self.spec(), job)
    }

    fn launch_writable(&self, job: &str) -> Launched {
        self.launch_spec(SandboxSpec { writable_root: true, ..self.spec() }, job)
    }

    fn launch_spec(&self, spec: SandboxSpec, job: &str) -> Launched {
        let (cgroup, id) = (spec.cgroup.clone(), spec.id.clone());
        let mut sandbox = self.docker.create(spec).unwrap();
        let Line { reader, writer } = sandbox.start(soon()).unwrap();
        let (mut reader, mut writer) = (File::from(reader), File::from(writer));
        let mut first = [0];
        reader.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"R");
        writeln!(writer, "{job}").unwrap();
        Launched { sandbox, reader, writer, cgroup, id }
    }

    fn close(self) {
        assert_eq!(self.docker.retire(), []);
    }
}

struct Launched {
    sandbox: Box<dyn Sandbox>,
    reader: File,
    writer: File,
    cgroup: Cgroup,
    id: String,
}

impl Launched {
    fn output(&mut self) -> Vec<u8> {
        let mut output = Vec::new();
        self.reader.read_to_end(&mut output).unwrap();
        output
    }

    fn close_writer(&mut self) {
        self.writer = File::open("/dev/null").unwrap();
    }

    fn close(mut self) {
        assert_eq!(self.sandbox.destroy(), []);
        assert_eq!(self.sandbox.destroy(), []);
        assert_eq!(known_containers(&self.id), "");
        assert_eq!(self.cgroup.remove(), []);
        assert_eq!(cgroup_folders(&self.id), HashSet::new());
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn cause(error: &BackendError) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

fn docker_cli(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn known_containers(id: &str) -> String {
    docker_cli(&["ps", "--all", "--quiet", "--filter", &format!("label=isolde.id={id}")])
}

fn cgroup_folders(id: &str) -> HashSet<PathBuf> {
    let found = Command::new("find").args(["/sys/fs/cgroup", "-name", id]).output().unwrap();
    String::from_utf8(found.stdout).unwrap().lines().map(PathBuf::from).collect()
}

#[test]
fn both_directions_and_the_exit_status_come_through() {
    let Some(bench) = Bench::set_up() else { return };
    bench.docker.prepare(&bench.spec()).unwrap();
    let mut launched = bench.launch("echo");
    launched.writer.write_all(b"\x00\xffthere and back\n").unwrap();
    // Closing the writer is what ends the agent.
    launched.close_writer();
    assert_eq!(launched.output(), b"\x00\xffthere and back\n");
    assert_eq!(launched.sandbox.wait(soon()).unwrap(), Ending::Exited(3));
    assert_eq!(launched.sandbox.wait(soon()).unwrap(), Ending::Exited(3));
    launched.close();
    bench.close();
}

#[test]
fn what_was_asked_for_is_seen_inside() {
    let Some(bench) = Bench::set_up() else { return };
    let mut launched = bench.launch("facts");
    let text = String::from_utf8(launched.output()).unwrap();
    let memory = MEMORY.bytes().to_string();
    let cpus = "Cpus_allowed_list:\t0";
    // The runtime sets HOME whatever it is told.
    let (home, arguments) = ("HOME=/", "args /isolde agent");
    let expected = [home, arguments, cpus, &memory, "scratch is writable", "isolde", "lo"];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    launched.close();
    bench.close();
}

#[test]
fn standard_error_is_kept_apart_and_the_writer_breaks_in_the_end() {
    let Some(bench) = Bench::set_up() else { return };
    let mut launched = bench.launch("words");
    assert_eq!(launched.output(), b"");
    assert_eq!(launched.sandbox.console_tail(), b"to stderr\n");
    let broken = loop {
        if let Err(error) = launched.writer.write_all(&[0; 4096]) {
            break error;
        }
    };
    assert_eq!(broken.kind(), ErrorKind::BrokenPipe);
    launched.close();
    bench.close();
}

#[test]
fn it_is_killed_and_waited_for_in_time() {
    let Some(bench) = Bench::set_up() else { return };
    let mut launched = bench.launch("sleep");
    let error = launched.sandbox.wait(Instant::now() + Duration::from_millis(50)).unwrap_err();
    assert!(matches!(error, BackendError::TimedOut { .. }), "{error}");
    launched.sandbox.kill();
    launched.sandbox.kill();
    assert_eq!(launched.sandbox.wait(soon()).unwrap(), Ending::Exited(137));
    launched.sandbox.kill();
    launched.close();
    // A running one goes too, and one that is only dropped.
    bench.launch("sleep").close();
    let launched = bench.launch("sleep");
    let id = launched.id.clone();
    drop(launched);
    assert_eq!(known_containers(&id), "");
    assert_eq!(cgroup_folders(&id), HashSet::new());
    bench.close();
}

#[test]
fn a_slow_reader_makes_the_container_wait() {
    let Some(bench) = Bench::set_up() else { return };
    let mut launched = bench.launch("flood");
    // It cannot end: what it writes does not fit between it and us.
    let early = launched.sandbox.wait(Instant::now() + Duration::from_millis(500));
    assert!(matches!(early, Err(BackendError::TimedOut { .. })));
    let output = launched.output();
    assert_eq!(output.len(), 800 * 65536);
    assert!(output.iter().all(|byte| *byte == 0));
    assert_eq!(launched.sandbox.wait(soon()).unwrap(), Ending::Exited(0));
    launched.close();
    // A reader that goes away does not keep it from ending.
    let mut launched = bench.launch("flood");
    launched.reader = File::open("/dev/null").unwrap();
    assert_eq!(launched.sandbox.wait(soon()).unwrap(), Ending::Exited(0));
    launched.close();
    bench.close();
}

#[test]
fn out_of_memory_kills_are_counted() {
    let Some(bench) = Bench::set_up() else { return };
    for (job, status) in [("hog", 137), ("child-hog", 0)] {
        let mut launched = bench.launch(job);
        assert_eq!(launched.sandbox.wait(soon()).unwrap(), Ending::Exited(status), "{job}");
        assert_eq!(launched.sandbox.usage().unwrap().oom_kills, 1, "{job}");
        launched.close();
    }
    bench.close();
}

#[test]
fn usage_stays_and_grows_and_names_the_daemons() {
    let Some(bench) = Bench::set_up() else { return };
    let mut launched = bench.launch("spin");
    let early = launched.sandbox.usage().unwrap();
    launched.sandbox.wait(soon()).unwrap();
    let late = launched.sandbox.usage().unwrap();
    assert!(late.cpu_ns > early.cpu_ns && early.cpu_ns > 0);
    assert!(late.memory_peak_bytes.is_none_or(|peak| peak <= MEMORY.bytes() && peak > 0));
    assert!(late.daemons[0].name.starts_with("dockerd"), "{:?}", late.daemons);
    assert_eq!(early.daemons.len(), late.daemons.len());
    for (early, late) in early.daemons.iter().zip(&late.daemons) {
        assert!(late.cpu_ns >= early.cpu_ns && early.cpu_ns > 0, "{early:?} {late:?}");
    }
    assert_eq!(launched.sandbox.destroy(), []);
    let last = launched.sandbox.usage().unwrap();
    assert!(last.total_cpu_ns() >= late.total_cpu_ns());
    launched.close();
    bench.close();
}

#[test]
fn a_taken_name_is_refused_and_its_owner_left_alone() {
    let Some(bench) = Bench::set_up() else { return };
    let first = bench.spec();
    let mut second = bench.spec();
    second.id.clone_from(&first.id);
    let id = first.id.clone();
    let mut sandbox = bench.docker.create(first).unwrap();
    let error = bench.docker.create(second).err().unwrap();
    assert!(cause(&error).contains("already in use"), "{}", cause(&error));
    assert_ne!(known_containers(&id), "");
    // Never started, and destroyed all the same.
    assert_eq!(sandbox.destroy(), []);
    assert_eq!(known_containers(&id), "");
    bench.close();
}

#[test]
fn several_run_at_once_and_images_do_not_clash() {
    let (Some(bench), Some(other)) = (Bench::set_up(), Bench::set_up()) else { return };
    let (mut a, mut b, mut c) = (bench.launch("echo"), bench.launch("echo"), other.launch("echo"));
    for launched in [&mut a, &mut b, &mut c] {
        let id = launched.id.clone();
        launched.writer.write_all(id.as_bytes()).unwrap();
        launched.close_writer();
        assert_eq!(launched.output(), id.as_bytes());
    }
    c.close();
    other.close();
    a.close();
    b.close();
    let tag = bench.tag();
    assert_ne!(docker_cli(&["image", "ls", "--quiet", &tag]), "");
    bench.close();
    assert_eq!(docker_cli(&["image", "ls", "--quiet", &tag]), "");
}

#[test]
fn a_root_without_an_agent_fails_in_the_runtime_s_words() {
    let Some(bench) = Bench::set_up() else { return };
    fs::remove_file(bench.folder.path().join("tree/isolde")).unwrap();
    bench.pack();
    let mut sandbox = bench.docker.create(bench.spec()).unwrap();
    let error = sandbox.start(soon()).unwrap_err();
    assert!(cause(&error).contains("/isolde"), "{}", cause(&error));
    assert!(sandbox.wait(soon()).is_err());
    assert_eq!(sandbox.destroy(), []);
    bench.close();
}

#[test]
fn only_what_the_dead_left_is_swept() {
    let Some(bench) = Bench::set_up() else { return };
    let launched = bench.launch("sleep");
    let tag = bench.tag();
    // A process with our number but another start time: a predecessor.
    let pid = format!("isolde.pid={}", std::process::id());
    let mut create = vec!["create", "--label", "isolde=1", "--label", &pid];
    create.extend(["--label", "isolde.pid-started=1", &tag, "/isolde"]);
    let left = docker_cli(&create);
    assert_eq!(left.len(), 64, "{left}");
    let swept = Docker::new().sweep().unwrap();
    assert_eq!(swept.stayed, []);
    assert!(swept.removed.iter().any(|leak| leak.detail == left));
    assert_ne!(known_containers(&launched.id), "");
    launched.close();
    bench.close();
}

#[test]
fn parents_that_docker_makes_elsewhere_are_removed() {
    let Some(bench) = Bench::set_up() else { return };
    let launched = bench.launch("sleep");
    if cgroup::host_hierarchy().unwrap().version() == Version::V1 {
        // One per controller, not only where CPU and memory are counted.
        assert!(cgroup_folders(&launched.id).len() > 3);
    }
    launched.close();
    bench.close();
}
