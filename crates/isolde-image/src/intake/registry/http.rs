//! Requests to a registry: bounded in time and size, encrypted unless the
//! registry is this very host.

use std::time::Duration;

use ureq::Agent;
use ureq::config::RedirectAuthHeaders;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;

use super::resolver::Names;

/// To open a connection, with all handshakes.
const CONNECT: Duration = Duration::from_secs(20);
/// To begin with the answer.
const ANSWER: Duration = Duration::from_secs(60);
/// Without a single byte.
const SILENCE: Duration = Duration::from_secs(30);

/// A client of registries. Proxies are those of the environment
/// (`HTTPS_PROXY`, `NO_PROXY`). A registry's credentials do not follow
/// redirects: layers are usually elsewhere.
pub(super) fn agent(encrypted: bool) -> Agent {
    let mut config = Agent::config_builder();
    if !encrypted {
        // This very host is not asked by way of another.
        config = config.proxy(None);
    }
    let config = config
        .https_only(encrypted)
        .http_status_as_error(false)
        .max_redirects(5)
        .redirect_auth_headers(RedirectAuthHeaders::Never)
        .user_agent(concat!("isolde/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_send_request(Some(CONNECT))
        .timeout_recv_response(Some(ANSWER))
        .timeout_per_read(Some(SILENCE))
        .timeout_per_write(Some(SILENCE))
        .tls_config(TlsConfig::builder().root_certs(roots()).build())
        .build();
    Agent::with_parts(config, DefaultConnector::new(), Names)
}

/// The host's certificate authorities, which may be an enterprise's own; where
/// it has none, Mozilla's as they were when this program was built.
fn roots() -> RootCerts {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate of the host cannot be read");
    }
    if found.certs.is_empty() {
        return RootCerts::WebPki;
    }
    found.certs.iter().map(|cert| Certificate::from_der(cert).to_owned()).into()
}

/// Why a request failed, in words.
pub(super) fn why(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(kind) => format!("no answer in time ({kind})"),
        ureq::Error::HostNotFound => "there is no host of this name".into(),
        ureq::Error::RequireHttpsOnly(_) => {
            "it wants to go on without encryption, which is only taken from this very host".into()
        }
        ureq::Error::Io(error) if is_certificate(&error.to_string()) => {
            format!("{error}; SSL_CERT_FILE=FILE names the authority that it is signed by")
        }
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::Other(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Whether a server does speak TLS, and only its certificate is not trusted.
pub(super) fn is_certificate(why: &str) -> bool {
    why.contains("certificate")
}

/// Whether the same request may succeed a little later.
pub(super) fn is_transient(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Timeout(_) | ureq::Error::ConnectionFailed => true,
        ureq::Error::Io(error) => !matches!(
            error.kind(),
            std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::InvalidData
        ),
        _ => false,
    }
}

/// Whether a registry that answers so is only busy or restarting.
pub(super) const fn is_busy(status: u16) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504)
}
