//! This program as a machine: what it is told is checked before anything is made.

use std::io::Write;
use std::process::{Command, Stdio};

/// What it says to `order` before it ends.
fn refusal(order: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isolde"));
    command.arg("microvm-vmm").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(order.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "it does not say that it runs");
    String::from_utf8(output.stderr).unwrap()
}

fn order(descriptors: &str) -> String {
    format!("{{\"cpus\":1,\"memory_mebibytes\":64,\"parameters\":\"quiet\",{descriptors}}}")
}

#[test]
fn an_order_is_checked() {
    assert!(refusal("").starts_with("no order: "));
    assert!(refusal("[1, 2").starts_with("no order: "));
    let more = order(
        "\"kernel\":0,\"initramfs\":0,\"root\":0,\"upper\":null,\"line\":0,\"console\":0,\"network\":0",
    );
    assert!(refusal(&more).contains("unknown field `network`"));
    let absent = order(
        "\"kernel\":700,\"initramfs\":701,\"root\":702,\"upper\":null,\"line\":703,\"console\":704",
    );
    let said = refusal(&absent);
    assert!(said.contains("was not handed over"), "{said}");
}
