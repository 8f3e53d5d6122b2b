//! QEMU's command line for a device whose time is counted in instructions.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use isolde_model::ByteSize;
use rustix::process::{Resource, Rlimit, setrlimit};

const PROGRAM: &str = "qemu-system-x86_64";

/// Files in the scratch folder that the device's serial ports end in. Files, because a
/// pipe or socket that is full would make the device wait for the host.
pub(super) const CONSOLE: &str = "console";
pub(super) const OUTPUTS: &str = "outputs";
pub(super) const RESULTS: &str = "results";

/// The largest file that a device can fill.
const MOST_BYTES: u64 = 4 << 30;

/// The exact options were found by trial: with a disk of the host's, a second CPU or
/// another thread, repetitions differ.
const ARGUMENTS: [&str; 20] = [
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-no-reboot",
    "-machine",
    "q35",
    "-accel",
    "tcg,thread=single",
    "-cpu",
    "max",
    "-smp",
    "1",
    "-icount",
    "shift=0,sleep=off",
    "-rtc",
    "base=2024-01-01,clock=vm",
    "-seed",
    "1",
    "-append",
];

/// `quiet`: every byte of a console takes time, which is counted.
const PARAMETERS: &str = "console=ttyS0 quiet panic=-1 isolde.emulated";

/// The command that runs the device, whose files are in `folder`.
pub(super) fn qemu(folder: &Path, kernel: &Path, memory: ByteSize) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(ARGUMENTS)
        .arg(PARAMETERS)
        .args(["-m", &format!("{}M", memory.whole_mebibytes())])
        .arg("-kernel")
        .arg(kernel)
        .args(["-initrd", "initramfs"]);
    for name in [CONSOLE, OUTPUTS, RESULTS] {
        command
            .args(["-chardev", &format!("file,id={name},path={name}")])
            .args(["-serial", &format!("chardev:{name}")]);
    }
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let bound = || {
        let limit = Rlimit { current: Some(MOST_BYTES), maximum: Some(MOST_BYTES) };
        Ok(setrlimit(Resource::Fsize, limit)?)
    };
    // SAFETY: between fork and exec the closure makes one system call; it neither
    // allocates nor takes locks.
    unsafe { command.pre_exec(bound) };
    command
}
