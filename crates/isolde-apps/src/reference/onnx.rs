//! Writing ONNX files: a graph of operators as protocol buffers.
//!
//! Field numbers are those of onnx.proto
//! (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>), the encoding that
//! of <https://protobuf.dev/programming-guides/encoding/>. A message is preceded
//! by its length, so everything but the weights is encoded first; these are made
//! while they are written.

use std::io::{self, Write};

use super::weights::Values;

/// Version of the file format that came with [`OPSET`].
const IR_VERSION: u64 = 8;
/// Version of the standard's operators.
const OPSET: u64 = 17;
/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;

/// A network.
#[derive(Debug, Default)]
pub(super) struct Network {
    pub(super) name: &'static str,
    pub(super) metadata: Vec<(&'static str, &'static str)>,
    pub(super) nodes: Vec<Node>,
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
    pub(super) tensors: Vec<Tensor>,
}

/// An input or output of a network, of float32.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
}

/// A constant tensor of float32.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: Values,
}

/// An operator with one output. An input without a name is left out.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) operator: &'static str,
    pub(super) inputs: Vec<String>,
    pub(super) output: String,
    pub(super) attributes: Vec<(&'static str, Attribute)>,
}

/// The value of an operator's attribute.
#[derive(Debug)]
pub(super) enum Attribute {
    Float(f32),
    Integer(usize),
    Integers(Vec<usize>),
    Text(&'static str),
}

impl Network {
    /// Writes the file.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let head = self.graph_head();
        let tensors: Vec<_> = self.tensors.iter().map(Tensor::head).collect();
        let weights = self.tensors.iter().zip(&tensors).map(|(tensor, head)| {
            let length = head.len() + tensor.byte_length();
            Message::default().key(5, LENGTH).varint(length as u64).0.len() + length
        });
        let graph = head.len() + weights.sum::<usize>();
        out.write_all(&self.model_head().key(7, LENGTH).varint(graph as u64).0)?;
        out.write_all(&head)?;
        for (tensor, head) in self.tensors.iter().zip(&tensors) {
            let length = head.len() + tensor.byte_length();
            out.write_all(&Message::default().key(5, LENGTH).varint(length as u64).0)?;
            out.write_all(head)?;
            tensor.values.write(&format!("{}/{}", self.name, tensor.name), out)?;
        }
        Ok(())
    }

    /// A `ModelProto` without its graph.
    fn model_head(&self) -> Message {
        let opset = Message::default().text(1, "").number(2, OPSET);
        let head = Message::default().number(1, IR_VERSION).text(2, "isolde").message(8, &opset);
        self.metadata.iter().fold(head, |head, (key, value)| {
            head.message(14, &Message::default().text(1, key).text(2, value))
        })
    }

    /// A `GraphProto` without its tensors.
    fn graph_head(&self) -> Vec<u8> {
        let mut head = Message::default().text(2, self.name);
        for node in &self.nodes {
            head = head.message(1, &node.message());
        }
        for input in &self.inputs {
            head = head.message(11, &input.message());
        }
        for output in &self.outputs {
            head = head.message(12, &output.message());
        }
        head.0
    }
}

impl Port {
    /// A `ValueInfoProto`.
    fn message(&self) -> Message {
        let shape = self.shape.iter().fold(Message::default(), |shape, size| {
            shape.message(1, &Message::default().number(1, *size as u64))
        });
        let tensor = Message::default().number(1, FLOAT).message(2, &shape);
        Message::default().text(1, &self.name).message(2, &Message::default().message(1, &tensor))
    }
}

impl Tensor {
    fn byte_length(&self) -> usize {
        self.values.count() * size_of::<f32>()
    }

    /// A `TensorProto` up to the bytes of its `raw_data`.
    fn head(&self) -> Vec<u8> {
        let dims = self.shape.iter().fold(Message::default(), |head, size| {
            // proto2 repeats the key where numbers are not declared as packed.
            head.number(1, *size as u64)
        });
        let head = dims.number(2, FLOAT).text(8, &self.name);
        head.key(9, LENGTH).varint(self.byte_length() as u64).0
    }
}

impl Node {
    /// A `NodeProto`; it has the name of its output.
    fn message(&self) -> Message {
        let inputs = self.inputs.iter().fold(Message::default(), |node, name| node.text(1, name));
        let node = inputs.text(2, &self.output).text(3, &self.output).text(4, self.operator);
        self.attributes
            .iter()
            .fold(node, |node, (name, value)| node.message(5, &value.message(name)))
    }
}

impl Attribute {
    /// An `AttributeProto`.
    fn message(&self, name: &str) -> Message {
        let named = Message::default().text(1, name);
        let (valued, kind) = match self {
            Self::Float(value) => (named.float(2, *value), 1),
            Self::Integer(value) => (named.number(3, *value as u64), 2),
            Self::Text(value) => (named.text(4, value), 3),
            Self::Integers(values) => {
                (values.iter().fold(named, |named, value| named.number(8, *value as u64)), 7)
            }
        };
        valued.number(20, kind)
    }
}

/// Wire type of a number.
const VARINT: u64 = 0;
/// Wire type of a text, bytes or a message, after their length.
const LENGTH: u64 = 2;
/// Wire type of a float.
const FIXED32: u64 = 5;

/// An encoded message.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    fn key(self, field: u64, wire_type: u64) -> Self {
        self.varint(field << 3 | wire_type)
    }

    fn number(self, field: u64, value: u64) -> Self {
        self.key(field, VARINT).varint(value)
    }

    fn float(self, field: u64, value: f32) -> Self {
        let mut message = self.key(field, FIXED32);
        message.0.extend(value.to_le_bytes());
        message
    }

    fn text(self, field: u64, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u64, message: &Self) -> Self {
        self.bytes(field, &message.0)
    }

    fn bytes(self, field: u64, bytes: &[u8]) -> Self {
        let mut message = self.key(field, LENGTH).varint(bytes.len() as u64);
        message.0.extend(bytes);
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user_model::outline;

    #[test]
    fn fields_are_written_as_the_encoding_says() {
        // The example of the specification: field 1, 150; then a text.
        let message = Message::default().number(1, 150).text(2, "hi").float(3, 1.0);
        assert_eq!(message.0, b"\x08\x96\x01\x12\x02hi\x1d\x00\x00\x80\x3f");
        // Keys of more than one byte, as of an attribute's type.
        assert_eq!(Message::default().number(20, 7).0, b"\xa0\x01\x07");
        let nested = Message::default().message(1, &Message::default().text(2, ""));
        assert_eq!(nested.0, b"\x0a\x02\x12\x00");
    }

    #[test]
    fn attributes_are_told_with_their_type() {
        let encoded = |attribute: Attribute| attribute.message("a").0;
        let float = b"\x0a\x01a\x15\x00\x00\x00\x40\xa0\x01\x01";
        assert_eq!(encoded(Attribute::Float(2.0)), float);
        assert_eq!(encoded(Attribute::Integer(1)), b"\x0a\x01a\x18\x01\xa0\x01\x02");
        assert_eq!(encoded(Attribute::Text("x")), b"\x0a\x01a\x22\x01x\xa0\x01\x03");
        let integers = b"\x0a\x01a\x40\x02\x40\x03\xa0\x01\x07";
        assert_eq!(encoded(Attribute::Integers(vec![2, 3])), integers);
    }

    #[test]
    fn lengths_announce_what_follows() {
        let tensor = |count| Tensor {
            name: format!("t{count}"),
            shape: vec![count],
            values: Values::Drawn { count, bound: 1.0 },
        };
        // Lengths of one, two and three bytes.
        for counts in [vec![1], vec![40, 1], vec![5000, 1, 40]] {
            let tensors: Vec<_> = counts.iter().copied().map(tensor).collect();
            let input = Port { name: "x".to_owned(), shape: vec![1, 300] };
            let network = Network { name: "n", tensors, inputs: vec![input], ..Network::default() };
            let mut file = Vec::new();
            network.write(&mut file).unwrap();
            // A wrong length would leave the reader in the middle of something.
            let outline = outline(&file).unwrap();
            let axes = outline.inputs[0].axes.as_ref().unwrap();
            assert_eq!(
                axes.iter().map(|axis| axis.length).collect::<Vec<_>>(),
                [Some(1), Some(300)]
            );
        }
    }
}
