//! Names of hosts to addresses without the C library: in a static executable
//! its `getaddrinfo` loads shared objects of the host, which may be another
//! glibc's. `/etc/hosts` and `/etc/resolv.conf` are honoured; other sources that
//! `nsswitch.conf` may name, such as multicast DNS, are not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// However slow the name server.
const PATIENCE: Duration = Duration::from_secs(15);

/// Addresses that are kept; more are not tried.
const ADDRESSES: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Names;

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let limit = timeout.not_zero().map_or(PATIENCE, |left| (*left).min(PATIENCE));
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            // Never asked of a name server (RFC 6761, section 6.3).
            Err(_) if host == "localhost" => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Err(_) => look_up(host, limit)?,
        };
        let mut found = self.empty();
        for address in addresses.into_iter().take(ADDRESSES) {
            found.push(SocketAddr::new(address, port));
        }
        if found.is_empty() { Err(ureq::Error::HostNotFound) } else { Ok(found) }
    }
}

fn look_up(host: &str, limit: Duration) -> Result<Vec<IpAddr>, ureq::Error> {
    let other = |why: String| ureq::Error::Other(format!("cannot look {host} up: {why}").into());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(ureq::Error::Io)?;
    runtime.block_on(async {
        let resolver = TokioResolver::builder_tokio()
            .and_then(|builder| builder.build())
            .map_err(|error| other(format!("/etc/resolv.conf cannot be used: {error}")))?;
        match tokio::time::timeout(limit, resolver.lookup_ip(host)).await {
            Ok(Ok(found)) => Ok(found.iter().collect()),
            Ok(Err(error)) if error.is_no_records_found() => Err(ureq::Error::HostNotFound),
            Ok(Err(error)) => Err(other(error.to_string())),
            Err(_) => Err(other("the name server does not answer".into())),
        }
    })
}
