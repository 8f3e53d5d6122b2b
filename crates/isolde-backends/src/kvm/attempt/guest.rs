//! A guest that does what the host asks for through three places that nothing
//! stands behind: I/O ports or addresses without memory, whichever the
//! architecture has.

use std::time::{Duration, Instant};

use kvm_ioctls::{VcpuExit, VcpuFd, VmFd};

use super::memory::GuestMemory;

/// Reading here asks the host what to do: 0 for the loop, else a step's number.
pub(super) const STEP: u64 = 0;
/// Reading here asks the host for the loop's count: its time begins.
pub(super) const COUNT: u64 = 4;
/// Writing here says that it is done, 0 where the result was right.
pub(super) const DONE: u64 = 8;

/// Why a guest did not do what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stop {
    /// The kernel refused to make or run it.
    #[error("cannot {action}: {cause}")]
    Refused {
        /// What was attempted.
        action: &'static str,
        /// Its answer.
        cause: String,
    },
    /// An exit that the guest's code does not ask for.
    #[error("ended unexpectedly: {0}")]
    Exit(String),
    /// An instruction gave a wrong result.
    #[error("computed a wrong result")]
    WrongResult,
    /// It took too long.
    #[error("did not end in time")]
    TimedOut,
}

impl Stop {
    /// For `map_err`: the kernel refused to do `action`.
    pub(super) fn refused<E: std::fmt::Display>(action: &'static str) -> impl FnOnce(E) -> Self {
        move |cause| Self::Refused { action, cause: cause.to_string() }
    }
}

/// A virtual machine with the probe's program in it. The order of the fields is
/// the order of their end: memory goes last.
pub(super) struct Guest {
    vcpu: VcpuFd,
    _vm: VmFd,
    _memory: GuestMemory,
    marks: u64,
    steps: Vec<(u32, &'static str)>,
    deadline: Instant,
}

impl Guest {
    /// A guest whose first instruction is that of the probe's program. Its
    /// places begin at port or address `marks`; `steps` are those that this
    /// CPU has.
    pub(super) fn new(
        (vcpu, vm, memory): (VcpuFd, VmFd, GuestMemory),
        marks: u64,
        steps: Vec<(u32, &'static str)>,
        deadline: Instant,
    ) -> Self {
        Self { vcpu, _vm: vm, _memory: memory, marks, steps, deadline }
    }

    /// Numbers and names of the instructions that can be tried.
    pub(super) fn steps(&self) -> &[(u32, &'static str)] {
        &self.steps
    }

    /// Runs the loop `count` times and gives the time from the answer to the
    /// guest's question for the count to the guest's report.
    pub(super) fn run_loop(&mut self, count: u32) -> Result<Duration, Stop> {
        self.answer(STEP, 0)?;
        self.answer(COUNT, count)?;
        let begun = Instant::now();
        let result = self.await_report()?;
        let taken = begun.elapsed();
        if result == 0 { Ok(taken) } else { Err(Stop::WrongResult) }
    }

    /// Tries one instruction.
    pub(super) fn run_step(&mut self, number: u32) -> Result<(), Stop> {
        self.answer(STEP, number)?;
        if self.await_report()? == 0 { Ok(()) } else { Err(Stop::WrongResult) }
    }

    /// Runs the guest until it reads from `place` and lays `answer` out for it.
    fn answer(&mut self, place: u64, answer: u32) -> Result<(), Stop> {
        let expected = self.marks + place;
        self.run(|exit| match exit {
            VcpuExit::IoIn(port, data) if u64::from(port) == expected => fill(data, answer),
            VcpuExit::MmioRead(address, data) if address == expected => fill(data, answer),
            other => Err(unexpected(&other)),
        })
    }

    /// Runs the guest until it reports and gives what it reported.
    fn await_report(&mut self) -> Result<u32, Stop> {
        let expected = self.marks + DONE;
        self.run(|exit| match exit {
            VcpuExit::IoOut(port, data) if u64::from(port) == expected => number(data),
            VcpuExit::MmioWrite(address, data) if address == expected => number(data),
            other => Err(unexpected(&other)),
        })
    }

    /// Runs the guest until its next exit that is not a mere interruption.
    fn run<T>(&mut self, on_exit: impl FnOnce(VcpuExit<'_>) -> Result<T, Stop>) -> Result<T, Stop> {
        loop {
            if Instant::now() >= self.deadline {
                return Err(Stop::TimedOut);
            }
            match self.vcpu.run() {
                Ok(VcpuExit::Intr) => {}
                Ok(exit) => return on_exit(exit),
                Err(error) if [libc::EINTR, libc::EAGAIN].contains(&error.errno()) => {}
                Err(error) => return Err(Stop::refused("run a virtual CPU")(error)),
            }
        }
    }
}

fn fill(data: &mut [u8], answer: u32) -> Result<(), Stop> {
    let bytes = answer.to_le_bytes();
    let length = data.len();
    let wrong = || Stop::Exit(format!("a read of {length} bytes instead of 4"));
    data.first_chunk_mut()
        .filter(|_| length == bytes.len())
        .map(|place| *place = bytes)
        .ok_or_else(wrong)
}

fn number(data: &[u8]) -> Result<u32, Stop> {
    let wrong = |_| Stop::Exit(format!("a write of {} bytes instead of 4", data.len()));
    <[u8; 4]>::try_from(data).map(u32::from_le_bytes).map_err(wrong)
}

fn unexpected(exit: &VcpuExit<'_>) -> Stop {
    Stop::Exit(match exit {
        // Seen where the kernel interprets the guest and does not know an instruction.
        VcpuExit::InternalError => "KVM gave up on it (internal error)".into(),
        // Without a handler, as here, every exception ends in a triple fault.
        VcpuExit::Shutdown => "an exception shut it down".into(),
        VcpuExit::FailEntry(reason, _) => {
            format!("the CPU refused to enter it (reason {reason:#x})")
        }
        other => format!("{other:?}"),
    })
}
