//! What programs of the user's are called in tables.

use std::path::Path;

use isolde_model::ProgramSource;

use crate::exit::{Exit, tagged};

/// Characters of a name.
const LONGEST_NAME: usize = 40;

/// Whether `name` can be a program's.
///
/// # Errors
/// Wrong usage.
pub(crate) fn check_name(name: &str) -> anyhow::Result<String> {
    let wrong = |why: &str| Err(tagged(Exit::Usage, format!("the name `{name}` {why}")));
    if name.is_empty() || name.len() > LONGEST_NAME || plain(name) != name {
        return wrong("must be of a-z, 0-9 and `-`, at most 40 of them");
    }
    if isolde_apps::find(name).is_some() {
        return wrong("is that of an application of Isolde's own: choose another");
    }
    Ok(name.to_owned())
}

/// A name after the image or the command.
pub(crate) fn given_name(source: &ProgramSource) -> String {
    let of_image = source.image.as_ref().map(|image| {
        let last = image.reference.rsplit(['/', ' ']).next().unwrap_or_default();
        let bare = last.split('@').next().unwrap_or_default();
        // Of `dir:rootfs` the end, of `name:tag` the beginning.
        match bare.split_once(':') {
            Some((transport, rest)) if ["dir", "oci"].contains(&transport) => rest.to_owned(),
            Some((name, _tag)) => name.to_owned(),
            None => bare.to_owned(),
        }
    });
    let of_command = || {
        let name = source.command.first().map(Path::new).and_then(Path::file_name);
        name.map(|name| name.to_string_lossy().into_owned())
    };
    let name = plain(&of_image.or_else(of_command).unwrap_or_default());
    match name.as_str() {
        "" => "program".into(),
        own if isolde_apps::find(own).is_some() => match tag(source) {
            Some(tag) => plain(&format!("{own} {tag}")),
            None => format!("{own}-program"),
        },
        _ => name,
    }
}

/// The tag in an image's name, which tells an application from Isolde's own of the
/// same name, as in `isolde/road-sign:onnxruntime`.
fn tag(source: &ProgramSource) -> Option<&str> {
    let last = source.image.as_ref()?.reference.rsplit('/').next()?;
    last.split_once(':').map(|(_, tag)| tag).filter(|tag| !tag.is_empty())
}

/// `text` with nothing but a-z, 0-9 and single `-` within.
fn plain(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let joined: String = words.join("-").chars().take(LONGEST_NAME).collect();
    joined.trim_end_matches('-').to_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use isolde_model::{ImageSource, ReadySign};

    use super::*;

    pub(crate) fn source(image: Option<&str>, command: &[&str]) -> ProgramSource {
        ProgramSource {
            image: image.map(|name| ImageSource { reference: name.into(), id: String::new() }),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            files: Vec::new(),
            ready: ReadySign::Line,
            inferences: None,
        }
    }

    #[test]
    fn programs_are_called_after_what_they_are() {
        for (image, command, name) in [
            (Some("registry.example:5000/team/Detector_v2:latest"), "x", "detector-v2"),
            (Some("debian:12"), "x", "debian"),
            (Some("isolde/road-sign:onnxruntime"), "x", "road-sign-onnxruntime"),
            (Some("road-sign"), "x", "road-sign-program"),
            (Some("debian@sha256:0123"), "x", "debian"),
            (Some("dir:/srv/python-rootfs/"), "x", "program"),
            (Some("dir:rootfs"), "x", "rootfs"),
            (Some("./app.tar"), "x", "app-tar"),
            (None, "/opt/bin/Classify.sh", "classify-sh"),
            (None, "/opt/road-sign", "road-sign-program"),
        ] {
            assert_eq!(given_name(&source(image, &[command])), name);
        }
        assert!(check_name("my-net-2").is_ok());
        for name in ["", "My", "a--b", "-a", "road-sign", "ä"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
