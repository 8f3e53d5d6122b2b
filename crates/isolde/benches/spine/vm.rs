//! A virtual machine with the agent, and the same one whose initramfs has
//! busybox and a script as `/init`. Both go through the back end: the same QEMU,
//! arguments, root disk, kernel and modules; only the initramfs differs.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::ground::{BUSYBOX, Ground, soon};
use crate::turns::{Side, take};

/// Loads the same modules in the same order and writes to the port: never to a
/// file of its name, which the shell would make, hence the test for a device.
const INIT: &[u8] = b"#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod $module; done
set -- /dev/vport*p1
until [ -c $1 ]; do set -- /dev/vport*p1; done
until echo > $1; do :; done
exec /bin/busybox sleep 1000000
";

pub(crate) fn compare(rounds: usize) -> anyhow::Result<Option<Vec<Side>>> {
    let Some(ground) = Ground::lay("vm", 1)? else { return Ok(None) };
    let busybox = write_initramfs(&ground)?;
    let sides = take(
        rounds,
        vec![
            ("busybox init", &mut || boot(&ground, Some(&busybox))),
            ("vm", &mut || boot(&ground, None)),
        ],
    )?;
    Ok(Some(sides))
}

/// Seconds from the request to the first byte.
fn boot(ground: &Ground, initramfs: Option<&Path>) -> anyhow::Result<f64> {
    ground.with_spec(|mut spec| {
        if let (Some(kernel), Some(initramfs)) = (&mut spec.kernel, initramfs) {
            kernel.initramfs = initramfs.to_owned();
        }
        let began = Instant::now();
        let mut sandbox = ground.backend.create(spec)?;
        let line = sandbox.start(soon())?;
        let came = await_byte(&line.reader);
        let elapsed = began.elapsed();
        let console = sandbox.console_tail();
        let leaks = sandbox.destroy();
        came.with_context(|| String::from_utf8_lossy(&console).into_owned())?;
        ensure!(leaks.is_empty(), "{leaks:?}");
        Ok(elapsed.as_secs_f64())
    })
}

fn await_byte(reader: &impl AsFd) -> anyhow::Result<()> {
    let mut watched = [PollFd::new(reader, PollFlags::IN)];
    let patience = Timespec { tv_sec: 120, tv_nsec: 0 };
    ensure!(poll(&mut watched, Some(&patience))? == 1, "no byte came");
    let mut byte = [0];
    ensure!(rustix::io::read(reader, &mut byte)? == 1, "the line closed");
    Ok(())
}

/// The back end's own initramfs up to its `/init`, which is its last entry, then
/// busybox and the script.
fn write_initramfs(ground: &Ground) -> anyhow::Result<PathBuf> {
    let own = ground.with_spec(|spec| Ok(spec.kernel.context("no kernel")?.initramfs))?;
    let mut archive = fs::read(own)?;
    let end = find_init(&archive).context("no /init in the initramfs")?;
    archive.truncate(end);
    add(&mut archive, "bin", 0o040_755, &[]);
    add(&mut archive, "bin/busybox", 0o100_755, &fs::read(BUSYBOX)?);
    add(&mut archive, "init", 0o100_755, INIT);
    add(&mut archive, "TRAILER!!!", 0, &[]);
    let path = ground.folder.path().join("busybox.cpio");
    fs::write(&path, archive)?;
    Ok(path)
}

/// Bytes of a header of newc cpio: six of magic and thirteen numbers of eight
/// hexadecimal digits, as in the kernel's early-userspace/buffer-format.rst.
const HEADER: usize = 110;

fn find_init(archive: &[u8]) -> Option<usize> {
    let mut start = 0;
    loop {
        let header = archive.get(start..start + HEADER)?;
        let number = |index: usize| {
            let digits = std::str::from_utf8(&header[6 + index * 8..14 + index * 8]).ok()?;
            usize::from_str_radix(digits, 16).ok()
        };
        let (size, name_size) = (number(6)?, number(11)?);
        if archive.get(start + HEADER..start + HEADER + name_size)? == b"init\0" {
            return Some(start);
        }
        start = (start + HEADER + name_size).next_multiple_of(4);
        start = (start + size).next_multiple_of(4);
    }
}

fn add(archive: &mut Vec<u8>, name: &str, mode: usize, content: &[u8]) {
    // Not equal to another entry's: equal numbers are hard links.
    let inode = archive.len();
    archive.extend_from_slice(b"070701");
    for field in [inode, mode, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0] {
        archive.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    archive.extend_from_slice(name.as_bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(4), 0);
}
