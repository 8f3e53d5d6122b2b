//! Memory of the probe's guest.

use std::ptr::NonNull;

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::VmFd;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::guest::Stop;

/// Bytes of guest memory, from guest address 0: a multiple of every page size
/// that Linux hosts have (4, 16 and 64 KiB).
pub(super) const SIZE: usize = 64 << 10;

/// Zeroed memory, unmapped when dropped. It must outlive the VM that it is given to.
pub(super) struct GuestMemory(NonNull<u8>);

// SAFETY: the mapping belongs to this value alone; no thread keeps a reference.
unsafe impl Send for GuestMemory {}

impl GuestMemory {
    /// Maps [`SIZE`] zeroed bytes.
    pub(super) fn new() -> Result<Self, Stop> {
        let (protection, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing.
        let place = unsafe { mmap_anonymous(std::ptr::null_mut(), SIZE, protection, flags) };
        let place = place.map_err(Stop::refused("map guest memory"))?;
        NonNull::new(place.cast()).map(Self).ok_or_else(|| Stop::Refused {
            action: "map guest memory",
            cause: "it was mapped at address 0".into(),
        })
    }

    /// Copies `bytes` to the guest address `at`.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) -> Result<(), Stop> {
        // SAFETY: the mapping is SIZE bytes long and lives as long as `self`,
        // which is borrowed mutably; no guest runs before everything is written.
        let memory = unsafe { std::slice::from_raw_parts_mut(self.0.as_ptr(), SIZE) };
        let place = memory.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
        let outside = || Stop::Refused {
            action: "write guest memory",
            cause: format!("{} bytes at {at:#x} lie outside", bytes.len()),
        };
        place.map(|place| place.copy_from_slice(bytes)).ok_or_else(outside)
    }

    /// Makes it the memory of `vm`.
    pub(super) fn give_to(&self, vm: &VmFd) -> Result<(), Stop> {
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: SIZE as u64,
            userspace_addr: self.0.as_ptr().addr() as u64,
        };
        // SAFETY: the region is exactly this mapping, and `Guest` drops the VM
        // before it.
        unsafe { vm.set_user_memory_region(region) }.map_err(Stop::refused("give a VM memory"))
    }
}

impl Drop for GuestMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new`, with this size, and nothing
        // refers to it any more. A failure leaves it mapped, which harms nobody.
        let _ = unsafe { munmap(self.0.as_ptr().cast(), SIZE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_stay_inside() {
        let mut memory = GuestMemory::new().unwrap();
        memory.write(SIZE - 4, &[1; 4]).unwrap();
        memory.write(SIZE - 3, &[1; 4]).unwrap_err();
        memory.write(SIZE + 1, &[]).unwrap_err();
        memory.write(usize::MAX, &[1]).unwrap_err();
    }
}
