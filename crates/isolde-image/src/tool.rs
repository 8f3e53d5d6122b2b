//! Running tools of the distribution, by a deadline.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::ImageError;

/// A tool and the Debian package that brings it.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Name of its executable.
    pub name: &'static str,
    /// The package.
    pub package: &'static str,
}

/// What tools say of a full disk (`ENOSPC` in the C locale).
pub(crate) const NO_SPACE: &str = "No space left on device";

/// What is kept of each of a tool's outputs.
const OUTPUT_LIMIT: u64 = 1 << 20;

impl Tool {
    /// Where it is: in `PATH`, or where administrators' tools are, which the
    /// `PATH` of ordinary users lacks.
    ///
    /// # Errors
    /// That it is not installed.
    pub fn find(self) -> Result<PathBuf, ImageError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/sbin".into()])
            .map(|folder| folder.join(self.name))
            .find(|candidate| candidate.is_file())
            .ok_or(ImageError::ToolMissing { tool: self.name, package: self.package })
    }

    /// Runs it in `folder` with the C locale and gives its standard output.
    pub(crate) fn run<A: AsRef<OsStr>>(
        self,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &str)],
        folder: &Path,
        limit: Duration,
    ) -> Result<String, ImageError> {
        let failed = |said: String| ImageError::ToolFailed { tool: self.name, said };
        let mut child = self.spawn(arguments, environment, folder)?;
        let output = child.0.stdout.take().map(collect);
        let errors = child.0.stderr.take().map(collect);
        let ended =
            wait(&mut child.0, Instant::now() + limit).map_err(|e| failed(e.to_string()))?;
        let Some(status) = ended else {
            return Err(failed(format!("it did not end within {} s", limit.as_secs())));
        };
        let text = |thread: Option<JoinHandle<Vec<u8>>>| {
            let bytes = thread.and_then(|thread| thread.join().ok()).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let (output, errors) = (text(output), text(errors));
        if status.success() {
            return Ok(output);
        }
        let last = errors.lines().rfind(|line| !line.trim().is_empty());
        Err(failed(last.map_or_else(|| status.to_string(), |line| line.trim().to_owned())))
    }
}

impl Tool {
    /// Runs it in `folder` and gives every line that it says to `watch`, which may
    /// have it stopped with all that it started.
    ///
    /// # Errors
    /// That it is not installed, failed, did not end in time or was stopped.
    pub fn follow<A: AsRef<OsStr>>(
        self,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &str)],
        folder: &Path,
        limit: Duration,
        watch: &mut Watch<'_>,
    ) -> Result<(), ImageError> {
        /// Of its last lines, in which the reason for a failure stands.
        const KEPT: usize = 40;
        const LOOK: Duration = Duration::from_millis(100);
        let failed = |said: String| ImageError::ToolFailed { tool: self.name, said };
        let deadline = Instant::now() + limit;
        let mut child = self.spawn(arguments, environment, folder)?;
        let (sender, lines) = sync_channel(64);
        if let Some(stdout) = child.0.stdout.take() {
            follow_lines(stdout, sender.clone());
        }
        if let Some(stderr) = child.0.stderr.take() {
            follow_lines(stderr, sender);
        }
        let mut last = VecDeque::new();
        loop {
            if (watch.stopped)() {
                return Err(ImageError::Interrupted);
            }
            if Instant::now() >= deadline {
                return Err(failed(format!("it did not end within {} s", limit.as_secs())));
            }
            match lines.recv_timeout(LOOK) {
                Ok(line) => {
                    (watch.progress)(&line);
                    last.push_back(line);
                    if last.len() > KEPT {
                        last.pop_front();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // Both its outputs are closed, so it has ended or is about to.
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let status = wait(&mut child.0, deadline).map_err(|error| failed(error.to_string()))?;
        match status {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(failed(reason(&last).unwrap_or_else(|| status.to_string()))),
            None => Err(failed(format!("it did not end within {} s", limit.as_secs()))),
        }
    }

    fn spawn<A: AsRef<OsStr>>(
        self,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &str)],
        folder: &Path,
    ) -> Result<Guard, ImageError> {
        let mut command = Command::new(self.find()?);
        command
            .args(arguments)
            .env("LC_ALL", "C")
            .envs(environment.iter().copied())
            .current_dir(folder)
            // Out of the reach of a terminal's Ctrl-C: whether to stop is for
            // this program to say, and a tool that it kills looks like a failed one.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let spawned = command.spawn();
        let failed = |error: std::io::Error| ImageError::ToolFailed {
            tool: self.name,
            said: error.to_string(),
        };
        spawned.map(Guard).map_err(failed)
    }
}

/// The line that says why: the first with a compiler's `error:`, or that begins as
/// those of apt and mmdebstrap or of pip; else the last.
fn reason(lines: &VecDeque<String>) -> Option<String> {
    let says_why = |line: &&String| {
        line.contains("error:") || line.starts_with("E: ") || line.starts_with("ERROR: ")
    };
    // Of which every tool makes words of its own afterwards.
    let full = lines.iter().find(|line| line.contains(NO_SPACE));
    let error = full.or_else(|| lines.iter().find(says_why));
    error.or_else(|| lines.iter().rfind(|line| !line.trim().is_empty())).cloned()
}

/// Who watches a tool that takes minutes.
pub struct Watch<'a> {
    /// Is told every line that it says.
    pub progress: &'a mut dyn FnMut(&str),
    /// Asked ten times a second whether to stop.
    pub stopped: &'a dyn Fn() -> bool,
}

/// A child that does not outlive its guard, nor do those that it started.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // Once it is waited for, its id may be another's.
        if let Ok(None) = self.0.try_wait() {
            let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

/// Gives every line of a stream, without its end and cut to a bound, to `lines`.
fn follow_lines(stream: impl Read + Send + 'static, lines: SyncSender<String>) {
    const LONGEST: u64 = 4096;
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while let Ok(1..) = stream.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if lines.send(text).is_err() {
                break;
            }
            line.clear();
        }
    });
}

/// Reads a stream to its end, so that the tool never blocks, and keeps the start.
fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        let _ = stream.by_ref().take(OUTPUT_LIMIT).read_to_end(&mut kept);
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        kept
    })
}

/// The child's status, or `None` when `deadline` passes first.
fn wait(child: &mut Child, deadline: Instant) -> std::io::Result<Option<std::process::ExitStatus>> {
    let pidfd = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: Tool = Tool { name: "sh", package: "dash" };

    fn shell(script: &str, limit: Duration) -> Result<String, ImageError> {
        SHELL.run(["-c", script], &[], Path::new("/"), limit)
    }

    #[test]
    fn output_failure_and_deadline() {
        let minute = Duration::from_secs(60);
        assert_eq!(shell("echo yes; echo no >&2", minute).unwrap(), "yes\n");
        let failed = shell("echo first >&2; echo why >&2; exit 3", minute).unwrap_err();
        assert_eq!(failed.to_string(), "sh failed: why");
        let late = shell("exec sleep 60", Duration::from_millis(20)).unwrap_err();
        assert!(late.to_string().contains("did not end"), "{late}");
    }

    #[test]
    fn of_many_lines_the_first_that_says_why_is_the_reason() {
        let follow = |script: &str| {
            let mut watch = Watch { progress: &mut |_| {}, stopped: &|| false };
            let minute = Duration::from_secs(60);
            let failed = SHELL.follow(["-c", script], &[], Path::new("/"), minute, &mut watch);
            failed.unwrap_err().to_string()
        };
        let apt = "echo I: running; echo E: Failed to fetch x; echo E: mmdebstrap failed; exit 1";
        assert_eq!(follow(apt), "sh failed: E: Failed to fetch x");
        assert_eq!(follow("echo ERROR: no wheel; echo bye; exit 1"), "sh failed: ERROR: no wheel");
        assert_eq!(follow("echo one; echo two; exit 1"), "sh failed: two");
        let full = "echo E: tar; echo tar: x: No space left on device; echo E: failed; exit 1";
        assert_eq!(follow(full), "sh failed: tar: x: No space left on device");
    }

    #[test]
    fn a_missing_tool_names_its_package() {
        let tool = Tool { name: "no-such-tool", package: "some-package" };
        let error = tool.run([""], &[], Path::new("/"), Duration::ZERO).unwrap_err();
        assert!(error.to_string().ends_with("apt-get install --yes some-package"), "{error}");
    }
}
