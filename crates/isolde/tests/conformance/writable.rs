//! What every environment must do when the application may write to its root.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use isolde_backends::BackendError;
use isolde_model::{Failure, FailureKind, Span};
use isolde_runner::host::emulation;

use crate::checks::{Check, expect, soon};
use crate::stage::{Done, Stage, ending, failure, say, text};

pub(crate) const ALL: [(&str, Check); 6] = [
    ("all of the root can be written", everything_is_written),
    ("a launch finds what the image has", nothing_stays),
    ("what one launch writes another does not see", launches_are_apart),
    ("a full disk is told and harms nobody", full_disk),
    ("a launch that is ended leaves nothing", ended_while_writing),
    ("a server on the loopback is reached", loopback),
];

/// Each line must succeed. Folders that the image lacks are made.
const WRITE: &str = "set -e
for folder in / /bin /etc /root /run /tmp /usr/local/lib /var /var/lib; do
  busybox mkdir -p $folder
  echo mine >$folder/mine
  busybox grep -q mine $folder/mine
done
echo changed >/var/lib/state
busybox grep -q changed /var/lib/state
busybox chmod 600 /var/lib/state
busybox chown 1000:1000 /root/notes
busybox mv /root/notes /notes
busybox ln /notes /tmp/hard
busybox ln -s /notes /tmp/soft
busybox mkfifo /tmp/fifo
busybox rm /bin/busybox";

/// Nothing of the above is there.
const UNTOUCHED: &str = "set -e
absent() { if busybox test -e $1; then echo $1 is there; exit 1; fi; }
for folder in / /bin /etc /root /run /tmp /var /var/lib; do
  absent $folder/mine
done
absent /usr
absent /notes
absent /tmp/hard
busybox grep -q image /var/lib/state
busybox grep -q image /root/notes
busybox test \"$(busybox stat -c %a:%u:%g /var/lib/state)\" = 644:0:0
busybox test \"$(busybox stat -c %a:%u:%g /)\" = 755:0:0
busybox test \"$(busybox stat -c %a /tmp)\" = 1777";

fn succeed(stage: &mut Stage, script: &str) -> Result<Done, String> {
    let done = stage.busybox(&["sh", "-c", script]).map_err(text)?;
    let said = String::from_utf8_lossy(&[&*done.stdout, &*done.stderr].concat()).into_owned();
    expect("status", ending(&done) == (Some(0), None), (done.result.ending, said))?;
    Ok(done)
}

fn everything_is_written(stage: &mut Stage) -> Result<(), String> {
    let before = fingerprint(stage.cache());
    succeed(stage, WRITE)?;
    expect("the cache", fingerprint(stage.cache()) == before, "it was changed")
}

fn nothing_stays(stage: &mut Stage) -> Result<(), String> {
    succeed(stage, UNTOUCHED).map(drop)
}

/// Two at once, from the same form in the cache.
fn launches_are_apart(stage: &mut Stage) -> Result<(), String> {
    let mut first = stage.create()?;
    let line = first.start(soon()).map_err(text)?;
    let mut boot_mark = [0];
    let mut reader = fs::File::from(line.reader);
    reader.read_exact(&mut boot_mark).map_err(text)?;
    succeed(stage, WRITE)?;
    succeed(stage, UNTOUCHED)?;
    let early = first.wait(Instant::now());
    expect("wait", matches!(early, Err(BackendError::TimedOut { .. })), early)?;
    // Hanging up ends it.
    drop((reader, line.writer));
    first.wait(soon()).map_err(text)?;
    expect("leaks", first.destroy().is_empty(), "there are some")
}

/// Only a virtual machine has a disk of its own. What the others write is bounded
/// by the free space of the host, which no test should use up; with a small
/// scratch folder `crates/isolde-backends/tests/writable.rs` does so.
fn full_disk(stage: &mut Stage) -> Result<(), String> {
    if stage.backend.guest().is_none() {
        return Ok(());
    }
    if emulation().is_some() {
        say("skipped: a full disk: to fill 1 GiB takes an emulated device many minutes");
        return Ok(());
    }
    let fill = "busybox dd if=/dev/zero of=/fill bs=1M count=4096 && exit 1
echo still here";
    let done = succeed(stage, fill)?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    expect("stderr", said.contains("No space left on device"), said)?;
    expect("stdout", done.stdout == b"still here\n", &done.stdout)?;
    succeed(stage, UNTOUCHED).map(drop)
}

fn ended_while_writing(stage: &mut Stage) -> Result<(), String> {
    let usual = stage.deadlines;
    stage.deadlines.job = Span(Duration::from_millis(1500));
    let script = "while :; do echo more >>/var/lib/state; done";
    let result = stage.busybox(&["sh", "-c", script]);
    stage.deadlines = usual;
    let Failure { kind, .. } = failure(result)?;
    expect("kind", kind == FailureKind::TimedOut, kind)?;
    succeed(stage, UNTOUCHED).map(drop)
}

fn loopback(stage: &mut Stage) -> Result<(), String> {
    let script = "busybox nc -l -p 47113 -e /bin/busybox echo hello &
for i in 1 2 3 4 5 6 7 8 9 10; do
  answer=$(busybox nc 127.0.0.1 47113 </dev/null) && break
  busybox usleep 200000
done
busybox test \"$answer\" = hello";
    succeed(stage, script).map(drop)
}

/// Larger files are disk images, which take minutes to read on an emulated device.
const LARGE: u64 = 16 << 20;

/// Of all names, kinds, modes, owners, times and contents in a folder.
fn fingerprint(folder: &Path) -> u64 {
    let mut hash = DefaultHasher::new();
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    names.sort();
    for path in names {
        let found = fs::symlink_metadata(&path).unwrap();
        path.hash(&mut hash);
        (found.mode(), found.uid(), found.gid(), found.mtime(), found.len()).hash(&mut hash);
        if found.is_dir() {
            fingerprint(&path).hash(&mut hash);
        } else if found.len() > LARGE {
            // It was sealed at the time that it has: a write would have moved it on.
            (found.mtime_nsec(), found.blocks()).hash(&mut hash);
        } else if found.is_file() {
            fs::read(&path).unwrap().hash(&mut hash);
        }
    }
    hash.finish()
}
