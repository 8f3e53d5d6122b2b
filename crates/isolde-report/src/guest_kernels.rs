//! Which kernels the launches ran on: the host's, or a guest's own.

use isolde_model::TrialRecord;

use crate::figures::{Row, SeenKernel};
use crate::{Style, printable};

/// What the launches of one row saw; `None` where none told.
pub(crate) fn seen<'a>(records: impl Iterator<Item = &'a TrialRecord>) -> Option<SeenKernel> {
    let mut releases: Vec<&str> = Vec::new();
    let mut own = false;
    for inside in records.filter_map(|record| record.inside.as_ref()) {
        own |= inside.own_kernel_memory;
        if !releases.contains(&inside.kernel.as_str()) {
            releases.push(&inside.kernel);
        }
    }
    (!releases.is_empty()).then(|| SeenKernel { release: releases.join(", "), own })
}

/// One line for each guest kernel, with the environments that booted it and whether
/// it is the host's version.
pub(crate) fn lines(rows: &[Row], host: &str, style: Style) -> Vec<String> {
    let mut kernels: Vec<(&str, Vec<String>)> = Vec::new();
    for row in rows {
        let Some(kernel) = row.kernel.as_ref().filter(|kernel| kernel.own) else { continue };
        let name = printable(&row.environment);
        match kernels.iter_mut().find(|(release, _)| *release == kernel.release) {
            Some((_, names)) if names.contains(&name) => {}
            Some((_, names)) => names.push(name),
            None => kernels.push((&kernel.release, vec![name])),
        }
    }
    let line = |(release, names): (&str, Vec<String>)| {
        let verdict = match release == host {
            true => "the host's version".to_owned(),
            false => style.yellow("not the host's version"),
        };
        format!("        Guests: Linux {} in {}, {verdict}", printable(release), names.join(", "))
    };
    kernels.into_iter().map(line).collect()
}
