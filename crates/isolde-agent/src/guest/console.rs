//! Problems of a booting guest go to the kernel's log, which shows them on the
//! console, and boot goes on where it can.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write;

/// Reports a problem with all its causes.
pub(super) fn report(error: &dyn Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    // `<2>`, critical: shown in spite of `quiet` (see printk in proc(5)).
    let line = format!("<2>isolde: {text}\n");
    let log = OpenOptions::new().write(true).open("/dev/kmsg");
    if log.and_then(|mut log| log.write_all(line.as_bytes())).is_err() {
        // Before /dev is there, the console that the kernel opened for us is
        // the only way out; if that fails as well, nobody can be told.
        let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
    }
}
