//! The machine, put together from libkrun's parts.

use std::os::fd::{BorrowedFd, RawFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use krun_devices::virtio::CacheType;
use krun_devices::virtio::block::{ImageType, SyncMode};
use krun_polly::event_manager::EventManager;
use krun_vmm::Vmm;
use krun_vmm::builder::build_microvm;
use krun_vmm::resources::{PortConfig, SerialConsoleConfig, VirtioConsoleConfigMode, VmResources};
use krun_vmm::vmm_config::block::BlockDeviceConfig;
use krun_vmm::vmm_config::external_kernel::{ExternalKernel, KernelFormat};
use krun_vmm::vmm_config::machine_config::VmConfig;
use rustix::io::fcntl_getfd;

use super::order::Order;

/// Name of the virtio port that is the line to the agent; the guest looks for it.
const PORT_NAME: &str = "isolde";

/// The largest pages that a guest kernel has.
const PAGE_BYTES: u64 = 64 * 1024;

/// libkrun's sign for a direction that is not connected.
const NOT_CONNECTED: RawFd = -1;

/// libkrun's name for what a plain image is on this architecture.
#[cfg(target_arch = "x86_64")]
const KERNEL_FORMAT: KernelFormat = KernelFormat::Elf;
#[cfg(not(target_arch = "x86_64"))]
const KERNEL_FORMAT: KernelFormat = KernelFormat::Raw;

/// A machine whose vCPUs run.
pub(super) struct Machine {
    events: EventManager,
    _vmm: Arc<Mutex<Vmm>>,
}

/// Makes and starts it; why not, otherwise.
pub(super) fn build(order: &Order) -> Result<Machine, String> {
    let resources = resources(order)?;
    let mut events = EventManager::new().map_err(|error| format!("no event loop: {error:?}"))?;
    // Only machines with parts that we leave out send anything.
    let (sender, _receiver) = crossbeam_channel::unbounded();
    let vmm = build_microvm(&resources, &mut events, None, sender)
        .map_err(|error| format!("libkrun cannot make the machine: {error}"))?;
    Ok(Machine { events, _vmm: vmm })
}

impl Machine {
    /// Serves its devices. libkrun ends the process when the guest ends the machine, so
    /// this returns only where it fails, with the reason.
    pub(super) fn serve(mut self) -> String {
        loop {
            if let Err(error) = self.events.run() {
                return format!("libkrun's event loop failed: {error:?}");
            }
        }
    }
}

fn resources(order: &Order) -> Result<VmResources, String> {
    let mut resources = VmResources::default();
    resources
        .set_vm_config(&VmConfig {
            vcpu_count: Some(order.cpus),
            mem_size_mib: Some(order.memory_mebibytes as usize),
            ht_enabled: Some(false),
            cpu_template: None,
        })
        .map_err(|error| error.to_string())?;
    resources.set_external_kernel(kernel(order)?);
    let upper = order.upper.map(|upper| disk("upper", upper, false));
    for disk in std::iter::once(disk("root", order.root, true)).chain(upper) {
        resources.add_block_device(disk?).map_err(|error| error.to_string())?;
    }
    resources.disable_implicit_console = true;
    for end in [order.console, order.line] {
        check(end)?;
    }
    let console = SerialConsoleConfig { input_fd: NOT_CONNECTED, output_fd: order.console };
    resources.serial_consoles.push(console);
    let name = PORT_NAME.to_owned();
    let line = PortConfig::InOut { name, input_fd: order.line, output_fd: order.line };
    resources.virtio_consoles.push(VirtioConsoleConfigMode::Explicit(vec![line]));
    Ok(resources)
}

fn kernel(order: &Order) -> Result<ExternalKernel, String> {
    let initramfs = path(order.initramfs)?;
    let initramfs_bytes = std::fs::metadata(&initramfs)
        .map_err(|error| format!("cannot measure the initramfs: {error}"))?
        .len();
    Ok(ExternalKernel {
        path: path(order.kernel)?,
        format: KERNEL_FORMAT,
        initramfs_path: Some(initramfs),
        // Put at the end of the memory, where the kernel wants it to begin with a page.
        initramfs_size: initramfs_bytes.next_multiple_of(PAGE_BYTES),
        cmdline: Some(order.parameters.clone()),
    })
}

/// A plain image. Nobody reads what was written to it again, so flushes are not passed
/// on, as for the other virtual machines.
fn disk(name: &str, image: RawFd, is_read_only: bool) -> Result<BlockDeviceConfig, String> {
    Ok(BlockDeviceConfig {
        block_id: name.to_owned(),
        cache_type: CacheType::Unsafe,
        disk_image_path: path(image)?.display().to_string(),
        disk_image_format: ImageType::Raw,
        is_disk_read_only: is_read_only,
        direct_io: false,
        sync_mode: SyncMode::None,
    })
}

/// libkrun opens files by their paths. This one is short, and text whatever the file is
/// called.
fn path(descriptor: RawFd) -> Result<PathBuf, String> {
    check(descriptor)?;
    Ok(format!("/proc/self/fd/{descriptor}").into())
}

/// That the descriptor is there: libkrun takes it at its word.
fn check(descriptor: RawFd) -> Result<(), String> {
    if descriptor < 0 {
        return Err(format!("{descriptor} is no descriptor"));
    }
    // SAFETY: it is not minus one, and asking for flags does no more than fail where
    // nothing is open under that number.
    let borrowed = unsafe { BorrowedFd::borrow_raw(descriptor) };
    match fcntl_getfd(borrowed) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("descriptor {descriptor} was not handed over: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_handed_over_is_told() {
        assert!(check(0).is_ok());
        assert!(check(-1).unwrap_err().contains("no descriptor"));
        assert!(check(1_000_000).unwrap_err().contains("was not handed over"));
    }
}
