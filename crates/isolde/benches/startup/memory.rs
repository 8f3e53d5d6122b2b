//! What a VMM itself needs of memory, beside the guest's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

/// A guest's memory is one mapping of at least so many KiB.
const GUEST_KIB: u64 = 64 << 10;

/// An emulated device takes its time.
const PATIENCE: Duration = Duration::from_secs(300);

/// Proportional set size in KiB of the VMM that runs while `arguments` do; `None` where
/// none was seen.
pub(crate) fn of_vmm(arguments: &[&str]) -> anyhow::Result<Option<u64>> {
    let mut isolde = Command::new("isolde")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("isolde cannot be started")?;
    let found = watch(&mut isolde);
    let _ = isolde.wait();
    found
}

/// The last reading before the guest's command ends: it sleeps by then.
fn watch(isolde: &mut Child) -> anyhow::Result<Option<u64>> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    while isolde.try_wait()?.is_none() && Instant::now() < deadline {
        if let Some(vmm) = find("firecracker")
            && let Ok(smaps) = fs::read_to_string(vmm.join("smaps"))
            && smaps.contains("Pss:")
        {
            last = Some(beside_guest(&smaps));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    if Instant::now() >= deadline {
        let _ = isolde.kill();
    }
    Ok(last)
}

fn find(name: &str) -> Option<PathBuf> {
    let processes = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.path());
    let is_it = |path: &PathBuf| {
        fs::read_to_string(Path::new(path).join("comm")).is_ok_and(|comm| comm.trim() == name)
    };
    processes.into_iter().find(is_it)
}

/// Sum of the proportional set sizes of all mappings but the guest's memory
/// (proc_pid_smaps(5)).
fn beside_guest(smaps: &str) -> u64 {
    let (mut total, mut of_guest) = (0, false);
    for line in smaps.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        let kib = value.trim().strip_suffix("kB").and_then(|kib| kib.trim().parse::<u64>().ok());
        match (name, kib) {
            ("Size", Some(kib)) => of_guest = kib >= GUEST_KIB,
            ("Pss", Some(kib)) if !of_guest => total += kib,
            _ => {}
        }
    }
    total
}
