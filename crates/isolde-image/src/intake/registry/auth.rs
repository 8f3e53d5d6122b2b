//! Who we are to a registry: nobody, or whom Docker's configuration says
//! (distribution specification, token authentication).

use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use serde::Deserialize;
use ureq::Agent;

use super::super::document::{self, shown};
use super::super::{ImageName, IntakeError};
use super::http;
use crate::ImageError;

/// How long a credential helper may take; some ask the user.
const HELPER: Duration = Duration::from_secs(60);

/// Longest token: they come as a header, and servers take 8 to 64 KiB.
const TOKEN_LIMIT: usize = 32 << 10;

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

impl Challenge {
    /// Parses the header `WWW-Authenticate` (RFC 9110, section 11.6.1).
    pub(super) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let value = |key: &str| parameter(rest, key);
        Some(Self::Bearer {
            realm: value("realm")?,
            service: value("service"),
            scope: value("scope"),
        })
    }
}

/// The value of `key` in `key="value",key=value`.
fn parameter(text: &str, key: &str) -> Option<String> {
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([',', ' ', '\t']);
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if name.eq_ignore_ascii_case(key) {
            return Some(value.to_owned());
        }
        rest = left;
    }
    None
}

/// The header `Authorization` that answers `challenge`.
pub(super) fn answer(
    agent: &Agent,
    name: &ImageName,
    challenge: &Challenge,
    place: &str,
) -> Result<String, ImageError> {
    let credential = credential(name)?;
    match challenge {
        Challenge::Basic => match credential {
            Some(DockerCredential::UsernamePassword(user, password)) => Ok(basic(&user, &password)),
            _ => Err(denied(place, "it wants a user name and a password", name).into()),
        },
        Challenge::Bearer { realm, service, scope } => {
            let scope =
                scope.clone().unwrap_or_else(|| format!("repository:{}:pull", name.repository()));
            let token = token(agent, realm, service.as_deref(), &scope, credential, place)?;
            Ok(format!("Bearer {token}"))
        }
    }
}

/// A refusal, and what to do about it.
pub(super) fn denied(place: &str, why: &str, name: &ImageName) -> IntakeError {
    let hint = format!("log in with `docker login {}`", name.registry());
    IntakeError::Unreachable { action: format!("pull from {place}"), why: format!("{why}; {hint}") }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", base64(format!("{user}:{password}").as_bytes()))
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
}

fn token(
    agent: &Agent,
    realm: &str,
    service: Option<&str>,
    scope: &str,
    credential: Option<DockerCredential>,
    place: &str,
) -> Result<String, ImageError> {
    let what = format!("the token service {} of {place}", shown(realm));
    let lost = |why: String| IntakeError::Unreachable { action: format!("ask {what}"), why };
    let sent = match credential {
        // The service has given it out instead of a password (OAuth 2).
        Some(DockerCredential::IdentityToken(refresh)) => {
            let mut form = vec![
                ("grant_type", "refresh_token"),
                ("client_id", "isolde"),
                ("scope", scope),
                ("refresh_token", refresh.as_str()),
            ];
            form.extend(service.map(|service| ("service", service)));
            agent.post(realm).send_form(form)
        }
        other => {
            let mut request = agent.get(realm).query("scope", scope);
            if let Some(service) = service {
                request = request.query("service", service);
            }
            if let Some(DockerCredential::UsernamePassword(user, password)) = other {
                request = request.header("Authorization", basic(&user, &password));
            }
            request.call()
        }
    };
    let response = sent.map_err(|error| lost(http::why(&error)))?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(lost(format!("it answers {status}")).into());
    }
    let bytes = document::read(response.into_body().into_reader(), &what)?;
    let answer: Answer = document::parse(&bytes, &what)?;
    let token = answer.token.or(answer.access_token).unwrap_or_default();
    if token.is_empty() || token.len() > TOKEN_LIMIT || !token.bytes().all(|b| b.is_ascii_graphic())
    {
        return Err(lost("it gives no token".into()).into());
    }
    Ok(token)
}

/// What Docker's configuration file, or the helper that it names, knows. The
/// wait for a helper is bounded; one that hangs is left behind.
fn credential(name: &ImageName) -> Result<Option<DockerCredential>, ImageError> {
    if !config_file().is_some_and(|path| path.exists()) {
        return Ok(None);
    }
    let (send, receive) = channel();
    let key = name.credential_key().to_owned();
    std::thread::spawn(move || {
        // Nobody listens any more after the deadline.
        let _ = send.send(docker_credential::get_credential(&key));
    });
    let failed = |why: String| IntakeError::Unreachable {
        action: format!("get credentials for {} from Docker's configuration", name.registry()),
        why,
    };
    match receive.recv_timeout(HELPER) {
        Ok(Ok(found)) => Ok(Some(found)),
        Ok(Err(CredentialRetrievalError::NoCredentialConfigured)) => Ok(None),
        // What helpers say when they know nothing of a registry.
        Ok(Err(CredentialRetrievalError::HelperFailure { stdout, .. }))
            if stdout.contains("credentials not found") =>
        {
            Ok(None)
        }
        Ok(Err(error)) => Err(failed(shown(&error.to_string())).into()),
        Err(_) => Err(failed("its credential helper does not answer".into()).into()),
    }
}

/// Docker's configuration file, as its command line finds it.
fn config_file() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
    Some(folder.or_else(home)?.join("config.json"))
}

/// Base 64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit > group.len() { '=' } else { DIGITS[value as usize].into() });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_understood() {
        let header = r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push""#;
        assert_eq!(
            Challenge::parse(header),
            Some(Challenge::Bearer {
                realm: "https://auth.example/token".into(),
                service: Some("registry.example".into()),
                scope: Some("repository:a/b:pull,push".into()),
            })
        );
        assert_eq!(Challenge::parse(r#"basic realm="x""#), Some(Challenge::Basic));
        for header in ["", "Bearer", "Negotiate x", r#"Bearer realm="open"#] {
            let found = Challenge::parse(header);
            assert!(found.is_none(), "{header}: {found:?}");
        }
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        // RFC 4648, section 10.
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("fooba", "Zm9vYmE=")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_makes_it_panic(text in "(Bearer )?.*") {
            let _ = Challenge::parse(&text);
        }
    }
}
