//! The same VMM, kernel and machine started the plainest way: by its configuration file,
//! with busybox as its only program, which writes a word to the serial console. The word
//! is the sign that it is up: the first thing that the host can see of any program in
//! such a machine, as the agent's first byte is.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use isolde_image::{CpioArchive, CpioNode};
use serde_json::json;

/// The machine's files, on the device.
pub(crate) const INITRD: &str = "/testbed/reference.cpio";

/// What tells that it is up. A word, because Firecracker's own log stands in the same
/// stream and has every letter.
const UP: &[u8] = b"busybox-is-up";

/// Those with which Isolde starts its own: without the last three, a kernel looks for a
/// keyboard and a mouse for longer, and the comparison would flatter.
const PARAMETERS: &str =
    "console=ttyS0 reboot=k quiet panic=-1 i8042.noaux i8042.nomux i8042.dumbkbd";

const INIT: &str = "#!/bin/busybox sh\necho busybox-is-up\n/bin/busybox reboot -f\n";

const BUSYBOX: &str = "/usr/bin/busybox";

/// Writes the machine's files.
pub(crate) fn write_initrd(path: &Path) -> anyhow::Result<()> {
    let busybox = fs::read(BUSYBOX).context("/usr/bin/busybox: apt-get install busybox-static")?;
    let mut archive = CpioArchive::default();
    for folder in ["bin", "dev"] {
        archive.add(folder, CpioNode::Folder);
    }
    archive.add("dev/console", CpioNode::CharacterDevice { major: 5, minor: 1 });
    archive.add("bin/busybox", CpioNode::File { content: &busybox, mode: 0o755 });
    archive.add("init", CpioNode::File { content: INIT.as_bytes(), mode: 0o755 });
    fs::write(path, archive.finish()).context("the machine's files cannot be written")
}

/// Kills a VMM that is left running.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One start: from the call to the sign.
pub(crate) fn start(image: &str, memory_mebibytes: u64) -> anyhow::Result<Duration> {
    let configuration = json!({
        "boot-source": {
            "kernel_image_path": image,
            "initrd_path": INITRD,
            "boot_args": PARAMETERS,
        },
        "drives": [],
        "machine-config": { "vcpu_count": 1, "mem_size_mib": memory_mebibytes },
    });
    let file = Path::new("/tmp/reference.json");
    fs::write(file, configuration.to_string())?;
    let began = Instant::now();
    let child = Command::new("firecracker")
        // As Isolde has it: every line of its log costs time.
        .args(["--level", "Error", "--no-api", "--config-file"])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("firecracker cannot be started")?;
    let mut child = Guard(child);
    let mut console = child.0.stdout.take().context("no console")?;
    let mut said = Vec::new();
    let mut byte = [0];
    while console.read(&mut byte)? > 0 {
        said.extend(byte);
        if said.ends_with(UP) {
            return Ok(began.elapsed());
        }
    }
    bail!("the machine ended before it was up; it said {}", String::from_utf8_lossy(&said))
}
