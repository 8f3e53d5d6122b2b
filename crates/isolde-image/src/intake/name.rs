//! Names of images: registry, repository, and tag or digest.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::IntakeError;
use super::digest::Digest;

const DOCKER_HUB: &str = "docker.io";

/// An image's name, whole: `debian` is read as `docker.io/library/debian:latest`,
/// as Docker does (distribution/reference, normalize.go).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    registry: String,
    repository: String,
    version: Version,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Version {
    Tag(String),
    Digest(Digest),
}

impl ImageName {
    /// Host and port of the registry that the name names, `docker.io` for
    /// Docker Hub.
    pub(super) fn registry(&self) -> &str {
        &self.registry
    }

    /// The path below the registry.
    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// Tag or digest, as in the path of a manifest.
    pub(super) fn version(&self) -> String {
        match &self.version {
            Version::Tag(tag) => tag.clone(),
            Version::Digest(digest) => digest.to_string(),
        }
    }

    /// The digest of the manifest where that is the name.
    pub(super) const fn digest(&self) -> Option<&Digest> {
        match &self.version {
            Version::Tag(_) => None,
            Version::Digest(digest) => Some(digest),
        }
    }

    /// Host and port to connect to. Docker Hub's registry has another name.
    pub(super) fn host(&self) -> &str {
        if self.registry == DOCKER_HUB { "registry-1.docker.io" } else { &self.registry }
    }

    /// Whether the registry is this very host, so that nobody can listen in.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.registry.rsplit_once(':').map_or(self.registry.as_str(), |(host, _)| host);
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// The key under which Docker's configuration keeps credentials.
    pub(super) fn credential_key(&self) -> &str {
        if self.registry == DOCKER_HUB { "https://index.docker.io/v1/" } else { &self.registry }
    }
}

/// As people write it: without what goes without saying, but with its tag.
impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.registry == DOCKER_HUB {
            f.write_str(self.repository.strip_prefix("library/").unwrap_or(&self.repository))?;
        } else {
            write!(f, "{}/{}", self.registry, self.repository)?;
        }
        match &self.version {
            Version::Tag(tag) => write!(f, ":{tag}"),
            Version::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

impl FromStr for ImageName {
    type Err = IntakeError;

    fn from_str(text: &str) -> Result<Self, IntakeError> {
        let refuse = |why: &str| Err(IntakeError::reference(text, why));
        if text.len() > 512 {
            return refuse("it is too long for a name");
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => match digest.parse() {
                Ok(digest) => (rest, Some(digest)),
                Err(why) => return Err(IntakeError::reference(text, why)),
            },
            None => (text, None),
        };
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, tag),
            _ => (rest, "latest"),
        };
        if !is_tag(tag) {
            return refuse("a tag has letters, digits, `_`, `.` and `-`, at most 128");
        }
        let (registry, repository) = match path.split_once('/') {
            Some((first, rest)) if is_host(first) => (first, rest),
            _ => (DOCKER_HUB, path),
        };
        let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
        let repository = match registry {
            DOCKER_HUB if !repository.contains('/') => format!("library/{repository}"),
            _ => repository.to_owned(),
        };
        if !registry.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b)) {
            return refuse("its registry is no host name");
        }
        if !repository.split('/').all(is_component) {
            return refuse(
                "it is no path of this host, and a name of an image has lower-case letters, \
                 digits, `.`, `_`, `-` and `/`, as in debian:12 or registry.example/team/app:1",
            );
        }
        let version = digest.map_or_else(|| Version::Tag(tag.into()), Version::Digest);
        Ok(Self { registry: registry.into(), repository, version })
    }
}

/// The first part of a name is a host if it looks like one.
fn is_host(part: &str) -> bool {
    let starts = part.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
    let like_a_host = part.contains(['.', ':']) || part.bytes().any(|b| b.is_ascii_uppercase());
    part == "localhost" || (starts && like_a_host)
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=128).contains(&tag.len())
        && tag.bytes().all(|byte| word(byte) || b".-".contains(&byte))
        && tag.bytes().next().is_some_and(word)
}

fn is_component(part: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase();
    !part.is_empty()
        && part.bytes().all(|byte| word(byte) || b"._-".contains(&byte))
        && part.bytes().next().is_some_and(word)
        && part.bytes().last().is_some_and(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ImageName {
        text.parse().unwrap()
    }

    #[test]
    fn short_names_are_of_docker_hub() {
        for text in ["debian", "debian:latest", "docker.io/debian", "docker.io/library/debian"] {
            let name = name(text);
            assert_eq!(name.registry(), "docker.io", "{text}");
            assert_eq!(name.repository(), "library/debian", "{text}");
            assert_eq!(name.to_string(), "debian:latest");
            assert_eq!(name.host(), "registry-1.docker.io");
        }
        assert_eq!(name("team/app:1").repository(), "team/app");
        assert_eq!(name("localhost/app").registry(), "localhost");
        let local = name("127.0.0.1:5000/a/b:c");
        assert_eq!((local.registry(), local.repository()), ("127.0.0.1:5000", "a/b"));
        assert_eq!(local.to_string(), "127.0.0.1:5000/a/b:c");
        let digest = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(name(&format!("x:1@{digest}")).version(), digest);
    }

    #[test]
    fn only_this_host_is_loopback() {
        for text in ["localhost:5000/a", "127.0.0.1:1/a", "127.9.9.9/a", "[::1]:5000/a"] {
            assert!(name(text).is_loopback(), "{text}");
        }
        for text in ["debian", "127.0.0.1.evil.example/a", "10.0.0.1:5000/a", "localhost.x/a"] {
            assert!(!name(text).is_loopback(), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            ":",
            "/",
            "a//b",
            "../x",
            "a/../b",
            "UPPER",
            "a:",
            "a:-b",
            "a b",
            "a@sha256:1",
            "a@",
            "x/-y",
            "host.example/",
            "h ost.x/a",
            "ü",
        ] {
            assert!(text.parse::<ImageName>().is_err(), "{text}");
        }
        assert!("a".repeat(600).parse::<ImageName>().is_err());
    }

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            let _ = text.parse::<ImageName>();
        }

        #[test]
        fn a_name_survives_its_text(text in "[a-z./:@0-9-]{1,20}") {
            if let Ok(name) = text.parse::<ImageName>() {
                proptest::prop_assert_eq!(name.to_string().parse::<ImageName>().unwrap(), name);
            }
        }
    }
}
