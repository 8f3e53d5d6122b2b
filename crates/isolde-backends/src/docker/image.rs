//! Root file systems as images in the Engine.
//!
//! Each Isolde process uses a tag of its own, `isolde-root:<digest>-<pid>`, and
//! removes just that: two at once never pull an image from under each other. A
//! small root is imported by each process. One with a whole image in it is kept
//! between runs by a second tag, `isolde-root:<whole digest>`: the next process
//! finds it and only puts its own tag beside it, which says that it is in use.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::Docker as Client;
use bollard::errors::Error as ApiError;
use bollard::query_parameters::{CreateImageOptionsBuilder, RemoveImageOptions};
use futures_util::{StreamExt, stream};
use isolde_model::Leak;

use super::engine::{CallError, Engine, Step};
use super::{kept, owner};
use crate::BackendError;

pub(super) const REPOSITORY: &str = "isolde-root";

/// An import writes the whole tree, perhaps to an SD card.
const IMPORT_PATIENCE: Duration = Duration::from_secs(300);
const REMOVE_PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of the archive that are read at once.
const CHUNK: usize = 256 * 1024;

const IMPORT: Step =
    Step { action: "import the root file system", event: "the import of the root file system" };

/// Images that this process uses: references by digest.
#[derive(Debug, Default)]
pub(super) struct Images(Mutex<HashMap<String, String>>);

/// A root file system to be made an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Root<'a> {
    pub(super) archive: &'a Path,
    /// SHA-256 of its content in hex.
    pub(super) digest: &'a str,
    /// Whether the Engine shall keep it for the next run.
    pub(super) keep: bool,
}

impl Images {
    /// The reference of the image of this root, imported now if need be.
    pub(super) fn ensure(&self, engine: &Engine, root: Root<'_>) -> Result<String, BackendError> {
        // Held during the import, so that two sandboxes do not both do it.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reference) = known.get(root.digest) {
            return Ok(reference.clone());
        }
        let short: String = root.digest.chars().take(16).collect();
        let tag = format!("{short}-{}", std::process::id());
        let reference = reference(&tag);
        match root.keep {
            true => kept::ensure(engine, root, &tag)?,
            false => load(engine, root.archive, tag, owner::labels())?,
        }
        known.insert(root.digest.to_owned(), reference.clone());
        Ok(reference)
    }

    /// Forgets an image that somebody else has removed.
    pub(super) fn forget(&self, digest: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
    }

    /// Removes the tags of this process, and with them the images that nobody
    /// keeps; reports what stayed.
    pub(super) fn remove(&self, engine: &Engine) -> Vec<Leak> {
        let known = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        known.into_values().filter_map(|reference| remove(engine, &reference).err()).collect()
    }
}

/// The name of an image with this tag.
pub(super) fn reference(tag: &str) -> String {
    format!("{REPOSITORY}:{tag}")
}

/// Imports an archive under `tag`.
pub(super) fn load(
    engine: &Engine,
    archive: &Path,
    tag: String,
    labels: HashMap<String, String>,
) -> Result<(), BackendError> {
    let file = File::open(archive).map_err(|source| BackendError::file("open", archive, source))?;
    let deadline = Instant::now() + IMPORT_PATIENCE;
    engine
        .call(deadline, import(engine.client(), file, tag, labels))
        .map_err(|error| error.explain(IMPORT))
}

async fn import(
    client: Client,
    archive: File,
    tag: String,
    labels: HashMap<String, String>,
) -> Result<(), ApiError> {
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let options = CreateImageOptionsBuilder::default()
        .from_src("-")
        .repo(REPOSITORY)
        .tag(&tag)
        .changes(vec![format!("LABEL {}", labels.join(" "))])
        .build();
    let chunks = stream::iter(std::iter::from_fn({
        let mut archive = archive;
        move || read_chunk(&mut archive).transpose()
    }));
    let body = bollard::body_try_stream(chunks.map(|chunk| chunk.map(Into::into)));
    let mut progress = std::pin::pin!(client.create_image(Some(options), Some(body), None));
    while let Some(step) = progress.next().await {
        step?;
    }
    Ok(())
}

fn read_chunk(archive: &mut File) -> std::io::Result<Option<Vec<u8>>> {
    let mut chunk = Vec::with_capacity(CHUNK);
    archive.take(CHUNK as u64).read_to_end(&mut chunk)?;
    Ok((!chunk.is_empty()).then_some(chunk))
}

/// Removes one image; that it is gone already is fine.
pub(super) fn remove(engine: &Engine, reference: &str) -> Result<(), Leak> {
    let (client, name) = (engine.client(), reference.to_owned());
    let answer = engine.call(Instant::now() + REMOVE_PATIENCE, async move {
        client.remove_image(&name, None::<RemoveImageOptions>, None).await
    });
    let why = match answer {
        Ok(_) => return Ok(()),
        Err(CallError::Refused(refusal)) if refusal.is_absent() => return Ok(()),
        Err(CallError::Refused(refusal)) => refusal.to_string(),
        Err(CallError::TimedOut) => "no answer in time".to_owned(),
    };
    Err(Leak::new("image", format!("{reference}: {why}")))
}
