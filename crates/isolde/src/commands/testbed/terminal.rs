//! This host's terminal as the terminal of a device.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use isolde_runner::Interrupt;
use isolde_testbed::{Size, Window};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::consts::SIGWINCH;
use signal_hook::iterator::Signals;

/// Ctrl-], which ends the device whatever its state, as it ends telnet.
const ESCAPE: u8 = 0x1d;

/// Every key goes to the device as it is typed, until this is dropped.
pub(super) struct RawTerminal(Termios);

impl RawTerminal {
    pub(super) fn set() -> io::Result<Self> {
        let before = tcgetattr(stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Flush, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &self.0);
    }
}

/// The terminal's size now; that of a VT100 where it tells none.
pub(super) fn size() -> Size {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_row > 0 && size.ws_col > 0 => {
            Size { rows: size.ws_row, columns: size.ws_col }
        }
        _ => Size { rows: 24, columns: 80 },
    }
}

/// Tells the device of every change of the size, from a thread of its own.
pub(super) fn follow_size(mut window: Window) -> io::Result<()> {
    let mut signals = Signals::new([SIGWINCH])?;
    let follow = move || {
        for _ in signals.forever() {
            if window.resize(size()).is_err() {
                break;
            }
        }
    };
    std::thread::Builder::new().spawn(follow).map(drop)
}

/// Carries bytes both ways until the device is gone.
pub(super) fn relay(stream: UnixStream, interrupt: Interrupt) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().spawn(move || {
        // However it ends, it has ended.
        let _ = carry(&stream, &interrupt);
    })
}

fn carry(mut stream: &UnixStream, interrupt: &Interrupt) -> io::Result<()> {
    let mut chunk = vec![0; 16 << 10];
    loop {
        let mut watched =
            [PollFd::new(&stream, PollFlags::IN), PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
        match poll(&mut watched, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let [from_device, from_user] = watched.map(|watched| !watched.revents().is_empty());
        if from_device {
            let length = stream.read(&mut chunk)?;
            if length == 0 {
                return Ok(());
            }
            let mut stdout = io::stdout().lock();
            stdout.write_all(&chunk[..length])?;
            stdout.flush()?;
        }
        if from_user {
            let length = rustix::io::read(stdin(), &mut chunk[..])?;
            let typed = &chunk[..length];
            // The end of the input is the terminal's end.
            if length == 0 || typed.contains(&ESCAPE) {
                interrupt.trigger();
                return Ok(());
            }
            stream.write_all(typed)?;
        }
    }
}
