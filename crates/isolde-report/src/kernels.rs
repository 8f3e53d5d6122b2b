//! The guest kernels that are there, as text.

use isolde_model::{Bootable, KernelReport};

use crate::fit::page;
use crate::{Style, printable};

/// Lays out what each kernel can boot, best first.
#[must_use]
pub fn render_kernels(kernels: &[KernelReport], style: Style) -> String {
    page(&kernels.iter().flat_map(|report| kernel(report, style)).collect::<Vec<_>>())
}

fn kernel(report: &KernelReport, style: Style) -> Vec<String> {
    let name = printable(report.release.as_deref().unwrap_or(&report.image));
    let origin = printable(&report.origin);
    let more = |text: String| format!("  {:<28}{text}", "");
    if let Some(problem) = &report.problem {
        let word = style.red("of no use");
        return vec![format!("  {name:<28}{word}  {origin}"), more(printable(problem))];
    }
    let (can, cannot): (Vec<&Bootable>, Vec<&Bootable>) =
        report.environments.iter().partition(|bootable| bootable.lacks.is_empty());
    let names = |bootables: &[&Bootable]| {
        let names = bootables.iter().map(|bootable| printable(bootable.environment.as_str()));
        names.collect::<Vec<_>>().join(", ")
    };
    let word = match (can.is_empty(), report.environments.is_empty()) {
        (true, false) => style.yellow("boots nothing here"),
        (_, true) => "no environment boots a kernel".to_owned(),
        (false, _) => style.green(&format!("boots {}", names(&can))),
    };
    let kind = if report.modular { "with modules" } else { "all built in" };
    let mut lines = vec![format!("  {name:<28}{word}  {origin}, {kind}")];
    lines.extend(report.default.iter().map(|why| more(format!("default: {}", printable(why)))));
    lines.extend(cannot.iter().map(|bootable| {
        let (name, machine) = (printable(bootable.environment.as_str()), &bootable.machine_type);
        let lacks = printable(&bootable.lacks.join(", "));
        more(format!("not {name} ({}): {lacks}", printable(machine)))
    }));
    lines
}
