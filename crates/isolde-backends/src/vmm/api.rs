//! The control API of a VMM: HTTP over a Unix socket, JSON in the bodies.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::port::{Folder, NotConnected};
use crate::BackendError;
use crate::supervise::Supervised;

/// A VMM answers in a few kilobytes.
const MOST_ANSWER: usize = 1 << 20;

/// Between two looks for a socket that the VMM is about to make.
const PAUSE: Duration = Duration::from_micros(200);

/// A connection to a VMM's API, without threads of its own.
#[derive(Debug)]
pub(crate) struct Api {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
}

/// Why a call was not answered as it should be.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The VMM refused, with its words.
    Refused(StatusCode, String),
    /// The deadline passed.
    TimedOut,
    /// The connection broke: the VMM has ended, or is about to.
    Broken(String),
}

impl CallError {
    /// As a failure to do `action`; `what` is that as an event.
    pub(crate) fn explain(self, action: impl Into<String>, what: &'static str) -> BackendError {
        match self {
            Self::Refused(status, words) if words.is_empty() => {
                BackendError::tool(action, format!("it answered {status}"))
            }
            Self::Refused(_, words) => BackendError::tool(action, words),
            Self::TimedOut => BackendError::TimedOut { what },
            Self::Broken(words) => BackendError::tool(action, words),
        }
    }
}

impl Api {
    /// Connects to the socket `name`, which the VMM is about to make in `folder`.
    pub(crate) fn connect(
        folder: &Folder,
        name: &str,
        vmm: &mut Supervised,
        deadline: Instant,
    ) -> Result<Self, NotConnected> {
        loop {
            match folder.connect(name) {
                Ok(stream) => return Self::over(stream).map_err(NotConnected::Failed),
                Err(error) if is_not_there_yet(&error) => {}
                Err(error) => {
                    let error = BackendError::os(format!("connect to the socket {name}"), error);
                    return Err(NotConnected::Failed(error));
                }
            }
            if let Some(ending) = vmm.ended() {
                return Err(NotConnected::Ended(ending));
            }
            if Instant::now() >= deadline {
                return Err(NotConnected::TimedOut);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Speaks over `stream`, which a VMM is about to accept, or has accepted.
    pub(crate) fn over(stream: std::os::unix::net::UnixStream) -> Result<Self, BackendError> {
        let failed = |error| BackendError::os("speak with the VMM", error);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        stream.set_nonblocking(true).map_err(failed)?;
        let sender = runtime.block_on(async {
            let stream = TokioIo::new(tokio::net::UnixStream::from_std(stream)?);
            let (sender, connection) = handshake(stream).await.map_err(io::Error::other)?;
            // Driven by whoever waits for an answer.
            tokio::spawn(connection);
            Ok(sender)
        });
        Ok(Self { sender: sender.map_err(failed)?, runtime })
    }

    /// `PUT`s, `PATCH`es or `GET`s and gives the answer's body.
    pub(crate) fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        deadline: Instant,
    ) -> Result<String, CallError> {
        let broken = |error: &dyn std::error::Error| CallError::Broken(error.to_string());
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| broken(&error))?;
        let Self { runtime, sender } = self;
        let (status, body) = runtime.block_on(async {
            let exchange = async {
                sender.ready().await.map_err(|error| broken(&error))?;
                let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
                let status = answer.status();
                let body = Limited::new(answer.into_body(), MOST_ANSWER).collect().await;
                let body = body.map_err(|error| CallError::Broken(error.to_string()))?;
                Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
            };
            let deadline = tokio::time::Instant::from_std(deadline);
            tokio::time::timeout_at(deadline, exchange).await.map_err(|_| CallError::TimedOut)?
        })?;
        if status.is_success() { Ok(body) } else { Err(CallError::Refused(status, body)) }
    }
}

/// The socket has no name yet, or nobody listens on it yet.
fn is_not_there_yet(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::process::Command;
    use std::thread::JoinHandle;

    /// Answers each request of one connection with the next of `answers`; gives the
    /// requests' first lines and bodies. After the last it hangs up.
    fn serve(folder: &Folder, answers: Vec<&'static str>) -> JoinHandle<Vec<(String, String)>> {
        let listener = folder.listen("api").unwrap();
        std::thread::spawn(move || {
            let mut child = Supervised::spawn(Command::new("sleep").arg("60")).unwrap();
            let late = Instant::now() + Duration::from_secs(30);
            let mut stream = listener.accept(&mut child, late).unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut seen = Vec::new();
            for answer in answers {
                let (mut lines, mut length) = (Vec::new(), 0);
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if line.trim().is_empty() {
                        break;
                    }
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    lines.push(line.trim().to_owned());
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                seen.push((lines[0].clone(), String::from_utf8(body).unwrap()));
                stream.write_all(answer.as_bytes()).unwrap();
            }
            seen
        })
    }

    /// A folder, removed with the first value.
    fn place() -> (tempfile::TempDir, Folder) {
        let path = tempfile::tempdir().unwrap();
        let folder = Folder::open(path.path()).unwrap();
        (path, folder)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn answers_refusals_and_hang_ups_are_told_apart() {
        let (_path, folder) = place();
        let answers = vec![
            "HTTP/1.1 204 \r\nServer: a VMM\r\nConnection: keep-alive\r\n\r\n",
            "HTTP/1.1 400 \r\nContent-Length: 17\r\n\r\n{\"fault\":\"no no\"}",
        ];
        let server = serve(&folder, answers);
        let mut vmm = Supervised::spawn(Command::new("sleep").arg("60")).unwrap();
        let mut api = Api::connect(&folder, "api", &mut vmm, soon()).unwrap();
        let body = serde_json::json!({"vcpu_count": 2});
        assert_eq!(api.call(Method::PUT, "/machine", Some(&body), soon()).unwrap(), "");
        let refused = api.call(Method::PUT, "/machine", Some(&body), soon()).unwrap_err();
        assert!(matches!(&refused, CallError::Refused(_, words) if words.contains("no no")));
        let seen = server.join().unwrap();
        assert_eq!(seen[0], ("PUT /machine HTTP/1.1".to_owned(), body.to_string()));
        let gone = api.call(Method::GET, "/", None, soon()).unwrap_err();
        assert!(matches!(gone, CallError::Broken(_)), "{gone:?}");
    }

    #[test]
    fn a_vmm_that_says_nothing_or_is_gone_ends_the_wait() {
        let (_path, folder) = place();
        let mut vmm = Supervised::spawn(Command::new("true").arg("x")).unwrap();
        let gone = Api::connect(&folder, "api", &mut vmm, soon()).unwrap_err();
        assert!(matches!(gone, NotConnected::Ended(_)), "{gone:?}");
        let mut vmm = Supervised::spawn(Command::new("sleep").arg("60")).unwrap();
        let at_once = Instant::now() + Duration::from_millis(20);
        let late = Api::connect(&folder, "api", &mut vmm, at_once).unwrap_err();
        assert!(matches!(late, NotConnected::TimedOut), "{late:?}");
        // It listens, but nobody answers.
        let _listener = folder.listen("api").unwrap();
        let mut api = Api::connect(&folder, "api", &mut vmm, soon()).unwrap();
        let at_once = Instant::now() + Duration::from_millis(20);
        let silent = api.call(Method::GET, "/", None, at_once).unwrap_err();
        assert!(matches!(silent, CallError::TimedOut), "{silent:?}");
    }
}
