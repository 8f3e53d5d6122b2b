//! The probe's guest on x86-64: long mode, the first 2 MB mapped to themselves,
//! privileged, no interrupts.

use std::arch::{asm, global_asm};
use std::time::{Duration, Instant};

use kvm_bindings::{CpuId, KVM_MAX_CPUID_ENTRIES, kvm_dtable, kvm_regs, kvm_segment};
use kvm_ioctls::{Kvm, VcpuFd};

use super::guest::{COUNT, DONE, Guest, STEP, Stop};
use super::memory::GuestMemory;

/// What brings /dev/kvm.
pub(super) const ENABLE_HINT: &str = "enable virtualization (Intel VT-x or AMD SVM) in the \
    firmware, or nested virtualization where this is a virtual machine; then run `sudo modprobe \
    kvm_intel` or `sudo modprobe kvm_amd`";

/// The first of the guest's ports.
const PORTS: u16 = 0x10;

// Guest addresses.
const PML4: usize = 0x1000;
const PDPT: usize = 0x2000;
const PAGE_DIRECTORY: usize = 0x3000;
const GDT: usize = 0x4000;
const DATA: usize = 0x5000;
const CODE: usize = 0x8000;

// Bits of page table entries (AMD64 Architecture Programmer's Manual 2, 5.3).
const PRESENT_WRITABLE: u64 = 0b11;
const LARGE_PAGE: u64 = 1 << 7;

// Bits of control registers (the same manual, 3.1).
const CR0_PROTECTED: u64 = 1 << 0;
const CR0_MONITOR_COPROCESSOR: u64 = 1 << 1;
const CR0_EXTENSION_TYPE: u64 = 1 << 4;
const CR0_NUMERIC_ERROR: u64 = 1 << 5;
const CR0_PAGING: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const CR4_SSE: u64 = 1 << 9 | 1 << 10;
const CR4_XSAVE: u64 = 1 << 18;
const EFER_LONG_MODE: u64 = 1 << 8 | 1 << 10;

/// Segment descriptors, as [`make_segments`] sets them: null, 64-bit code, data.
const DESCRIPTORS: [u64; 3] = [0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff];
const CODE_SELECTOR: u16 = 1 << 3;
const DATA_SELECTOR: u16 = 2 << 3;

// CPUID leaf 1, ECX.
const HAS_CMPXCHG16B: u32 = 1 << 13;
const HAS_XSAVE: u32 = 1 << 26;

const SSE_STEP: u32 = 1;
const CMPXCHG16B_STEP: u32 = 2;
const XSAVE_STEP: u32 = 3;

/// The loop, the same text for guest and host: EAX iterations.
macro_rules! counted_loop {
    () => {
        "2: dec eax\njnz 2b"
    };
}

// The guest's program. It is copied from here, so it refers to itself only.
global_asm!(
    ".pushsection .rodata.isolde_kvm_guest, \"a\"",
    ".globl isolde_kvm_guest_begin, isolde_kvm_guest_end",
    ".hidden isolde_kvm_guest_begin, isolde_kvm_guest_end",
    "isolde_kvm_guest_begin:",
    "in eax, {step}",
    "cmp eax, {sse_step}",
    "je 30f",
    "cmp eax, {cmpxchg16b_step}",
    "je 40f",
    "cmp eax, {xsave_step}",
    "je 50f",
    "in eax, {count}",
    counted_loop!(),
    "jmp 90f",
    // SSE: 21 + 21 = 42.
    "30: mov eax, 21",
    "movd xmm0, eax",
    "paddd xmm0, xmm0",
    "movd ecx, xmm0",
    "cmp ecx, 42",
    "jmp 80f",
    // 16 bytes of zeros, as they should be, become 1 and 2.
    "40: mov edi, {data}",
    "xor eax, eax",
    "xor edx, edx",
    "mov ebx, 1",
    "mov ecx, 2",
    "lock cmpxchg16b xmmword ptr [rdi]",
    "jne 80f",
    "cmp qword ptr [rdi + 8], 2",
    "jmp 80f",
    // What every change of process does. The units to save are read back.
    "50: xor ecx, ecx",
    "xor edx, edx",
    "mov eax, 3",
    "xsetbv",
    "mov edi, {data} + 64",
    "xsave64 [rdi]",
    "xrstor64 [rdi]",
    "xgetbv",
    "cmp eax, 3",
    // Zero where the last comparison was of equals.
    "80: setne al",
    "movzx eax, al",
    "90: out {done}, eax",
    "jmp isolde_kvm_guest_begin",
    "isolde_kvm_guest_end:",
    ".popsection",
    step = const PORTS as u64 + STEP,
    count = const PORTS as u64 + COUNT,
    done = const PORTS as u64 + DONE,
    data = const DATA,
    sse_step = const SSE_STEP,
    cmpxchg16b_step = const CMPXCHG16B_STEP,
    xsave_step = const XSAVE_STEP,
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
    unsafe { asm!(counted_loop!(), inout("eax") count.max(1) => _, options(nomem, nostack)) };
    begun.elapsed()
}

/// Makes the guest, ready for its first instruction.
pub(super) fn make_guest(kvm: &Kvm, deadline: Instant) -> Result<Guest, Stop> {
    let vm = kvm.create_vm().map_err(Stop::refused("make a VM"))?;
    let mut memory = GuestMemory::new()?;
    write_memory(&mut memory)?;
    memory.give_to(&vm)?;
    let vcpu = vm.create_vcpu(0).map_err(Stop::refused("make a virtual CPU"))?;
    let cpuid = kvm
        .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
        .map_err(Stop::refused("read what a virtual CPU supports"))?;
    vcpu.set_cpuid2(&cpuid).map_err(Stop::refused("set what a virtual CPU supports"))?;
    let features = features(&cpuid);
    set_registers(&vcpu, features)?;
    let mut steps = Vec::new();
    if features & HAS_CMPXCHG16B != 0 {
        steps.push((CMPXCHG16B_STEP, "cmpxchg16b"));
    }
    if features & HAS_XSAVE != 0 {
        steps.push((XSAVE_STEP, "xsave or xrstor"));
    }
    steps.push((SSE_STEP, "an SSE instruction"));
    Ok(Guest::new((vcpu, vm, memory), u64::from(PORTS), steps, deadline))
}

/// ECX of CPUID leaf 1.
fn features(cpuid: &CpuId) -> u32 {
    cpuid.as_slice().iter().find(|entry| entry.function == 1).map_or(0, |entry| entry.ecx)
}

fn write_memory(memory: &mut GuestMemory) -> Result<(), Stop> {
    memory.write(PML4, &(PDPT as u64 | PRESENT_WRITABLE).to_le_bytes())?;
    memory.write(PDPT, &(PAGE_DIRECTORY as u64 | PRESENT_WRITABLE).to_le_bytes())?;
    memory.write(PAGE_DIRECTORY, &(LARGE_PAGE | PRESENT_WRITABLE).to_le_bytes())?;
    for (index, descriptor) in DESCRIPTORS.iter().enumerate() {
        memory.write(GDT + index * 8, &descriptor.to_le_bytes())?;
    }
    memory.write(CODE, program())
}

fn set_registers(vcpu: &VcpuFd, features: u32) -> Result<(), Stop> {
    let mut system = vcpu.get_sregs().map_err(Stop::refused("read a virtual CPU's state"))?;
    let (code, data) = make_segments();
    system.cs = code;
    (system.ds, system.es, system.fs, system.gs, system.ss) = (data, data, data, data, data);
    let limit = u16::try_from(size_of_val(&DESCRIPTORS) - 1).unwrap_or(u16::MAX);
    system.gdt = kvm_dtable { base: GDT as u64, limit, ..kvm_dtable::default() };
    // No handlers: an exception shuts the guest down, which the host sees.
    system.idt = kvm_dtable::default();
    system.cr3 = PML4 as u64;
    system.cr0 = CR0_PROTECTED
        | CR0_MONITOR_COPROCESSOR
        | CR0_EXTENSION_TYPE
        | CR0_NUMERIC_ERROR
        | CR0_PAGING;
    let xsave = if features & HAS_XSAVE == 0 { 0 } else { CR4_XSAVE };
    system.cr4 = CR4_PAE | CR4_SSE | xsave;
    system.efer = EFER_LONG_MODE;
    vcpu.set_sregs(&system).map_err(Stop::refused("set a virtual CPU to 64-bit mode"))?;
    // Bit 1 of the flags is always set.
    let registers = kvm_regs { rip: CODE as u64, rflags: 1 << 1, ..kvm_regs::default() };
    vcpu.set_regs(&registers).map_err(Stop::refused("set a virtual CPU's registers"))
}

/// Flat segments for 64-bit code and for data.
fn make_segments() -> (kvm_segment, kvm_segment) {
    let flat = kvm_segment { limit: u32::MAX, present: 1, s: 1, g: 1, ..kvm_segment::default() };
    // Types: executable, readable, accessed; and writable, accessed.
    let code = kvm_segment { selector: CODE_SELECTOR, type_: 11, l: 1, ..flat };
    let data = kvm_segment { selector: DATA_SELECTOR, type_: 3, db: 1, ..flat };
    (code, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `dec eax; jnz -4`, from the instruction set reference.
    const LOOP_BYTES: [u8; 4] = [0xff, 0xc8, 0x75, 0xfc];

    #[test]
    fn the_guest_runs_the_loop_that_the_host_runs() {
        assert!(program().windows(4).any(|window| window == LOOP_BYTES), "{:02x?}", program());
        assert!(program().len() < 0x1000);
        assert!(run_natively(1_000_000) > run_natively(1));
    }

    #[test]
    fn segments_match_their_descriptors() {
        let (code, data) = make_segments();
        for (segment, index) in [(code, 1), (data, 2)] {
            let access = DESCRIPTORS[index] >> 40 & 0xff;
            let expected = u64::from(segment.present << 7 | segment.s << 4 | segment.type_);
            assert_eq!(access, expected);
            let flags = DESCRIPTORS[index] >> 52 & 0xf;
            assert_eq!(flags, u64::from(segment.g << 3 | segment.db << 2 | segment.l << 1));
            assert_eq!(usize::from(segment.selector), index * 8);
        }
    }
}
