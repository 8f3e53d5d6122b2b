//! A device whose time is counted in instructions: the same program does exactly the
//! same on it every time, on every host, however busy. QEMU's clock advances by one
//! nanosecond an instruction (`-icount shift=0,sleep=off`); nothing that happens on the
//! host reaches the device, no disk and no input, and random numbers come from a seed.
//!
//! Its times are instruction counts, not cycles: fit to tell that a start-up path became
//! longer or shorter, and for no claim about speed.

mod initramfs;
mod machine;

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use isolde_backends::supervise::{Supervised, Tail};
use isolde_backends::{BackendError, Ending};
use isolde_image::{HostKernel, Store, find_kernels};
use isolde_model::ByteSize;
use isolde_runner::Interrupt;

use crate::build::{check_qemu, scratch};
use crate::{Archive, Built, Command, Limits, TestbedError, ustar};

/// What must be on the kernel's module list for the device to have guests.
pub(crate) const MODULES: [&str; 4] = ["kvm_amd", "vhost_vsock", "overlay", "loop"];

/// A static multi-call program: all that such a device has of a system.
const BUSYBOX: &str = "/usr/bin/busybox";

/// Between two looks for the user's wish to stop.
const SLICE: Duration = Duration::from_millis(200);

/// What ran, and what it said.
#[derive(Debug)]
pub struct Recorded {
    /// The command's exit status, as a shell gives it.
    pub status: u8,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
    /// What came out of its results folder, if anything was there.
    pub results: Option<Archive>,
}

/// Such a device and what is on it.
pub struct Deterministic<'a> {
    /// The host's cache.
    pub store: &'a Store,
    /// The executable of this program.
    pub agent: &'a Path,
    /// Whose kernel it boots.
    pub built: &'a Built,
    /// Memory.
    pub memory: ByteSize,
    /// Files of the host, each with its place on the device.
    pub files: Vec<(std::path::PathBuf, std::path::PathBuf)>,
}

impl Deterministic<'_> {
    /// Starts the device, runs the command, and takes the device down.
    ///
    /// # Errors
    /// What is missing on the host, that the device did not end in time or by itself,
    /// that the user asked to stop, or what is wrong with what came out.
    pub fn run(&self, command: &Command, interrupt: &Interrupt) -> Result<Recorded, TestbedError> {
        check_qemu()?;
        let folder = scratch()?;
        let kernel = self.kernel()?;
        let initramfs = folder.path().join("initramfs");
        initramfs::write(self, &kernel, command, &initramfs)?;
        let mut qemu = machine::qemu(folder.path(), &kernel.image, self.memory);
        let mut qemu = Supervised::spawn(&mut qemu).map_err(TestbedError::Machine)?;
        let errors = qemu.child().stderr.take().map(Tail::follow).unwrap_or_default();
        let ending = wait(&mut qemu, Instant::now() + command.limit.0, interrupt)?;
        let console = || last_words(folder.path(), &errors);
        if ending != Ending::Exited(0) {
            return Err(TestbedError::Died(console()));
        }
        self.record(folder.path(), console)
    }

    /// The kernel of the device's system, with the modules for guests of its own.
    fn kernel(&self) -> Result<HostKernel, TestbedError> {
        let release = &self.built.release;
        let kernels = find_kernels(self.store).into_iter().filter_map(|found| found.kernel.ok());
        let fits = |kernel: &HostKernel| {
            kernel.release == *release && kernel.unpacked_modules(&MODULES).is_ok()
        };
        let found = kernels.into_iter().find(fits);
        found.ok_or_else(|| TestbedError::NoKernel(release.clone()))
    }

    fn record(
        &self,
        folder: &Path,
        console: impl Fn() -> String,
    ) -> Result<Recorded, TestbedError> {
        let out = folder.join("out");
        fs::create_dir(&out).map_err(|error| TestbedError::os("make a folder", error))?;
        let outputs = File::open(folder.join(machine::OUTPUTS))
            .map_err(|error| TestbedError::os("read what the device said", error))?;
        ustar::unpack(std::io::BufReader::new(outputs), &out, Limits::default())
            .map_err(|why| TestbedError::Results(format!("{why}; {}", console())))?;
        let read = |name: &str| {
            fs::read(out.join(name))
                .map_err(|error| TestbedError::Results(format!("no {name}: {error}")))
        };
        let status = String::from_utf8_lossy(&read("status")?).trim().parse();
        let results = File::open(folder.join(machine::RESULTS))
            .map_err(|error| TestbedError::os("read the results", error))?;
        let any = results.metadata().is_ok_and(|file| file.len() > 0);
        Ok(Recorded {
            status: status.map_err(|_| TestbedError::Results("no exit status".into()))?,
            stdout: read("stdout")?,
            stderr: read("stderr")?,
            results: any.then(|| Archive::of(results)),
        })
    }
}

fn wait(
    qemu: &mut Supervised,
    deadline: Instant,
    interrupt: &Interrupt,
) -> Result<Ending, TestbedError> {
    loop {
        if interrupt.is_triggered() {
            return Err(TestbedError::Interrupted);
        }
        let now = Instant::now();
        match qemu.wait("the end of the device", deadline.min(now + SLICE)) {
            Ok(ending) => return Ok(ending),
            Err(BackendError::TimedOut { .. }) if now < deadline => {}
            Err(error) => return Err(TestbedError::Machine(error)),
        }
    }
}

/// The end of what the device, or QEMU, said.
fn last_words(folder: &Path, errors: &Tail) -> String {
    const LINES: usize = 3;
    let console = fs::read(folder.join(machine::CONSOLE)).unwrap_or_default();
    let start = console.len().saturating_sub(16 << 10);
    let said = [&console[start..], &errors.bytes()].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let mut lines: Vec<&str> =
        said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // What a panicking kernel says of its state helps nobody here.
    if let Some(panic) = lines.iter().position(|line| line.contains("Kernel panic")) {
        lines.truncate(panic + 1);
    }
    let last = lines[lines.len().saturating_sub(LINES)..].join(" / ");
    match last.as_str() {
        "" => "it said nothing".into(),
        last => format!("it said {:?}", last.replace(char::is_control, " ")),
    }
}
