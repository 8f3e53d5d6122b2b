//! What is said of a Firecracker behind its name: `firecracker:jailed`,
//! `firecracker:T2`, `firecracker:FILE.json`, or several, as in `firecracker:jailed:T2`.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::BackendError;

/// The static templates of CPUs that Firecracker knows (docs/cpu_templates of
/// Firecracker). Whether one applies to this CPU is its own answer.
const TEMPLATES: [&str; 6] = ["C3", "T2", "T2A", "T2CL", "T2S", "V1N1"];

/// The file name of a custom one ends with this, so that no mistyped word is taken for
/// a file.
const CUSTOM: &str = ".json";

/// Options of an environment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) jailed: bool,
    pub(super) template: Option<Template>,
}

/// Which CPU the guest sees.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Template {
    /// One that Firecracker knows.
    Static(String),
    /// One in a file of the user's.
    Custom(PathBuf),
}

impl Options {
    /// Out of what stands behind the name; `None` if it makes no sense.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut options = Self::default();
        for word in text.split(':') {
            match word {
                "jailed" if !options.jailed => options.jailed = true,
                _ if options.template.is_none() => options.template = Some(Template::of(word)?),
                _ => return None,
            }
        }
        Some(options)
    }
}

impl Template {
    fn of(word: &str) -> Option<Self> {
        if TEMPLATES.contains(&word) {
            return Some(Self::Static(word.to_owned()));
        }
        let is_file = word.len() > CUSTOM.len() && word.ends_with(CUSTOM);
        is_file.then(|| Self::Custom(word.into()))
    }

    /// In the form that Firecracker takes.
    pub(super) fn load(&self) -> Result<CpuTemplate, BackendError> {
        let path = match self {
            Self::Static(name) => return Ok(CpuTemplate::Static(name.clone())),
            Self::Custom(path) => path,
        };
        let text = fs::read_to_string(path)
            .map_err(|source| BackendError::file("read the CPU template", path, source))?;
        let template = serde_json::from_str(&text).map_err(|source| {
            BackendError::tool(format!("read the CPU template {}", path.display()), source)
        })?;
        Ok(CpuTemplate::Custom(template))
    }
}

/// A template as Firecracker takes it.
#[derive(Debug)]
pub(super) enum CpuTemplate {
    /// By its name.
    Static(String),
    /// As it is.
    Custom(Value),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_told_apart() {
        let parse = |text| Options::parse(text);
        let template = |jailed, template| Some(Options { jailed, template: Some(template) });
        assert_eq!(parse("jailed"), Some(Options { jailed: true, template: None }));
        assert_eq!(parse("T2S"), template(false, Template::Static("T2S".into())));
        assert_eq!(parse("T2:jailed"), template(true, Template::Static("T2".into())));
        let custom = Template::Custom("../cpus/mine.json".into());
        assert_eq!(parse("jailed:../cpus/mine.json"), template(true, custom));
        for wrong in ["", "t2", "jailed:jailed", "T2:C3", ".json", "mine.toml", "jailed:"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
