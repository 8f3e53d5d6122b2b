//! `isolde app show`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use isolde_apps::{Choice, Size};
use isolde_model::SCHEMA_VERSION;
use serde::Serialize;

use super::args::ShowArguments;
use super::list::{Listed, pixels};
use crate::args::Format;
use crate::commands::image::{columns, size};
use crate::output::{print, print_json};

#[derive(Serialize)]
struct Shown {
    schema: u32,
    application: Application,
}

#[derive(Serialize)]
struct Application {
    #[serde(flatten)]
    listed: Listed,
    /// Tasks of an inference; empty where it is one.
    tasks: &'static [&'static str],
    /// What the number that stands for an answer is.
    answer: &'static str,
    /// Largest difference of an output value between machines.
    output_tolerance: f32,
    /// The facts of the compact network's model card.
    card: BTreeMap<String, String>,
    /// Bundled inputs with the number that each must give in compact size.
    expected: Vec<Expected>,
}

#[derive(Serialize)]
struct Expected {
    input: &'static str,
    label: u32,
}

const MEANINGLESS: &str = "
This size has the topology and the cost of the study's network; its weights are drawn
from a seed, so its predictions mean nothing.
";

/// Prints all that is known of an application.
pub(super) fn run(arguments: &ShowArguments) -> anyhow::Result<ExitCode> {
    let choice = arguments.application;
    let description = choice.description;
    let card = description.card.map(facts).unwrap_or_default();
    let expected = description.input_names().into_iter().zip(description.expected_labels());
    let application = Application {
        listed: Listed::of(description)?,
        tasks: description.tasks,
        answer: description.answer,
        output_tolerance: description.output_tolerance,
        card: card.iter().cloned().collect(),
        expected: expected.map(|(input, label)| Expected { input, label }).collect(),
    };
    match arguments.output.format {
        Format::Text => print(&text(choice, &application, &card))?,
        Format::Json => print_json(&Shown { schema: SCHEMA_VERSION, application })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(choice: Choice, application: &Application, card: &[(String, String)]) -> String {
    let listed = &application.listed;
    let mut facts = vec![
        ("does", listed.summary.to_owned()),
        ("network", listed.network.to_owned()),
        ("input", pixels(listed.compact_input_px)),
        ("inputs", format!("{} bundled pictures", listed.inputs)),
        (
            "compact",
            format!("{} parameters, {}", listed.compact_parameters, size(listed.compact_bytes)),
        ),
        (
            "reference",
            format!(
                "{} parameters, input {}",
                listed.reference_parameters,
                pixels(listed.reference_input_px)
            ),
        ),
        ("number", application.answer.to_owned()),
        ("tolerance", format!("{} between machines", application.output_tolerance)),
    ];
    if !application.tasks.is_empty() {
        facts.push(("tasks", application.tasks.join(", ")));
    }
    let rows = facts.into_iter().map(|(name, value)| vec![name.to_owned(), value]);
    let mut text = format!("{choice}\n{}", columns(&rows.collect::<Vec<_>>()));
    if choice.size == Size::Reference {
        return text + MEANINGLESS;
    }
    if !card.is_empty() {
        let rows: Vec<_> =
            card.iter().map(|(name, value)| vec![name.clone(), value.clone()]).collect();
        text += &format!("\nmodel card\n{}", columns(&rows));
    }
    let expected = application.expected.iter();
    let rows = expected.map(|expected| vec![expected.input.to_owned(), expected.label.to_string()]);
    text + &format!("\nnumber of each input\n{}", columns(&rows.collect::<Vec<_>>()))
}

/// Name and value in each row of a model card's first table.
fn facts(card: &str) -> Vec<(String, String)> {
    card.lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| {
            let (name, value) = line.trim_matches('|').split_once('|')?;
            let plain = |cell: &str| cell.trim().replace('`', "");
            Some((plain(name), plain(value)))
        })
        .filter(|(name, _)| !name.is_empty() && !name.starts_with("--"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_table_of_a_card_is_its_facts() {
        let card = "# Card\n\ntext | no\n\n| | |\n|---|---|\n| File | `x.onnx` |\n| a | b, c |\n\n\
            | A | B |\n|--:|---|\n| 1 | 2 |\n";
        let expected = [("File", "x.onnx"), ("a", "b, c")];
        assert_eq!(facts(card), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
