//! Which operators of a model the engine does not have.

use std::error::Error;

use rten::{LoadErrorKind, Model};

use super::outline::Outline;

/// Every operator of the model that the engine does not have, with what it says of
/// it where that is more than the name. The engine itself is asked, with a graph
/// of one node for each, because it tells of a whole model only the first.
#[must_use]
pub fn unsupported_operators(outline: &Outline) -> Vec<String> {
    outline.operators.iter().filter_map(|name| refused(name, outline)).collect()
}

/// What the engine's answers hold when it does not have an operator, or not as old
/// as it is. An operator that it has may complain of its attributes instead, which
/// are none here.
const NOT_THERE: [&str; 3] = [
    "operator not supported or not enabled",
    "operator not enabled",
    "operator uses opset version",
];

fn refused(name: &str, outline: &Outline) -> Option<String> {
    let (domain, operator) = name.rsplit_once('.').unwrap_or(("", name));
    let error = Model::load(graph_of(domain, operator, outline)).err()?;
    if error.kind() != LoadErrorKind::OperatorInvalid {
        return None;
    }
    let said = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    if !NOT_THERE.iter().any(|words| said.contains(words)) {
        return None;
    }
    // The last of them says which version there is.
    Some(if said.contains(NOT_THERE[2]) { said } else { format!("`{name}`") })
}

/// An ONNX file with one node, of which nothing but its operator is said.
fn graph_of(domain: &str, operator: &str, outline: &Outline) -> Vec<u8> {
    // Field numbers are those of onnx.proto.
    let node = [text(4, operator), text(7, domain)].concat();
    let graph = field(1, &node);
    let opsets = outline.opsets.iter().flat_map(|(domain, version)| {
        let version = [vec![2 << 3], varint(version.cast_unsigned())].concat();
        field(8, &[text(1, domain), version].concat())
    });
    let version = [vec![1 << 3], varint(8)].concat();
    [version, opsets.collect(), field(7, &graph)].concat()
}

fn text(number: u8, text: &str) -> Vec<u8> {
    if text.is_empty() { Vec::new() } else { field(number, text.as_bytes()) }
}

/// A field with a content, as the encoding of protocol buffers has it.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(content.len() as u64), content].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_the_engine_lacks_are_named_and_nothing_else() {
        let names = [
            "Conv",
            "Resize",
            "Loop",
            "If",
            "Scan",
            "com.example.Frobnicate",
            "LSTM",
            "Constant",
            "com.microsoft.BiasGelu",
            "com.microsoft.Gelu",
            "Det",
            "DFT",
            "Cast",
            "Pad",
        ];
        let outline = Outline {
            operators: names.map(str::to_owned).into(),
            opsets: [(String::new(), 17), ("com.microsoft".into(), 1)].into(),
            ..Outline::default()
        };
        let lacking = unsupported_operators(&outline);
        assert_eq!(lacking, ["`DFT`", "`Det`", "`Scan`", "`com.example.Frobnicate`"]);
    }
}
