//! A kernel that was unpacked is one that boots.
#![expect(clippy::print_stderr, reason = "a skipped test says why")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use isolde_image::{ImageFormat, KernelImage, Machine, Store, find_kernels};

struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// QEMU starts an ELF image by its PVH entry, as microVMs do; the kernel then says
/// its version on the console.
#[test]
fn the_elf_image_of_a_bzimage_boots() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let kernels = find_kernels(&store).into_iter().filter_map(|found| found.kernel.ok());
    let is_packed = |kernel: &isolde_image::HostKernel| kernel.format == ImageFormat::BzImage;
    let Some(kernel) = kernels.into_iter().find(is_packed) else {
        return eprintln!("skipped: no bzImage in /boot");
    };
    let elf = store.elf(&kernel).unwrap();
    let bytes = std::fs::read(&elf).unwrap();
    if Machine::HOST != Machine::X86 || !KernelImage::parse(&bytes).unwrap().is_startable() {
        return eprintln!("skipped: {} has no PVH entry", kernel.release);
    }
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .args(["-machine", "q35", "-accel", "tcg,thread=single", "-cpu", "max", "-m", "256"])
        .args(["-serial", "stdio", "-append", "console=ttyS0 earlyprintk=serial panic=-1"])
        .arg("-kernel")
        .arg(&elf)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let Ok(mut child) = qemu.spawn().map(Guard) else {
        return eprintln!("skipped: qemu-system-x86_64 is not installed");
    };
    let (sender, lines) = std::sync::mpsc::channel();
    let console = BufReader::new(child.0.stdout.take().unwrap());
    std::thread::spawn(move || {
        console.lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
    });
    let deadline = Instant::now() + Duration::from_secs(120);
    let banner = format!("Linux version {} ", kernel.release);
    let mut said = Vec::new();
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if line.contains(&banner) {
            return;
        }
        said.push(line);
    }
    panic!("no `{banner}` among {said:?}");
}
