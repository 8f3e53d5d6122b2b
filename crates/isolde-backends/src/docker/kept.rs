//! Images that the Engine keeps between runs: importing one of a few hundred
//! megabytes takes seconds, which not every command shall wait for.
//!
//! They carry no owner. Their tags say who uses them: one names the digest alone,
//! every other one a process. Whoever imports tags the image for itself first, so
//! two that do so at once do not meet; the second one's copy goes with its tag.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use bollard::query_parameters::{ListImagesOptionsBuilder, TagImageOptionsBuilder};
use isolde_model::Leak;

use super::engine::{CallError, Engine, Step};
use super::image::{REPOSITORY, Root, load, reference, remove};
use super::owner;
use crate::{BackendError, Swept};

/// Asking for an image and naming it are done within milliseconds; the daemon
/// may be on a device with an SD card.
const PATIENCE: Duration = Duration::from_secs(30);

const FIND: Step = Step { action: "look for the kept image", event: "the look for the kept image" };
const NAME: Step = Step { action: "name the kept image", event: "the naming of the kept image" };

/// Sees to it that the image of `root` is there under `tag`.
pub(super) fn ensure(engine: &Engine, root: Root<'_>, tag: &str) -> Result<(), BackendError> {
    if is_there(engine, root.digest)? {
        match name(engine, &reference(root.digest), tag) {
            // Somebody has removed it in between.
            Err(CallError::Refused(refusal)) if refusal.is_absent() => {}
            result => return result.map_err(|error| error.explain(NAME)),
        }
    }
    load(engine, root.archive, tag.to_owned(), owner::labels_of_kept(root.digest))?;
    name(engine, &reference(tag), root.digest).map_err(|error| error.explain(NAME))
}

/// Whether the image of that digest is kept. What only has its name is not it.
fn is_there(engine: &Engine, digest: &str) -> Result<bool, BackendError> {
    let (client, name) = (engine.client(), reference(digest));
    let found =
        engine.call(Instant::now() + PATIENCE, async move { client.inspect_image(&name).await });
    match found {
        Ok(image) => {
            let labels = image.config.and_then(|config| config.labels).unwrap_or_default();
            Ok(owner::kept_digest(&labels) == Some(digest))
        }
        Err(CallError::Refused(refusal)) if refusal.is_absent() => Ok(false),
        Err(error) => Err(error.explain(FIND)),
    }
}

fn name(engine: &Engine, image: &str, tag: &str) -> Result<(), CallError> {
    let options = TagImageOptionsBuilder::default().repo(REPOSITORY).tag(tag).build();
    let (client, image) = (engine.client(), image.to_owned());
    engine.call(
        Instant::now() + PATIENCE,
        async move { client.tag_image(&image, Some(options)).await },
    )
}

/// Removes the kept images that `is_meant` chooses by their digest, but for
/// those that a living process uses.
pub(super) fn sweep(
    engine: &Engine,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Swept, BackendError> {
    let filters = HashMap::from([("label".to_owned(), vec![owner::KEPT_DIGEST.to_owned()])]);
    let options = ListImagesOptionsBuilder::default().all(true).filters(&filters).build();
    let client = engine.client();
    let found = engine
        .call(Instant::now() + PATIENCE, async move { client.list_images(Some(options)).await })
        .map_err(|error| error.explain(FIND))?;
    let mut swept = Swept::default();
    for image in found {
        if !owner::kept_digest(&image.labels).is_some_and(&is_meant) {
            continue;
        }
        for name in removable(image.repo_tags, image.id) {
            match remove(engine, &name) {
                Ok(()) => swept.removed.push(Leak::new("image", name)),
                Err(leak) => swept.stayed.push(leak),
            }
        }
    }
    Ok(swept)
}

/// What to remove of an image with these names. While a living process uses it,
/// only the names of dead ones go: that process expects to find it again.
fn removable(names: Vec<String>, id: String) -> Vec<String> {
    // An image without a name is listed with this one, or with none.
    let mut names = names;
    names.retain(|name| name != "<none>:<none>");
    if names.is_empty() {
        return vec![id];
    }
    let is_used = names.iter().any(|name| is_in_use(name));
    // Names that somebody else has given it are not ours to take.
    names.retain(|name| {
        let is_ours = name.strip_prefix(REPOSITORY).is_some_and(|rest| rest.starts_with(':'));
        is_ours && !is_in_use(name) && (!is_used || user(name).is_some())
    });
    names
}

/// The process that an image was given this name for.
fn user(name: &str) -> Option<u32> {
    let tag = name.strip_prefix(REPOSITORY)?.strip_prefix(':')?;
    tag.rsplit_once('-')?.1.parse().ok()
}

fn is_in_use(name: &str) -> bool {
    user(name).is_some_and(|pid| Path::new("/proc").join(pid.to_string()).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_from_names() {
        assert_eq!(user("isolde-root:0123456789abcdef-17"), Some(17));
        assert_eq!(user("isolde-root:0123456789abcdef"), None);
        assert_eq!(user("other:x-17"), None);
        assert!(is_in_use(&format!("isolde-root:0-{}", std::process::id())));
        assert!(!is_in_use("isolde-root:0-99999999"));
    }

    #[test]
    fn what_is_in_use_keeps_its_name() {
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let left = |list: &[&str]| removable(names(list), "id".into());
        let living = format!("isolde-root:0-{}", std::process::id());
        let (kept, dead) = ("isolde-root:00", "isolde-root:0-99999999");
        assert_eq!(left(&[kept, dead, &living]), [dead]);
        assert_eq!(left(&[kept, dead, "mine:1"]), [kept, dead]);
        assert_eq!(left(&["<none>:<none>"]), ["id"]);
        assert_eq!(left(&["mine:1"]), [""; 0]);
    }
}
