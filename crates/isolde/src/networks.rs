//! The networks of reference size: written into the cache where they are absent,
//! and brought into sandboxes.

use std::path::{Path, PathBuf};

use isolde_apps::reference::{ReferenceNetwork, VERSION};
use isolde_apps::{Choice, NETWORKS_IN_SANDBOX, network_file};
use isolde_image::Store;
use isolde_runner::Provisions;

use crate::exit::{Exit, chain, tagged};
use crate::output::talk;

/// The file with the network of the application `name`, written now if it is not in
/// the cache.
///
/// # Errors
/// That it cannot be written.
pub(crate) fn have(store: &Store, network: ReferenceNetwork) -> anyhow::Result<PathBuf> {
    let name = network_file(network.name());
    let write = |out: &mut dyn std::io::Write| {
        talk(&format!("drawing the weights of {}:reference …", network.name()));
        isolde_apps::reference::write(network, out)
    };
    store.network(VERSION, &name, write).map_err(|error| {
        let text = format!("the network {name} cannot be made: {}", chain(&error.into()));
        tagged(Exit::Unwritten, text)
    })
}

/// The folder of the cache in which the networks that `choice` needs now are.
///
/// # Errors
/// That one cannot be written.
pub(crate) fn folder_for(store: &Store, choice: &Choice) -> anyhow::Result<PathBuf> {
    for network in needed(choice) {
        have(store, network)?;
    }
    Ok(store.networks(VERSION))
}

/// Puts the networks that the application needs, if any, into the root file system.
///
/// # Errors
/// That one cannot be written or read.
pub(crate) fn bring(provisions: &mut Provisions, application: &str) -> anyhow::Result<()> {
    let Ok(choice) = application.parse::<Choice>() else { return Ok(()) };
    for network in needed(&choice) {
        let file = have(provisions.store(), network)?;
        let name = network_file(network.name());
        let place = Path::new("/").join(NETWORKS_IN_SANDBOX).join(name);
        provisions.bring(&file, &place)?;
    }
    Ok(())
}

fn needed(choice: &Choice) -> impl Iterator<Item = ReferenceNetwork> {
    let names = match choice.size {
        isolde_apps::Size::Compact => &[],
        isolde_apps::Size::Reference => choice.description.networks,
    };
    ReferenceNetwork::ALL.into_iter().filter(|network| names.contains(&network.name()))
}
