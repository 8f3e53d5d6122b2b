//! What starting a microVM costs with Isolde, against the same VMM, kernel and machine
//! with nothing but busybox in it: on the emulated device whose time is counted in
//! instructions, so that every repetition gives the same figures.
//!
//! ```text
//! cargo bench -p isolde --bench startup [-- LAUNCHES]
//! ```
//!
//! As root, with Firecracker on the PATH, a kernel by `isolde kernel build`, busybox and
//! what the test bed needs; says what is missing and ends otherwise. Figures are
//! instruction counts: ratios of like paths, nothing about a device's speed.

mod device;
mod memory;
mod reference;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};
use isolde_image::{Store, find_kernels};
use rustix::process::geteuid;

/// Unless another number is asked for: they are all alike.
const LAUNCHES: u32 = 3;

fn main() -> ExitCode {
    // Cargo says `--bench` to every benchmark.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match *words.as_slice() {
        [device::ROLE, launches, image] => device::measure(launches, image),
        [] => outside(LAUNCHES),
        [launches] => launches.parse().context("LAUNCHES wants a number").and_then(outside),
        _ => Err(anyhow::anyhow!("one number of launches is all that can be given")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs this benchmark on the device, or says what is missing.
fn outside(launches: u32) -> anyhow::Result<()> {
    if let Some(missing) = missing() {
        say(&format!("skipped: {missing}"));
        return Ok(());
    }
    let Some(image) = kernel()? else {
        say("skipped: no kernel without modules: `isolde kernel build` makes one");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let initrd = folder.path().join("reference");
    reference::write_initrd(&initrd)?;
    let name = image.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let myself = std::env::current_exe()?;
    let status = Command::new(env!("CARGO_BIN_EXE_isolde"))
        .args(["testbed", "run", "--deterministic", "--quiet", "--timeout", "60m", "--bring"])
        .arg(format!("{}:{}", initrd.display(), reference::INITRD))
        .arg("--program")
        .arg(&myself)
        .args(["--", device::ROLE, &launches.to_string(), &format!("/boot/{name}")])
        .status()
        .context("isolde cannot be started")?;
    if !status.success() {
        bail!("the device's part failed: {status}");
    }
    Ok(())
}

fn missing() -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let here = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    let tools = [
        ("firecracker", "put a static Firecracker on the PATH"),
        ("qemu-system-x86_64", "sudo apt-get install qemu-system-x86"),
        ("mmdebstrap", "sudo apt-get install mmdebstrap"),
        ("busybox", "sudo apt-get install busybox-static"),
    ];
    if !geteuid().is_root() {
        return Some("only root can make the test bed".into());
    }
    let tool = tools.into_iter().find(|(name, _)| !here(name));
    tool.map(|(name, hint)| format!("no {name}: {hint}"))
}

/// The newest kernel of the cache whose drivers are all built in.
fn kernel() -> anyhow::Result<Option<PathBuf>> {
    let store = Store::open_default()?;
    let kernels = find_kernels(&store).into_iter().filter_map(|found| found.kernel.ok());
    let mut small = kernels.filter(|kernel| {
        let modular = kernel.modules.as_ref().is_some_and(|folder| folder.join("kernel").is_dir());
        !modular && !kernel.image.starts_with("/boot")
    });
    Ok(small.next().map(|kernel| kernel.image))
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "what a benchmark could not do")]
fn say(text: &str) {
    eprintln!("{text}");
}
