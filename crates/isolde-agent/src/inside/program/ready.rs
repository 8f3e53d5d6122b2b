//! Looking whether a port of the sandbox's loopback answers.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use isolde_model::ReadySign;

/// Between two looks: how exactly the end of a cold start is known. A refused
/// connection to the loopback takes some 20 µs of CPU time.
const PAUSE: Duration = Duration::from_millis(2);
/// How long one look may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of an HTTP answer that are read: its first line is at the start.
const LONGEST_STATUS: usize = 64;

/// A look-out in a thread of its own, which ends with this value.
pub(super) struct Lookout {
    seen: OwnedFd,
    over: Arc<AtomicBool>,
}

impl Lookout {
    /// Begins to look for `sign`; `None` where that is no port.
    pub(super) fn begin(sign: &ReadySign) -> io::Result<Option<Self>> {
        if matches!(sign, ReadySign::Line) {
            return Ok(None);
        }
        let (seen, tell) = io::pipe()?;
        let over = Arc::new(AtomicBool::new(false));
        let (sign, stop) = (sign.clone(), Arc::clone(&over));
        std::thread::Builder::new().spawn(move || {
            let tell = tell;
            while !stop.load(Ordering::Relaxed) {
                if answers(&sign) {
                    // Nobody listens any more where this fails.
                    let _ = (&tell).write_all(b"!");
                    return;
                }
                std::thread::sleep(PAUSE);
            }
        })?;
        Ok(Some(Self { seen: seen.into(), over }))
    }

    /// Readable once the sign was seen.
    pub(super) const fn descriptor(&self) -> &OwnedFd {
        &self.seen
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Whether the port shows its sign now.
pub(super) fn answers(sign: &ReadySign) -> bool {
    match sign {
        ReadySign::Line => false,
        ReadySign::Tcp(port) => connect(*port).is_ok(),
        ReadySign::Http { port, path } => {
            connect(*port).and_then(|stream| get(stream, path)).is_ok_and(|status| status < 400)
        }
    }
}

/// Whether something listens at the sign's port already, before the program runs.
pub(super) fn is_taken(sign: &ReadySign) -> Option<u16> {
    let port = match sign {
        ReadySign::Line => return None,
        ReadySign::Tcp(port) | ReadySign::Http { port, .. } => *port,
    };
    connect(port).is_ok().then_some(port)
}

fn connect(port: u16) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), PATIENCE)
}

/// The status of an HTTP answer (RFC 9112, section 4).
fn get(mut stream: TcpStream, path: &str) -> io::Result<u16> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let deadline = Instant::now() + PATIENCE;
    let mut answer = Vec::new();
    while answer.len() < LONGEST_STATUS && !answer.contains(&b'\n') {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut chunk = [0; LONGEST_STATUS];
        match stream.read(&mut chunk)? {
            0 => break,
            length => answer.extend_from_slice(&chunk[..length]),
        }
    }
    status(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn status(answer: &[u8]) -> Option<u16> {
    let rest = answer.strip_prefix(b"HTTP/1.")?;
    let digits = rest.get(2..5).filter(|_| rest.get(1) == Some(&b' '))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_status_is_read_of_its_line_alone() {
        assert_eq!(status(b"HTTP/1.1 204 No Content\r\n"), Some(204));
        assert_eq!(status(b"HTTP/1.0 503\r\n"), Some(503));
        for garbage in [&b""[..], b"HTTP/1.1", b"HTTP/2 200", b"SSH-2.0-x", b"HTTP/1.1 2\xff0"] {
            assert_eq!(status(garbage), None);
        }
    }

    #[test]
    fn a_port_is_seen_when_it_opens_and_http_when_it_answers_well() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(answers(&ReadySign::Tcp(port)));
        assert_eq!(is_taken(&ReadySign::Tcp(port)), Some(port));
        let server = std::thread::spawn(move || {
            // The two looks above are in the queue.
            for (number, stream) in listener.incoming().enumerate().take(4) {
                let mut stream = stream.unwrap();
                let answer = ["", "", "HTTP/1.1 503 Busy\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"];
                let mut request = [0; 512];
                if number >= 2 {
                    assert!(stream.read(&mut request).unwrap() > 0);
                    stream.write_all(answer[number].as_bytes()).unwrap();
                }
            }
        });
        let sign = ReadySign::Http { port, path: "/health".into() };
        assert!(!answers(&sign));
        let lookout = Lookout::begin(&sign).unwrap().unwrap();
        let mut seen = std::fs::File::from(lookout.descriptor().try_clone().unwrap());
        assert_eq!(seen.read(&mut [0; 2]).unwrap(), 1);
        server.join().unwrap();
        assert!(!answers(&sign));
    }
}
