//! Making a guest, trying it, and the verdict.

#[cfg_attr(target_arch = "x86_64", path = "arch_x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "arch_aarch64.rs")]
mod arch;
mod guest;
mod kick;
mod memory;
mod timing;

use std::time::{Duration, Instant};

use isolde_model::KvmFacts;
use kvm_bindings::KVM_API_VERSION;
use kvm_ioctls::Kvm;

use guest::Stop;
use kick::Ran;

/// The guest gets no more time than this. It needs tens of milliseconds on a
/// device, and was seen to need 380 where the device itself was emulated.
const GUEST_PATIENCE: Duration = Duration::from_millis(900);

/// No answer is waited for longer than this, whatever the kernel does.
const PROBE_PATIENCE: Duration = Duration::from_millis(1100);

/// A guest loop this many times slower than the host's is emulated. On the CPU
/// itself the loop, which touches registers only, takes the same cycles in guest
/// and host; frequency changes and a busy neighbour stay below a factor of a few.
/// A kernel that interprets each instruction needs hundreds of cycles for it.
const EMULATED_FACTOR: u64 = 20;

/// Whether KVM executes guest code here, found out now.
pub(super) fn attempt() -> KvmFacts {
    let kvm = match Kvm::new() {
        Ok(kvm) => kvm,
        Err(error) => return absent(error.errno()),
    };
    let version = kvm.get_api_version();
    if u32::try_from(version) != Ok(KVM_API_VERSION) {
        let reason = format!("/dev/kvm speaks API version {version}, not {KVM_API_VERSION}");
        return KvmFacts::Broken { reason };
    }
    let begun = Instant::now();
    let guest_deadline = begun + GUEST_PATIENCE;
    let tried = kick::run_until(guest_deadline, begun + PROBE_PATIENCE, move || {
        try_guest(&kvm, guest_deadline)
    });
    match tried {
        Ran::Returned(findings) => judge(findings),
        Ran::Lost => broken("a virtual CPU does not come back from the kernel"),
        Ran::NotStarted(error) => {
            broken(format!("cannot start a thread for a virtual CPU: {error}"))
        }
    }
}

/// What a guest that could be made has shown. All times in picoseconds per
/// iteration of the loop.
#[derive(Debug)]
struct Findings {
    native: u64,
    guest: Result<u64, Stop>,
    /// The first instruction that failed, with what happened.
    failed: Option<(&'static str, Stop)>,
}

/// Makes the guest and tries everything. An error is that no guest can be made.
fn try_guest(kvm: &Kvm, deadline: Instant) -> Result<Findings, Stop> {
    let native = timing::picoseconds_per_iteration(|count| Ok(arch::run_natively(count)))?;
    let mut guest = arch::make_guest(kvm, deadline)?;
    let in_guest = timing::picoseconds_per_iteration(|count| guest.run_loop(count));
    let mut failed = None;
    if in_guest.is_ok() {
        for (number, name) in guest.steps().to_vec() {
            if let Err(stop) = guest.run_step(number) {
                failed = Some((name, stop));
                break;
            }
        }
    }
    Ok(Findings { native, guest: in_guest, failed })
}

/// The verdict over what was found.
fn judge(findings: Result<Findings, Stop>) -> KvmFacts {
    let Findings { native, guest, failed } = match findings {
        Ok(findings) => findings,
        Err(stop) => return broken(stop.to_string()),
    };
    let picoseconds = match guest {
        Ok(picoseconds) => picoseconds,
        Err(stop) => return broken(format!("a guest in a counted loop {stop}")),
    };
    let emulated = picoseconds > native.saturating_mul(EMULATED_FACTOR);
    match (failed, emulated) {
        (Some((name, stop)), false) => broken(format!("a guest at {name} {stop}")),
        (Some((name, stop)), true) => broken(format!(
            "guest code is emulated ({} times slower than the host's) and at {name} {stop}",
            picoseconds / native.max(1),
        )),
        (None, false) => KvmFacts::Executes { picoseconds_per_iteration: picoseconds },
        (None, true) => KvmFacts::Emulated { picoseconds_per_iteration: picoseconds },
    }
}

fn broken(reason: impl Into<String>) -> KvmFacts {
    KvmFacts::Broken { reason: reason.into() }
}

/// What it means that /dev/kvm cannot be opened.
fn absent(errno: i32) -> KvmFacts {
    let said = std::io::Error::from_raw_os_error(errno);
    let (reason, hint) = match errno {
        libc::ENOENT => ("there is no /dev/kvm".to_owned(), arch::ENABLE_HINT),
        libc::EACCES | libc::EPERM => (
            "no permission to use /dev/kvm".to_owned(),
            "run `sudo usermod -aG kvm $USER` and log in again, or use sudo",
        ),
        libc::ENODEV | libc::ENXIO => {
            ("/dev/kvm has no driver behind it".to_owned(), arch::ENABLE_HINT)
        }
        _ => (format!("/dev/kvm cannot be opened: {said}"), "look for KVM in `sudo dmesg`"),
    };
    KvmFacts::Absent { reason, hint: hint.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(guest: Result<u64, Stop>, failed: Option<(&'static str, Stop)>) -> KvmFacts {
        judge(Ok(Findings { native: 400, guest, failed }))
    }

    #[test]
    fn a_guest_without_end_is_taken_off_the_cpu() {
        let (Ok(kvm), begun) = (Kvm::new(), Instant::now()) else {
            #[expect(clippy::print_stderr, reason = "a skipped test says why")]
            {
                eprintln!("skipped: /dev/kvm cannot be opened");
            }
            return;
        };
        let soon = begun + Duration::from_millis(50);
        let ran = kick::run_until(soon, begun + Duration::from_secs(60), move || {
            arch::make_guest(&kvm, soon)?.run_loop(u32::MAX)
        });
        assert!(matches!(ran, Ran::Returned(Err(Stop::TimedOut))), "{ran:?}");
    }

    #[test]
    fn speed_decides_where_every_instruction_works() {
        let executes = KvmFacts::Executes { picoseconds_per_iteration: 8000 };
        assert_eq!(found(Ok(8000), None), executes);
        let emulated = KvmFacts::Emulated { picoseconds_per_iteration: 8001 };
        assert_eq!(found(Ok(8001), None), emulated);
    }

    #[test]
    fn a_guest_that_stops_is_broken_at_any_speed() {
        for speed in [400, 400_000] {
            let KvmFacts::Broken { reason } =
                found(Ok(speed), Some(("cmpxchg16b", Stop::Exit("InternalError".into()))))
            else {
                panic!("not broken");
            };
            assert!(reason.contains("cmpxchg16b") && reason.contains("InternalError"), "{reason}");
            assert_eq!(reason.contains("1000 times slower"), speed == 400_000, "{reason}");
        }
        assert!(matches!(found(Err(Stop::TimedOut), None), KvmFacts::Broken { .. }));
        assert!(matches!(judge(Err(Stop::TimedOut)), KvmFacts::Broken { .. }));
    }

    #[test]
    fn a_device_that_cannot_be_opened_comes_with_the_remedy() {
        for (errno, remedy) in
            [(libc::ENOENT, arch::ENABLE_HINT), (libc::EACCES, "usermod"), (libc::EIO, "dmesg")]
        {
            let KvmFacts::Absent { hint, .. } = absent(errno) else { panic!("not absent") };
            assert!(hint.contains(remedy), "{errno}: {hint}");
        }
    }
}
