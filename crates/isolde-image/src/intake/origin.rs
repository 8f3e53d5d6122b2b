//! Where an image is to be taken from, in the words of the user.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{ImageName, IntakeError};

/// Where an image is. The words before the colon are those of
/// containers-transports(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageOrigin {
    /// `docker://NAME`: a registry.
    Registry(ImageName),
    /// `docker-daemon:NAME`: the local Docker Engine.
    Engine(ImageName),
    /// `docker-archive:PATH[:NAME]`, `oci-archive:PATH[:NAME]`: a file, packed
    /// as a whole or not. Its content tells which of both it is.
    Archive {
        /// The file.
        path: PathBuf,
        /// Which of its images.
        image: Option<String>,
    },
    /// `oci:PATH[:NAME]`: a layout folder.
    Layout {
        /// The folder.
        path: PathBuf,
        /// Which of its images.
        image: Option<String>,
    },
    /// `dir:PATH`: an unpacked root file system.
    Folder(PathBuf),
    /// `-`: an archive on standard input.
    Stdin,
    /// A path: a file is an archive; a folder is a layout if it says so, or else
    /// a root file system.
    Path(PathBuf),
    /// A name: of the local Engine or else of a registry.
    Name(ImageName),
}

impl FromStr for ImageOrigin {
    type Err = IntakeError;

    /// A text without a transport is a path if it looks like one or there is
    /// something of this name.
    fn from_str(text: &str) -> Result<Self, IntakeError> {
        if text.is_empty() || text.contains('\0') {
            return Err(IntakeError::reference(text, "it is empty or no text"));
        }
        if text == "-" {
            return Ok(Self::Stdin);
        }
        let known = text.split_once(':');
        match known {
            Some(("docker", rest)) if rest.starts_with("//") => {
                return Ok(Self::Registry(rest.trim_start_matches('/').parse()?));
            }
            Some(("docker-daemon", rest)) => return Ok(Self::Engine(rest.parse()?)),
            Some(("docker-archive" | "oci-archive", rest)) => {
                let (path, image) = path_and_image(text, rest)?;
                return Ok(Self::Archive { path, image });
            }
            Some(("oci", rest)) => {
                let (path, image) = path_and_image(text, rest)?;
                return Ok(Self::Layout { path, image });
            }
            Some(("dir", rest)) => return Ok(Self::Folder(path_and_image(text, rest)?.0)),
            Some((other, rest)) if rest.starts_with("//") => {
                let why = format!(
                    "`{other}://` is not known: write docker://, docker-daemon:, \
                     docker-archive:, oci-archive:, oci: or dir:"
                );
                return Err(IntakeError::reference(text, why));
            }
            _ => {}
        }
        let is_path = ["/", "./", "../"].iter().any(|start| text.starts_with(start));
        if is_path || matches!(text, "." | "..") || Path::new(text).exists() {
            return Ok(Self::Path(text.into()));
        }
        text.parse().map(Self::Name)
    }
}

/// `PATH[:NAME]`; a path that exists may itself have colons.
fn path_and_image(text: &str, rest: &str) -> Result<(PathBuf, Option<String>), IntakeError> {
    let (path, image) = match rest.split_once(':') {
        Some((path, image)) if !Path::new(rest).exists() => (path, Some(image.to_owned())),
        _ => (rest, None),
    };
    if path.is_empty() || image.as_ref().is_some_and(String::is_empty) {
        return Err(IntakeError::reference(text, "a path must follow the colon"));
    }
    Ok((path.into(), image))
}

impl fmt::Display for ImageOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of =
            |image: &Option<String>| image.as_ref().map(|i| format!(":{i}")).unwrap_or_default();
        match self {
            Self::Registry(name) => write!(f, "docker://{name}"),
            Self::Engine(name) => write!(f, "docker-daemon:{name}"),
            Self::Archive { path, image } => write!(f, "{}{}", path.display(), of(image)),
            Self::Layout { path, image } => write!(f, "oci:{}{}", path.display(), of(image)),
            Self::Folder(path) => write!(f, "dir:{}", path.display()),
            Self::Stdin => f.write_str("standard input"),
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::Name(name) => write!(f, "{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports_paths_and_names_are_told_apart() {
        let origin = |text: &str| text.parse::<ImageOrigin>().unwrap();
        assert!(matches!(origin("docker://debian"), ImageOrigin::Registry(_)));
        assert!(matches!(origin("docker-daemon:debian:12"), ImageOrigin::Engine(_)));
        assert!(matches!(origin("debian:12"), ImageOrigin::Name(_)));
        assert!(matches!(origin("localhost:5000/x"), ImageOrigin::Name(_)));
        assert_eq!(origin("-"), ImageOrigin::Stdin);
        assert_eq!(origin("/etc"), ImageOrigin::Path("/etc".into()));
        assert_eq!(origin("./absent"), ImageOrigin::Path("./absent".into()));
        assert_eq!(origin("dir:/x"), ImageOrigin::Folder("/x".into()));
        let archive = ImageOrigin::Archive { path: "a.tar".into(), image: Some("b:1".into()) };
        assert_eq!(origin("docker-archive:a.tar:b:1"), archive);
        let layout = ImageOrigin::Layout { path: "/no/folder".into(), image: None };
        assert_eq!(origin("oci:/no/folder"), layout);
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, word) in [
            ("", "empty"),
            ("https://example.org/x", "`https://` is not known"),
            ("docker:///", "lower-case letters"),
            ("oci:", "path must follow"),
            ("oci::x", "path must follow"),
            ("Not A Name", "lower-case letters"),
        ] {
            let error = text.parse::<ImageOrigin>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text in ".*") {
            let _ = text.parse::<ImageOrigin>();
        }
    }
}
