//! The attachment to a container, bridged to two pipes, and its life from
//! start to end, as tasks on the worker thread.

use std::io::{PipeReader, PipeWriter, pipe};
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::sync::mpsc::{Receiver, Sender, channel};

use bollard::Docker as Client;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error as ApiError;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, StartContainerOptions, WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::unix::pipe as async_pipe;

use super::engine::Refusal;
use crate::supervise::Tail;
use crate::{BackendError, Ending, Line};

/// The container's ends of the line.
pub(super) struct FarEnds {
    to_host: PipeWriter,
    from_host: PipeReader,
}

/// Pipes, as the agent has where no daemon is in between: closing one end is
/// seen at the other, and a full one makes the writer wait.
pub(super) fn line() -> Result<(Line, FarEnds), BackendError> {
    let make = || std::io::Result::Ok((pipe()?, pipe()?));
    let ((reader, to_host), (from_host, writer)) =
        make().map_err(|source| BackendError::os("make the pipes of the line", source))?;
    Ok((Line { reader: reader.into(), writer: writer.into() }, FarEnds { to_host, from_host }))
}

/// What is heard of a container.
pub(super) struct News {
    /// That it runs: the Engine says so, or its first output is there, which
    /// may be earlier.
    pub(super) started: Receiver<Result<(), Refusal>>,
    /// Its end.
    pub(super) ended: Receiver<Result<Ending, Refusal>>,
}

/// Attaches to a container that was created, so that no byte is lost, and
/// starts it. Returns when attached; the rest is told through [`News`].
pub(super) async fn launch(
    client: Client,
    container: String,
    ends: FarEnds,
    errors: Tail,
) -> Result<News, ApiError> {
    let options = AttachContainerOptionsBuilder::default()
        .stream(true)
        .stdin(true)
        .stdout(true)
        .stderr(true)
        .build();
    let attached = client.attach_container(&container, Some(options)).await?;
    let to_host = async_pipe::Sender::from_owned_fd(OwnedFd::from(ends.to_host))?;
    let from_host = async_pipe::Receiver::from_owned_fd(OwnedFd::from(ends.from_host))?;
    let (tell_started, started) = channel();
    let (tell_ended, ended) = channel();
    tokio::spawn(bridge(attached, to_host, from_host, errors, tell_started.clone()));
    tokio::spawn(live(client, container, tell_started, tell_ended));
    Ok(News { started, ended })
}

/// Starts the container and waits for its end. Receivers may have gone away.
async fn live(
    client: Client,
    container: String,
    started: Sender<Result<(), Refusal>>,
    ended: Sender<Result<Ending, Refusal>>,
) {
    match client.start_container(&container, None::<StartContainerOptions>).await {
        Ok(()) => {
            let _ = started.send(Ok(()));
            let _ = ended.send(ending(&client, &container).await);
        }
        Err(error) => {
            // The start may count as done since the first output: whoever
            // waits for the end must hear of it too.
            let refusal = Refusal::from(error);
            let _ = started.send(Err(refusal.clone()));
            let _ = ended.send(Err(refusal));
        }
    }
}

/// The end of a container that was started, even if it has ended since.
async fn ending(client: &Client, container: &str) -> Result<Ending, Refusal> {
    let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
    let mut answers = pin!(client.wait_container(container, Some(options)));
    let code = match answers.next().await {
        Some(Ok(answer)) => answer.status_code,
        // The client library makes an error of every status but 0.
        Some(Err(ApiError::DockerContainerWaitError { error, code })) if error.is_empty() => code,
        Some(Err(error)) => return Err(error.into()),
        None => return Err(Refusal::Lost("the wait for the container was cut off".into())),
    };
    Ok(Ending::Exited(i32::try_from(code).unwrap_or(i32::MAX)))
}

/// Carries bytes both ways until the container's output ends.
async fn bridge(
    attached: AttachContainerResults,
    to_host: async_pipe::Sender,
    from_host: async_pipe::Receiver,
    errors: Tail,
    started: Sender<Result<(), Refusal>>,
) {
    let input = tokio::spawn(carry_input(from_host, attached.input));
    let mut output = attached.output;
    let (mut to_host, mut started) = (Some(to_host), Some(started));
    // One frame at a time: a slow reader makes the daemon and then the
    // container wait. An error means that the daemon is gone; the end of the
    // container tells so.
    while let Some(Ok(frame)) = output.next().await {
        match frame {
            LogOutput::StdOut { message } => {
                if let Some(started) = started.take() {
                    let _ = started.send(Ok(()));
                }
                if let Some(pipe) = &mut to_host
                    && pipe.write_all(&message).await.is_err()
                {
                    // Nobody reads any more. What comes is thrown away, lest
                    // the container hang in a write instead of ending.
                    to_host = None;
                }
            }
            LogOutput::StdErr { message } => errors.push(&message),
            LogOutput::StdIn { .. } | LogOutput::Console { .. } => {}
        }
    }
    input.abort();
}

/// Carries what the host writes; its end closes the container's standard input.
async fn carry_input(
    mut from_host: async_pipe::Receiver,
    mut to_container: Pin<Box<dyn AsyncWrite + Send>>,
) {
    // Failing means that the container's side is closed, which its end tells.
    let _ = tokio::io::copy(&mut from_host, &mut to_container).await;
    let _ = to_container.shutdown().await;
}
