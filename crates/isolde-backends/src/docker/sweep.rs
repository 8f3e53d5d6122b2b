//! Takes away what an Isolde that was killed has left in the Engine.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use bollard::query_parameters::{ListContainersOptionsBuilder, ListImagesOptionsBuilder};
use isolde_model::Leak;

use super::engine::{Engine, Step};
use super::facts::CgroupDriver;
use super::{image, kept, open, owner, place};
use crate::{BackendError, Swept, cgroup};

const LIST_PATIENCE: Duration = Duration::from_secs(20);
const REMOVE_PATIENCE: Duration = Duration::from_secs(20);

const LIST: Step =
    Step { action: "list containers and images", event: "the listing of containers and images" };

/// Removes containers and images that an Isolde made and whose process is dead,
/// and images kept between runs that none uses.
/// Those of a running Isolde, and all that is not labelled, stay untouched.
///
/// # Errors
/// That there is no usable Engine, or that it does not list what it has.
pub(super) fn sweep() -> Result<Swept, BackendError> {
    let engine = open()?;
    let mut swept = Swept::default();
    for (container, sandbox) in containers(&engine)? {
        let answer = super::sandbox::remove(&engine, &container, Instant::now() + REMOVE_PATIENCE);
        match answer {
            Ok(()) => swept.removed.push(Leak::new("container", container)),
            Err(why) => swept.stayed.push(Leak::new("container", format!("{container}: {why}"))),
        }
        if engine.facts().driver == CgroupDriver::Systemd
            && let Some(id) = sandbox
        {
            let hierarchy = cgroup::host_hierarchy()?;
            swept.stayed.extend(place::stop_slice(&hierarchy, &place::slice_name(&id)));
        }
    }
    if engine.facts().driver == CgroupDriver::Systemd {
        sweep_slices(&mut swept)?;
    }
    for id in images(&engine)? {
        match image::remove(&engine, &id) {
            Ok(()) => swept.removed.push(Leak::new("image", id)),
            Err(leak) => swept.stayed.push(leak),
        }
    }
    let kept = kept::sweep(&engine, |_| true)?;
    swept.removed.extend(kept.removed);
    swept.stayed.extend(kept.stayed);
    Ok(swept)
}

/// Slices of dead owners whose containers somebody else has removed.
fn sweep_slices(swept: &mut Swept) -> Result<(), BackendError> {
    let hierarchy = cgroup::host_hierarchy()?;
    let mut slices = hierarchy.children("");
    slices.retain(|name| {
        place::slice_owner(name).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    });
    for slice in slices {
        match place::stop_slice(&hierarchy, &slice) {
            None => swept.removed.push(Leak::new("slice", slice)),
            Some(leak) => swept.stayed.push(leak),
        }
    }
    Ok(())
}

fn marked() -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![format!("{}=1", owner::MARK)])])
}

/// Ids of containers whose owner is dead, with the ids of their sandboxes.
fn containers(engine: &Engine) -> Result<Vec<(String, Option<String>)>, BackendError> {
    let options = ListContainersOptionsBuilder::default().all(true).filters(&marked()).build();
    let client = engine.client();
    let found = engine
        .call(
            Instant::now() + LIST_PATIENCE,
            async move { client.list_containers(Some(options)).await },
        )
        .map_err(|error| error.explain(LIST))?;
    let of_the_dead = found
        .into_iter()
        .filter_map(|container| Some((container.id?, container.labels?)))
        .filter(|(_, labels)| owner::is_dead(labels))
        .map(|(container, labels)| (container, labels.get(owner::ID).cloned()));
    Ok(of_the_dead.collect())
}

/// Ids of images whose owner is dead.
fn images(engine: &Engine) -> Result<Vec<String>, BackendError> {
    let options = ListImagesOptionsBuilder::default().all(true).filters(&marked()).build();
    let client = engine.client();
    let found = engine
        .call(
            Instant::now() + LIST_PATIENCE,
            async move { client.list_images(Some(options)).await },
        )
        .map_err(|error| error.explain(LIST))?;
    Ok(found.into_iter().filter(|image| owner::is_dead(&image.labels)).map(|i| i.id).collect())
}
