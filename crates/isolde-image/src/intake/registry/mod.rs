//! Pulling from a registry (OCI distribution specification 1.1).

mod auth;
mod blob;
mod http;
mod resolver;

use std::io::Read;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use ureq::http::Response;
use ureq::{Agent, Body};

use self::auth::Challenge;
use self::blob::Download;
use super::digest::Digest;
use super::document::{self, Document};
use super::oci::{self, Blobs, Root};
use super::{ImageName, Intake, IntakeError, Progress, Taken};
use crate::ImageError;

/// Manifests and indexes that are understood.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// Pauses before a request is made again that may then succeed.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// How long a wish to stop may go unnoticed.
const LOOK: Duration = Duration::from_millis(200);

/// Pulls the image `name`.
pub(super) fn take(intake: &Intake<'_>, name: &ImageName) -> Result<Taken, ImageError> {
    let registry = Registry::open(intake, name)?;
    let agent = registry.agent.clone();
    thread::scope(|scope| {
        let (done, finished) = channel::<()>();
        // A connection on which nothing comes is closed under whoever waits.
        scope.spawn(move || {
            while finished.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                if (intake.cancelled)() {
                    return agent.shutdown();
                }
            }
        });
        let taken = pull(intake, &registry);
        drop(done);
        taken
    })
}

fn pull(intake: &Intake<'_>, registry: &Registry<'_>) -> Result<Taken, ImageError> {
    let name = registry.name;
    let place = registry.place();
    intake.report(Progress::Asked { place: &place });
    let what = format!("the manifest of {name}");
    let (bytes, told) = registry.manifest_of(&name.version(), &what)?;
    let digest = Digest::of(&Sha256::digest(&bytes));
    // What it is pulled by counts; a registry's own word is checked as well.
    let told = told.and_then(|told| told.parse().ok());
    if let Some(expected) = name.digest().cloned().or(told) {
        document::verify(&bytes, &expected, &what)?;
    }
    let root = Root { document: Document::parse(&bytes, &what)?, digest };
    oci::take(intake, registry, root, vec![name.clone()], format!("docker://{name}"))
}

/// A repository of a registry.
struct Registry<'a> {
    intake: &'a Intake<'a>,
    name: &'a ImageName,
    agent: Agent,
    /// With scheme, host and port.
    base: String,
    /// The header `Authorization`, once it was asked for.
    authorization: Mutex<Option<String>>,
}

impl<'a> Registry<'a> {
    /// Without encryption only if the registry is this very host and does not
    /// speak it.
    fn open(intake: &'a Intake<'a>, name: &'a ImageName) -> Result<Self, ImageError> {
        let (host, encrypted) = (name.host(), !name.is_loopback());
        let agent = http::agent(encrypted);
        let probe = || agent.get(format!("https://{host}/v2/")).call();
        let speaks = encrypted
            || probe().map_or_else(|error| http::is_certificate(&error.to_string()), |_| true);
        intake.go_on()?;
        let scheme = if speaks { "https" } else { "http" };
        let (base, authorization) = (format!("{scheme}://{host}"), Mutex::new(None));
        Ok(Self { intake, name, agent, base, authorization })
    }

    /// The answer to `GET`, after authentication where the registry wants it.
    /// `offset` asks for the bytes from there on.
    fn get(&self, path: &str, accept: &str, offset: u64) -> Result<Response<Body>, ImageError> {
        let mut pauses = PAUSES.iter();
        let mut asked = false;
        loop {
            self.intake.go_on()?;
            let answer = self.send(path, accept, offset);
            let transient = match &answer {
                Ok(response) => http::is_busy(response.status().as_u16()),
                Err(error) => http::is_transient(error),
            };
            if transient && let Some(pause) = pauses.next() {
                tracing::debug!(path, "asking the registry again");
                self.pause(*pause)?;
                continue;
            }
            let response = answer.map_err(|error| self.lost(http::why(&error)))?;
            if response.status() != 401 {
                return Ok(response);
            }
            if std::mem::replace(&mut asked, true) {
                return Err(auth::denied(&self.place(), "it refuses us", self.name).into());
            }
            self.authenticate(&response)?;
        }
    }

    fn send(&self, path: &str, accept: &str, offset: u64) -> Result<Response<Body>, ureq::Error> {
        let url = format!("{}/v2/{}/{path}", self.base, self.name.repository());
        let mut request = self.agent.get(url).header("Accept", accept);
        if offset > 0 {
            request = request.header("Range", format!("bytes={offset}-"));
        }
        let authorization = self.authorization.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(authorization) = authorization.as_ref() {
            request = request.header("Authorization", authorization);
        }
        drop(authorization);
        request.call()
    }

    fn authenticate(&self, refusal: &Response<Body>) -> Result<(), ImageError> {
        let headers = refusal.headers().get_all("www-authenticate");
        let challenge = headers
            .iter()
            .filter_map(|header| header.to_str().ok())
            .find_map(Challenge::parse)
            .ok_or_else(|| self.lost("it wants a kind of log-in that is not known".into()))?;
        let answer = auth::answer(&self.agent, self.name, &challenge, &self.place())?;
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        Ok(())
    }

    /// The manifest of a tag or a digest, and the digest that the registry
    /// tells.
    fn manifest_of(
        &self,
        version: &str,
        what: &str,
    ) -> Result<(Vec<u8>, Option<String>), ImageError> {
        let response = self.get(&format!("manifests/{version}"), ACCEPT, 0)?;
        let status = response.status().as_u16();
        match status {
            200 => {}
            404 => {
                let tried = format!("{} has none", self.place());
                return Err(IntakeError::NotFound { name: self.name.to_string(), tried }.into());
            }
            // Docker Hub says so of what does not exist.
            401 | 403 => {
                return Err(auth::denied(&self.place(), "it refuses us", self.name).into());
            }
            429 => {
                let why = "it has had too many requests from here";
                return Err(auth::denied(&self.place(), why, self.name).into());
            }
            other => return Err(self.lost(format!("it answers {other}")).into()),
        }
        let header = response.headers().get("docker-content-digest");
        let told = header.and_then(|header| header.to_str().ok()).map(str::to_owned);
        Ok((document::read(response.into_body().into_reader(), what)?, told))
    }

    fn pause(&self, length: Duration) -> Result<(), ImageError> {
        let mut left = length;
        while !left.is_zero() {
            self.intake.go_on()?;
            let step = left.min(LOOK);
            thread::sleep(step);
            left -= step;
        }
        Ok(())
    }

    fn lost(&self, why: String) -> IntakeError {
        IntakeError::Unreachable { action: format!("pull {} from {}", self.name, self.base), why }
    }
}

impl Blobs for Registry<'_> {
    fn place(&self) -> String {
        format!("the registry {}", self.name.registry())
    }

    fn manifest(&self, digest: &Digest, what: &str) -> Result<Vec<u8>, ImageError> {
        Ok(self.manifest_of(&digest.to_string(), what)?.0)
    }

    fn open(
        &self,
        digest: &Digest,
        bytes: Option<u64>,
        what: &str,
    ) -> Result<Box<dyn Read + Send + '_>, ImageError> {
        Ok(Box::new(Download::start(self, digest, bytes, what)?))
    }
}
