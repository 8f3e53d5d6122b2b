//! Images of the local Docker Engine, by its API: it writes the archive that
//! `docker save` would.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as ApiError;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::{ImageName, Intake, IntakeError, Progress, Taken, archive};
use crate::{Image, ImageError};

/// Where the Engine listens unless `DOCKER_HOST` says otherwise.
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The library's own limit, in seconds, far beyond those below.
const CLIENT_LIMIT_S: u64 = 24 * 3600;

/// How long the Engine may take to answer a question. systemd may have to start
/// it first.
const ANSWER: Duration = Duration::from_secs(30);

/// How long it may be silent while it packs an image: it reads layers from disk
/// before the first byte comes.
const SILENCE: Duration = Duration::from_secs(120);

/// How long a wish to stop may go unnoticed.
const LOOK: Duration = Duration::from_millis(200);

/// Takes the image `name` from the Engine of this host.
pub(super) fn take(intake: &Intake<'_>, name: &ImageName) -> Result<Taken, ImageError> {
    let socket = socket()?;
    let lost = |why: String| IntakeError::Unreachable {
        action: format!("ask the Docker Engine at {} for {name}", socket.display()),
        why,
    };
    if !socket.exists() {
        return Err(lost("no Docker Engine runs here".into()).into());
    }
    intake.report(Progress::Asked { place: "the local Docker Engine" });
    let runtime = Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(|error| lost(error.to_string()))?;
    let (client, id) = runtime.block_on(find(&socket, name)).map_err(|failure| match failure {
        Failure::Absent => IntakeError::NotFound {
            name: name.to_string(),
            tried: format!("the Docker Engine at {} has none", socket.display()),
        },
        Failure::Lost(why) => lost(why),
    })?;
    let origin = format!("docker-daemon:{name}");
    if let Some(taken) = known(intake, &id, name, &origin)? {
        return Ok(taken);
    }
    let familiar = name.to_string();
    let stream = Export {
        intake,
        chunks: client.export_image(&familiar).boxed(),
        chunk: Bytes::new(),
        runtime,
    };
    let what = format!("the image {name} of the Docker Engine");
    let mut taken = archive::take_stream(intake, stream, &what, None, origin)?;
    if taken.names.is_empty() {
        taken.names.push(name.clone());
    }
    Ok(taken)
}

/// The image of this id, if it is in the cache already.
fn known(
    intake: &Intake<'_>,
    id: &str,
    name: &ImageName,
    origin: &str,
) -> Result<Option<Taken>, ImageError> {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    let found = intake.store.images().into_iter().find(|image| image.id == digits);
    let Some(image) = found.filter(|image| intake.is_whole(&image.layers)) else {
        return Ok(None);
    };
    let platform = image.platform.parse()?;
    intake.check_platform(origin, &platform)?;
    // Those that it has already stay with it.
    let (names, origin) = (vec![name.clone()], origin.to_owned());
    let Image { id, manifest, config, layers, .. } = image;
    Ok(Some(Taken { id, names, manifest, platform, config, layers, origin }))
}

enum Failure {
    Absent,
    Lost(String),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::DockerResponseServerError { status_code: 404, .. } => Self::Absent,
            other => Self::Lost(innermost(&other)),
        }
    }
}

async fn find(socket: &Path, name: &ImageName) -> Result<(Docker, String), Failure> {
    let address = socket.to_string_lossy();
    let client = Docker::connect_with_unix(&address, CLIENT_LIMIT_S, bollard::API_DEFAULT_VERSION)?;
    let ask = async {
        let client = client.negotiate_version().await?;
        let found = client.inspect_image(&name.to_string()).await?;
        Ok::<_, ApiError>((client, found.id.unwrap_or_default()))
    };
    match timeout(ANSWER, ask).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::Lost("no answer in time".into())),
    }
}

/// The archive as it comes.
struct Export<'a> {
    intake: &'a Intake<'a>,
    chunks: BoxStream<'a, Result<Bytes, ApiError>>,
    chunk: Bytes,
    runtime: Runtime,
}

impl Read for Export<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut waited = Duration::ZERO;
        while self.chunk.is_empty() {
            self.intake.go_on().map_err(io::Error::other)?;
            let chunks = &mut self.chunks;
            match self.runtime.block_on(async { timeout(LOOK, chunks.next()).await }) {
                Ok(None) => return Ok(0),
                Ok(Some(Ok(chunk))) => self.chunk = chunk,
                Ok(Some(Err(error))) => return Err(io::Error::other(innermost(&error))),
                Err(_) if waited < SILENCE => waited += LOOK,
                Err(_) => return Err(io::Error::other("the Docker Engine has become silent")),
            }
        }
        let length = buffer.len().min(self.chunk.len());
        buffer[..length].copy_from_slice(&self.chunk.split_to(length));
        Ok(length)
    }
}

/// The socket that `DOCKER_HOST` names.
fn socket() -> Result<PathBuf, IntakeError> {
    let Ok(host) = std::env::var("DOCKER_HOST") else { return Ok(DEFAULT_SOCKET.into()) };
    match host.strip_prefix("unix://") {
        _ if host.is_empty() => Ok(DEFAULT_SOCKET.into()),
        Some(path) if !path.is_empty() => Ok(path.into()),
        _ => Err(IntakeError::Unreachable {
            action: "ask the Docker Engine".into(),
            why: format!("DOCKER_HOST={host} is not a socket of this host"),
        }),
    }
}

/// The last cause of an error: the layers of an HTTP client above it say nothing.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
