//! The `container` environment for real, with busybox as agent.

#![expect(clippy::unwrap_used, reason = "tests panic when their ground gives way")]

mod rig;
mod writable;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::{Duration, Instant};

use isolde_backends::{Backend, BackendError, Ending, Line};
use isolde_model::ByteSize;

use rig::{Rig, soon};

/// Closes the writer and reads to the end.
fn listen(line: Line) -> String {
    drop(line.writer);
    let mut said = String::new();
    File::from(line.reader).read_to_string(&mut said).unwrap();
    said
}

fn write(writer: &OwnedFd, text: &str) {
    File::from(writer.try_clone().unwrap()).write_all(text.as_bytes()).unwrap();
}

/// Starts `script` and gives what it said and how it ended.
fn run(script: &str) -> Option<(String, Ending)> {
    let rig = Rig::new(script)?;
    let mut sandbox = rig.create().unwrap();
    let said = listen(sandbox.start(soon()).unwrap());
    let ending = sandbox.wait(soon()).unwrap();
    rig.end(sandbox);
    Some((said, ending))
}

#[test]
fn the_line_goes_both_ways_and_the_status_arrives() {
    let Some(rig) = Rig::new("read word; echo $1 $word; exit 7") else { return };
    let mut sandbox = rig.create().unwrap();
    let line = sandbox.start(soon()).unwrap();
    write(&line.writer, "hello\n");
    assert_eq!(listen(line), "agent hello\n");
    assert_eq!(sandbox.wait(soon()).unwrap(), Ending::Exited(7));
    assert_eq!(sandbox.wait(soon()).unwrap(), Ending::Exited(7));
    let reading = sandbox.usage().unwrap();
    assert!(reading.cpu_ns > 0 && reading.memory_peak_bytes > Some(0), "{reading:?}");
    assert_eq!(reading.daemons[0].name, "libcontainer");
    assert!(reading.daemons[0].cpu_ns > 100_000, "{reading:?}");
    rig.end(sandbox);
}

#[test]
fn closing_the_writer_ends_the_agent() {
    let Some(rig) = Rig::new("cat >/dev/null") else { return };
    let mut sandbox = rig.create().unwrap();
    let line = sandbox.start(soon()).unwrap();
    let early = sandbox.wait(Instant::now() + Duration::from_millis(50)).unwrap_err();
    assert!(matches!(early, BackendError::TimedOut { .. }), "{early}");
    assert_eq!(listen(line), "");
    assert_eq!(sandbox.wait(soon()).unwrap(), Ending::Exited(0));
    rig.end(sandbox);
}

#[test]
fn killing_is_idempotent_and_seen_as_a_signal() {
    let Some(rig) = Rig::new("sleep 1000 & sleep 1000") else { return };
    let mut sandbox = rig.create().unwrap();
    let _line = sandbox.start(soon()).unwrap();
    sandbox.kill();
    sandbox.kill();
    assert_eq!(sandbox.wait(soon()).unwrap(), Ending::Signalled(9));
    sandbox.kill();
    rig.end(sandbox);
}

#[test]
fn a_container_that_was_never_started_goes_as_well() {
    let Some(rig) = Rig::new("exit 0") else { return };
    let mut sandbox = rig.create().unwrap();
    sandbox.kill();
    assert!(sandbox.start(soon()).is_err());
    rig.end(sandbox);
}

#[test]
fn dropping_takes_everything_down() {
    let Some(rig) = Rig::new("sleep 1000 & sleep 1000") else { return };
    let mut sandbox = rig.create().unwrap();
    let _line = sandbox.start(soon()).unwrap();
    drop(sandbox);
    drop(rig.create().unwrap());
    rig.check();
}

#[test]
fn much_output_and_a_slow_reader() {
    let Some(rig) = Rig::new("head -c 52428800 /dev/zero") else { return };
    let mut sandbox = rig.create().unwrap();
    let line = sandbox.start(soon()).unwrap();
    drop(line.writer);
    let mut reader = File::from(line.reader);
    let mut chunk = vec![0; 1 << 20];
    let (mut total, mut naps) = (0, 0);
    while let length @ 1.. = reader.read(&mut chunk).unwrap() {
        total += length;
        if total / (10 << 20) > naps {
            naps += 1;
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    assert_eq!(total, 50 << 20);
    assert_eq!(sandbox.wait(soon()).unwrap(), Ending::Exited(0));
    rig.end(sandbox);
}

#[test]
fn much_error_output_blocks_nobody() {
    let Some(rig) = Rig::new("head -c 5242880 /dev/zero >&2; echo last >&2") else { return };
    let mut sandbox = rig.create().unwrap();
    let _line = sandbox.start(soon()).unwrap();
    assert_eq!(sandbox.wait(soon()).unwrap(), Ending::Exited(0));
    let deadline = soon();
    while !sandbox.console_tail().ends_with(b"last\n") {
        assert!(Instant::now() < deadline, "the end of the console does not come");
        std::thread::sleep(Duration::from_millis(1));
    }
    rig.end(sandbox);
}

#[test]
fn too_much_memory_is_killed_and_counted() {
    // The first process itself grows: a shell variable that doubles.
    let Some(rig) = Rig::new("s=0123456789abcdef; while :; do s=$s$s; done") else { return };
    let mut sandbox = rig.create().unwrap();
    let _line = sandbox.start(soon()).unwrap();
    assert_eq!(sandbox.wait(soon()).unwrap(), Ending::Signalled(9));
    let reading = sandbox.usage().unwrap();
    assert_eq!(reading.oom_kills, 1, "{reading:?}");
    // The kernel's own records of the container's cgroup are charged to its parent.
    let room = ByteSize::mebibytes(1).bytes();
    assert!(reading.memory_peak_bytes.unwrap() < rig.memory.bytes() + room, "{reading:?}");
    assert!(sandbox.destroy().is_empty());
    assert_eq!(sandbox.usage().unwrap().oom_kills, 1);
    rig.end(sandbox);
}

#[test]
fn limits_are_seen_inside() {
    let limit = "cat /sys/fs/cgroup/memory.max 2>/dev/null \
        || cat /sys/fs/cgroup/memory/memory.limit_in_bytes";
    let Some((said, _)) = run(&format!("nproc; {limit}; hostname; echo $$; env; umask")) else {
        return;
    };
    let bytes = ByteSize::mebibytes(64).bytes();
    // A busybox shell sets these itself.
    let said: Vec<&str> = said
        .lines()
        .filter(|line| {
            !["PATH=", "PWD=", "SHLVL=", "OLDPWD="].iter().any(|name| line.starts_with(name))
        })
        .collect();
    assert_eq!(said, ["1", &bytes.to_string(), "isolde", "1", "0022"]);
}

#[test]
fn little_of_it_can_be_written() {
    let targets = [
        "/x",
        "/sys/x",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory.max",
        "/proc/sys/kernel/hostname",
        "/proc/sysrq-trigger",
    ];
    let mut script = String::from("touch /tmp/x /run/x /dev/shm/x && echo writable\n");
    for target in targets {
        script += &format!("(echo 1 > {target}) 2>/dev/null && echo written {target}\n");
    }
    script += "mknod /tmp/sda b 8 0 2>/dev/null && echo made a device\n";
    script += "mount -t tmpfs none /tmp 2>/dev/null && echo mounted\n";
    script += "grep -c . /proc/keys\n";
    script += "grep NoNewPrivs /proc/1/status; grep CapBnd /proc/1/status\n";
    script += "for d in null zero full random urandom tty; do test -c /dev/$d || echo no $d; done";
    let Some((said, _)) = run(&script) else { return };
    // Docker's default set (0xa80425fb) without CAP_MKNOD, which is bit 27.
    let capabilities = "00000000a00425fb";
    assert_eq!(said, format!("writable\n0\nNoNewPrivs:\t1\nCapBnd:\t{capabilities}\n"));
}

#[test]
fn no_descriptor_of_the_host_is_seen_inside() {
    let script = "for f in /proc/$$/fd/*; do readlink $f; done; echo $(ls /sys/class/net)";
    let Some(other) = Rig::new("cat") else { return };
    let mut neighbour = other.create().unwrap();
    let line = neighbour.start(soon()).unwrap();
    let inheritable = rustix::io::dup(&line.writer).unwrap();
    let rig = other.another(script);
    let mut sandbox = rig.create().unwrap();
    let said = listen(sandbox.start(soon()).unwrap());
    let pipes = said.lines().filter(|line| line.starts_with("pipe:")).count();
    let others: Vec<&str> = said.lines().filter(|line| !line.starts_with("pipe:")).collect();
    assert_eq!((pipes, others), (3, vec!["/isolde", "lo"]), "{said}");
    rig.end_one(sandbox);
    drop((inheritable, line));
    other.end(neighbour);
}

#[test]
fn a_neighbour_in_the_making_holds_nobodys_pipe() {
    let Some(rig) = Rig::new("cat") else { return };
    let mut first = rig.create().unwrap();
    let line = first.start(soon()).unwrap();
    let waiting = rig.another("echo second");
    let mut second = waiting.create().unwrap();
    // Were the first's writer open in the second's waiting process, there would
    // be no end of file for the first.
    assert_eq!(listen(line), "");
    assert_eq!(first.wait(soon()).unwrap(), Ending::Exited(0));
    assert_eq!(listen(second.start(soon()).unwrap()), "second\n");
    waiting.end_one(second);
    rig.end(first);
}

#[test]
fn a_root_without_an_agent_is_refused_and_leaves_nothing() {
    let Some(rig) = Rig::new("exit 0") else { return };
    let agent = rig.root().join("isolde");
    std::fs::remove_file(&agent).unwrap();
    let said = rig.refusal();
    assert!(said.contains("/isolde in the root file system: No such file"), "{said}");
    std::fs::write(&agent, "x").unwrap();
    assert!(rig.refusal().contains("is not executable"));
    std::fs::remove_dir_all(rig.root()).unwrap();
    rig.refusal();
    rig.check();
}

#[test]
fn an_agent_of_another_format_is_named_on_the_console() {
    let Some(rig) = Rig::new("exit 0") else { return };
    rig.replace_agent("\u{7f}ELF nonsense");
    let mut sandbox = rig.create().unwrap();
    let line = sandbox.start(soon()).unwrap();
    assert_eq!(listen(line), "");
    assert!(matches!(sandbox.wait(soon()).unwrap(), Ending::Exited(1..)));
    let deadline = soon();
    while !String::from_utf8_lossy(&sandbox.console_tail()).contains("cannot execute /isolde") {
        assert!(Instant::now() < deadline, "the console stays silent");
        std::thread::sleep(Duration::from_millis(1));
    }
    rig.end(sandbox);
}

#[test]
fn the_shared_root_is_not_touched() {
    let Some(rig) = Rig::new("exit 0") else { return };
    let list = || Command::new("find").arg(rig.root()).arg("-ls").output().unwrap().stdout;
    let before = list();
    let mut sandbox = rig.create().unwrap();
    let _line = sandbox.start(soon()).unwrap();
    sandbox.wait(soon()).unwrap();
    rig.end_one(sandbox);
    assert_eq!(list(), before);
}

#[test]
fn the_program_is_left_as_it_was() {
    let Some(rig) = Rig::new("exit 0") else { return };
    let state =
        || (std::env::current_dir().unwrap(), rustix::process::dumpable_behavior().unwrap());
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let (before, open_before) = (state(), open());
    for _ in 0..20 {
        let mut sandbox = rig.create().unwrap();
        drop(sandbox.start(soon()).unwrap());
        sandbox.wait(soon()).unwrap();
        rig.end_one(sandbox);
    }
    assert_eq!(state(), before);
    // Other tests' threads open and close some, too.
    let deadline = soon();
    while open() > open_before + 5 {
        assert!(Instant::now() < deadline, "descriptors stay open");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_dead_program_takes_its_container_along() {
    let Some(rig) = Rig::new("sleep 1000 & sleep 1000") else { return };
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "play_the_program_that_dies"])
        .env("ISOLDE_TEST_DIES", rig.folder())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let started = rig.folder().join("started");
    let deadline = soon();
    while !started.exists() {
        assert!(Instant::now() < deadline && program.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!rig.cgroup().processes().is_empty());
    program.kill().unwrap();
    program.wait().unwrap();
    while !rig.cgroup().processes().is_empty() {
        assert!(Instant::now() < deadline, "the container lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
    rig.check();
}

/// Not a test of its own: what the test above starts and kills.
#[test]
fn play_the_program_that_dies() {
    let Some(folder) = std::env::var_os("ISOLDE_TEST_DIES") else { return };
    let rig = Rig::in_folder(folder.into());
    let mut sandbox = rig.create().unwrap();
    let _line = sandbox.start(soon()).unwrap();
    std::fs::write(rig.folder().join("started"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

/// Threads that allocate, free each other's memory, log and read variables
/// while processes are cloned.
#[test]
fn busy_threads_hang_no_launch() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let launches: u32 =
        std::env::var("ISOLDE_TEST_LAUNCHES").map_or(20, |count| count.parse().unwrap());
    let Some(rig) = Rig::new("exit 3") else { return };
    /// Stops the others also when an assertion fails.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _at_the_end = Stop(&stop);
        let (send, receive) = std::sync::mpsc::sync_channel::<Vec<u8>>(64);
        let busy = || !stop.load(Ordering::Relaxed);
        scope.spawn(move || {
            while busy() {
                if send.send(vec![1; 100_000]).is_err() {
                    return;
                }
                let _ = std::env::var("PATH");
            }
        });
        scope.spawn(move || {
            for (round, bytes) in receive.into_iter().enumerate() {
                drop(bytes);
                if round % 100 == 0 {
                    let _ = Command::new("/bin/true").status();
                }
            }
        });
        for _ in 0..launches {
            let mut sandbox = rig.create().unwrap();
            drop(sandbox.start(soon()).unwrap());
            assert_eq!(sandbox.wait(soon()).unwrap(), Ending::Exited(3));
            assert!(sandbox.destroy().is_empty());
        }
    });
    rig.check();
}

#[test]
fn the_probe_says_what_it_is_made_of() {
    let probe = isolde_backends::container::Container::new().probe();
    if rustix::process::geteuid().is_root() {
        let isolde_model::Readiness::Ready(ready) = probe else { panic!("{probe:?}") };
        assert!(ready.version.starts_with("libcontainer 0.7"), "{}", ready.version);
    } else {
        assert!(!probe.is_ready());
    }
}
