//! `isolde image export`.

use std::process::ExitCode;

use isolde_agent::inside::account_of;
use isolde_image::{Account, ImageError, bring_image, export_image};

use super::args::ExportArguments;
use super::told;
use crate::exit::{Exit, ExitContext};
use crate::resolve;

/// Writes an image in a form of its own.
pub(super) fn run(arguments: &ExportArguments) -> anyhow::Result<ExitCode> {
    let ExportArguments { reference, form, out } = arguments;
    let store = resolve::store()?;
    let _hold = told(store.hold())?;
    let image = told(bring_image(&store, reference))?;
    let account = |passwd: &str, group: &str| {
        let found = account_of(&image.config.user, passwd, group)?;
        Ok(Account { uid: found.uid, gid: found.gid, groups: found.groups })
    };
    match export_image(&store, &image, *form, out, &account) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // A place that cannot be written to was asked for.
        Err(error @ ImageError::File { .. }) => Err(error).exit_with(Exit::Usage),
        Err(error) => told(Err(error)),
    }
}
