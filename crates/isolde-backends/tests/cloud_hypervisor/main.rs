//! Cloud Hypervisor without KVM: this executable takes the VMM's place, with its API
//! and its guest's calls, and does whatever a VMM may do. The real one passes the
//! conformance suite.
//!
//! It has no harness, because it is started in two roles: by cargo it runs the cases;
//! as the VMM it behaves as a file in the sandbox's scratch folder says.
#![expect(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout, reason = "a test")]

mod cases;
mod stand;
mod vmm;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--api-socket") => vmm::serve(&arguments[1]),
        _ => stand::run(&cases::ALL, &arguments),
    }
}
