//! The probe's guest on arm64: EL1, memory management off.

use std::arch::{asm, global_asm};
use std::time::{Duration, Instant};

use kvm_bindings::{
    KVM_REG_ARM_CORE, KVM_REG_ARM64, KVM_REG_SIZE_U64, kvm_regs, kvm_vcpu_init, user_pt_regs,
};
use kvm_ioctls::{Kvm, VmFd};

use super::guest::{COUNT, DONE, Guest, STEP, Stop};
use super::memory::GuestMemory;

/// What brings /dev/kvm.
pub(super) const ENABLE_HINT: &str = "use a kernel with KVM that the firmware starts at EL2 \
    (Raspberry Pi OS and Ubuntu 64-bit have it on Raspberry Pi 4 and 5), or enable nested \
    virtualization where this is a virtual machine";

/// The first of the guest's addresses without memory.
const MARKS: u64 = 0x1000_0000;

/// Guest address of the program.
const CODE: usize = 0x8000;

const SIMD_STEP: u32 = 1;

/// The loop, the same text for guest and host: W0 iterations.
macro_rules! counted_loop {
    () => {
        "2: subs w0, w0, #1\nb.ne 2b"
    };
}

// The guest's program. It is copied from here, so it refers to itself only.
global_asm!(
    ".pushsection .rodata.isolde_kvm_guest, \"a\"",
    ".balign 4",
    ".globl isolde_kvm_guest_begin, isolde_kvm_guest_end",
    ".hidden isolde_kvm_guest_begin, isolde_kvm_guest_end",
    "isolde_kvm_guest_begin:",
    // SCTLR_EL1.I: without it every instruction would come from memory, at a
    // speed that says nothing. CPACR_EL1.FPEN: floating point and SIMD.
    "mrs x2, sctlr_el1",
    "orr x2, x2, #(1 << 12)",
    "msr sctlr_el1, x2",
    "mrs x2, cpacr_el1",
    "orr x2, x2, #(3 << 20)",
    "msr cpacr_el1, x2",
    "isb",
    "movz x1, #{marks_high}, lsl #16",
    "20: ldr w0, [x1, #{step}]",
    "cmp w0, #{simd_step}",
    "b.eq 30f",
    "ldr w0, [x1, #{count}]",
    counted_loop!(),
    "b 90f",
    // SIMD: 21 + 21 = 42.
    "30: movi v0.4s, #21",
    "add v0.4s, v0.4s, v0.4s",
    "mov w3, v0.s[1]",
    "cmp w3, #42",
    "cset w0, ne",
    "90: str w0, [x1, #{done}]",
    "b 20b",
    "isolde_kvm_guest_end:",
    ".popsection",
    marks_high = const MARKS >> 16,
    step = const STEP,
    count = const COUNT,
    done = const DONE,
    simd_step = const SIMD_STEP,
);

unsafe extern "C" {
    static isolde_kvm_guest_begin: u8;
    static isolde_kvm_guest_end: u8;
}

/// The guest's program.
fn program() -> &'static [u8] {
    let (begin, end) = (&raw const isolde_kvm_guest_begin, &raw const isolde_kvm_guest_end);
    // SAFETY: the labels enclose read-only bytes of this executable.
    unsafe { std::slice::from_raw_parts(begin, end.addr() - begin.addr()) }
}

/// Runs the loop on the host.
pub(super) fn run_natively(count: u32) -> Duration {
    let begun = Instant::now();
    // SAFETY: the loop changes one register and the flags, and ends: `count` is
    // counted down to 0.
    unsafe { asm!(counted_loop!(), inout("w0") count.max(1) => _, options(nomem, nostack)) };
    begun.elapsed()
}

/// Makes the guest, ready for its first instruction.
pub(super) fn make_guest(kvm: &Kvm, deadline: Instant) -> Result<Guest, Stop> {
    let vm = make_vm(kvm).map_err(Stop::refused("make a VM"))?;
    let mut memory = GuestMemory::new()?;
    memory.write(CODE, program())?;
    memory.give_to(&vm)?;
    let vcpu = vm.create_vcpu(0).map_err(Stop::refused("make a virtual CPU"))?;
    let mut target = kvm_vcpu_init::default();
    vm.get_preferred_target(&mut target)
        .map_err(Stop::refused("read what a virtual CPU supports"))?;
    vcpu.vcpu_init(&target).map_err(Stop::refused("set what a virtual CPU supports"))?;
    vcpu.set_one_reg(program_counter(), &(CODE as u64).to_le_bytes())
        .map_err(Stop::refused("set a virtual CPU's registers"))?;
    let steps = vec![(SIMD_STEP, "a SIMD instruction")];
    Ok(Guest::new((vcpu, vm, memory), MARKS, steps, deadline))
}

/// A VM whose guest addresses are as wide as the host can have them: some hosts
/// have fewer than the default of 40 bits.
fn make_vm(kvm: &Kvm) -> Result<VmFd, kvm_ioctls::Error> {
    match u32::try_from(kvm.get_host_ipa_limit()) {
        Ok(bits @ 1..) => kvm.create_vm_with_ipa_size(bits),
        _ => kvm.create_vm(),
    }
}

/// Id of the program counter, as the kernel's `KVM_GET_ONE_REG` documentation
/// has it: the place in `kvm_regs` in units of 32 bits.
fn program_counter() -> u64 {
    let place = std::mem::offset_of!(kvm_regs, regs) + std::mem::offset_of!(user_pt_regs, pc);
    KVM_REG_ARM64 | KVM_REG_SIZE_U64 | u64::from(KVM_REG_ARM_CORE) | place as u64 / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_counter_has_its_documented_id() {
        assert_eq!(program_counter(), 0x6030_0000_0010_0040);
    }

    #[test]
    fn the_guest_runs_the_loop_that_the_host_runs() {
        // subs w0, w0, #1; b.ne -4
        let bytes = [0x00, 0x04, 0x00, 0x71, 0xe1, 0xff, 0xff, 0x54];
        assert!(program().windows(8).any(|window| window == bytes), "{:02x?}", program());
        assert!(run_natively(1_000_000) > run_natively(1));
    }
}
