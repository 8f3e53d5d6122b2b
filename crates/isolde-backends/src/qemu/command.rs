//! QEMU's command line.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use isolde_model::{GuestEnd, GuestLine, GuestParameters, GuestRoot};
use serde_json::json;

use super::machine::{Accelerator, Machine, PROGRAM};
use super::port::Port;
use crate::vmm::hand_down;
use crate::{BackendError, GuestKernel, SandboxSpec};

/// Name of the virtio port that is the line to the agent; the guest looks for it.
const PORT_NAME: &str = "isolde";

/// `quiet`: a serial console takes time for every byte. `panic=-1`: a panic
/// resets at once, and a reset ends QEMU.
const PARAMETERS: &str = "quiet panic=-1";

/// QEMU's ends of its channels. They are socket pairs connected before it
/// starts: no path, no race for who comes first, nothing left on the disk.
pub(super) struct QemuEnds {
    pub(super) line: OwnedFd,
    pub(super) console: OwnedFd,
    pub(super) control: OwnedFd,
    pub(super) ports: Vec<Port>,
}

/// Ours, but for those of the ports.
pub(super) struct OurEnds {
    pub(super) line: UnixStream,
    pub(super) console: UnixStream,
    pub(super) control: UnixStream,
}

/// Three connected channels, and the ports.
pub(super) fn channels(ports: Vec<Port>) -> Result<(OurEnds, QemuEnds), BackendError> {
    let pair =
        || UnixStream::pair().map_err(|source| BackendError::os("make a socket pair", source));
    let ((line, qemu_line), (console, qemu_console), (control, qemu_control)) =
        (pair()?, pair()?, pair()?);
    let qemu = QemuEnds {
        line: qemu_line.into(),
        console: qemu_console.into(),
        control: qemu_control.into(),
        ports,
    };
    Ok((OurEnds { line, console, control }, qemu))
}

/// The command that runs `spec`.
pub(super) fn qemu(
    machine: &Machine,
    accelerator: &Accelerator,
    spec: &SandboxSpec,
    kernel: &GuestKernel,
    ends: QemuEnds,
) -> Command {
    let cpus = spec.cpus.len();
    let mut command = Command::new(PROGRAM);
    command
        .args(["-name", &spec.id])
        // Nothing but what follows: no network, no graphics, no file of the host's.
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none"])
        .args(["-machine", machine.kind])
        .args(accelerator.arguments())
        .args(["-smp", &cpus.to_string()])
        .args(["-m", &format!("{}M", spec.memory.whole_mebibytes())])
        .arg("-no-reboot")
        .args(disk_arguments(machine, spec))
        .args(channel_arguments(machine, &ends))
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(&kernel.initramfs)
        .args(["-append", &parameters(machine, accelerator, spec)])
        // Where QEMU keeps what a guest writes to its root.
        .env("TMPDIR", &spec.scratch)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let ports = ends.ports.into_iter().map(|port| port.end);
    hand_down(&mut command, ports.chain([ends.line, ends.console, ends.control]).collect());
    command
}

/// The kernel's command line.
fn parameters(machine: &Machine, accelerator: &Accelerator, spec: &SandboxSpec) -> String {
    let root = if spec.writable_root { GuestRoot::Writable } else { GuestRoot::ReadOnly };
    let own =
        GuestParameters { root, line: GuestLine::Port, end: GuestEnd::PowerOff, rests: false };
    let clock = accelerator.clock_parameter(machine);
    let words = [machine.parameters, PARAMETERS, &clock, &own.to_string()];
    words.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The root disk. Without locks, because many launches share the image.
fn disk_arguments(machine: &Machine, spec: &SandboxSpec) -> [OsString; 4] {
    let device = format!("virtio-blk-{},drive=root", machine.device_suffix());
    let [option, disk] = match spec.writable_root {
        true => ["-drive".into(), throw_away_disk(&spec.root)],
        false => ["-blockdev".into(), shared_disk(&spec.root).into()],
    };
    [option, disk, "-device".into(), device.into()]
}

/// Read-only. JSON, because a comma in a path would end an option.
fn shared_disk(image: &Path) -> String {
    let disk = json!({
        "node-name": "root",
        "driver": "raw",
        "read-only": true,
        "file": { "driver": "file", "filename": image, "locking": "off", "read-only": true },
    });
    disk.to_string()
}

/// Writes go to a file in `TMPDIR` that QEMU removes as soon as it is open, so it
/// goes with QEMU whatever happens; it grows no larger than the image. Flushes
/// are not passed on (QEMU's `cache=unsafe`), because nobody reads it again.
fn throw_away_disk(image: &Path) -> OsString {
    let mut disk =
        b"if=none,id=root,format=raw,snapshot=on,file.locking=off,file.filename=".to_vec();
    for &byte in image.as_os_str().as_bytes() {
        disk.push(byte);
        // Within a value a comma is written twice.
        if byte == b',' {
            disk.push(byte);
        }
    }
    OsString::from_vec(disk)
}

fn channel_arguments(machine: &Machine, ends: &QemuEnds) -> Vec<String> {
    let channel = |id: &str, end: &OwnedFd| format!("socket,id={id},fd={}", end.as_raw_fd());
    [
        ("-chardev", channel("console", &ends.console)),
        ("-serial", "chardev:console".into()),
        ("-chardev", channel("control", &ends.control)),
        ("-mon", "chardev=control,mode=control".into()),
        ("-chardev", channel("line", &ends.line)),
        ("-device", format!("virtio-serial-{}", machine.device_suffix())),
        ("-device", format!("virtserialport,chardev=line,name={PORT_NAME}")),
    ]
    .into_iter()
    .flat_map(|(option, value)| [option.to_owned(), value])
    .chain(ends.ports.iter().flat_map(Port::arguments))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::super::machine::FULL;
    use super::super::port::PortKind;
    use super::*;

    #[test]
    fn channels_are_told_to_qemu_by_their_numbers() {
        let (_ours, port) = UnixStream::pair().unwrap();
        let number = port.as_raw_fd();
        let port = Port { name: "more", kind: PortKind::Stream, end: port.into() };
        let (_ours, qemu) = channels(vec![port]).unwrap();
        let line = qemu.line.as_raw_fd();
        let arguments = channel_arguments(FULL, &qemu).join(" ");
        assert!(arguments.contains(&format!("socket,id=line,fd={line} ")), "{arguments}");
        assert!(arguments.contains(&format!("socket,id=more,fd={number} ")), "{arguments}");
        assert!(arguments.ends_with("virtserialport,chardev=more,name=more"), "{arguments}");
    }
}
