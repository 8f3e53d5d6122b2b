//! `isolde app check`.

use std::process::ExitCode;

use isolde_apps::{Checked, Choice, Size, Threads};
use isolde_model::SCHEMA_VERSION;
use serde::Serialize;

use super::args::CheckArguments;
use super::networks_folder;
use crate::args::Format;
use crate::commands::image::columns;
use crate::exit::{Exit, chain};
use crate::output::{print, print_json, talk};

/// Problems of one application that are told in words.
const TOLD_PROBLEMS: usize = 5;

#[derive(Serialize)]
struct Listing {
    schema: u32,
    applications: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    application: String,
    ok: bool,
    inputs: u32,
    /// Absent in reference size, where numbers mean nothing.
    labels_right: Option<u32>,
    /// Output values that were compared with another engine's.
    compared_values: u32,
    largest_difference: Option<f32>,
    /// Absent where nothing is compared.
    tolerance: Option<f32>,
    problems: Vec<String>,
}

/// Runs applications and prints what came of it.
pub(super) fn run(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let mut choices = arguments.applications.clone();
    if choices.is_empty() {
        let compact = |description| Choice { description, size: Size::Compact };
        choices = isolde_apps::all().iter().map(compact).collect();
    }
    let networks = networks_folder(&choices, &arguments.networks)?;
    let threads = Threads::new(1);
    let check = |choice: &Choice| {
        let checked = isolde_apps::check(choice, &networks, &threads);
        listed(choice, checked.map_err(|error| chain(&error.into())))
    };
    let applications: Vec<Listed> = choices.iter().map(check).collect();
    let all_right = applications.iter().all(|listed| listed.ok);
    match arguments.output.format {
        Format::Text => {
            print(&text(&applications))?;
            tell_problems(&applications);
        }
        Format::Json => print_json(&Listing { schema: SCHEMA_VERSION, applications })?,
    }
    Ok(if all_right { ExitCode::SUCCESS } else { Exit::TrialsFailed.into() })
}

fn listed(choice: &Choice, checked: Result<Checked, String>) -> Listed {
    let checked =
        checked.unwrap_or_else(|problem| Checked { problems: vec![problem], ..Checked::default() });
    Listed {
        application: choice.to_string(),
        ok: checked.problems.is_empty(),
        inputs: checked.inputs,
        labels_right: checked.labels_right,
        compared_values: checked.values,
        tolerance: checked.largest_difference.map(|_| checked.tolerance),
        largest_difference: checked.largest_difference,
        problems: checked.problems,
    }
}

fn text(applications: &[Listed]) -> String {
    let header = ["application", "inputs", "right", "largest difference", "tolerance", ""];
    let or = |text: Option<String>| text.unwrap_or_else(|| "–".into());
    let mut rows = vec![header.map(String::from).to_vec()];
    rows.extend(applications.iter().map(|listed| {
        vec![
            listed.application.clone(),
            listed.inputs.to_string(),
            or(listed.labels_right.map(|right| right.to_string())),
            or(listed.largest_difference.map(|difference| format!("{difference:.1e}"))),
            or(listed.tolerance.map(|tolerance| tolerance.to_string())),
            match (listed.ok, listed.labels_right) {
                (true, Some(_)) => "ok".into(),
                (true, None) => "ok: outputs are finite; its predictions mean nothing".into(),
                (false, _) => "FAILED".into(),
            },
        ]
    }));
    columns(&rows)
}

fn tell_problems(applications: &[Listed]) {
    for listed in applications {
        for problem in listed.problems.iter().take(TOLD_PROBLEMS) {
            talk(&format!("{}: {}", listed.application, isolde_report::printable(problem)));
        }
        let more = listed.problems.len().saturating_sub(TOLD_PROBLEMS);
        if more > 0 {
            talk(&format!("{}: and {more} more", listed.application));
        }
    }
}
