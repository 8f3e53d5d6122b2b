//! Reading what an ONNX file says of itself, without its weights and without trust.
//!
//! Field numbers are those of onnx.proto
//! (<https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>). Every message
//! that the engine's own parser descends into is walked here first, because
//! that parser allocates what a length announces and sets no limit to nesting.

use std::collections::HashSet;

use super::outline::{Axis, Outline, OutlineError, TensorInfo};
use super::wire::{Field, Message, Value, WireError};

/// Fields visited, over all messages. The engine keeps at most some hundred
/// bytes for each.
const MOST_FIELDS: usize = 4 << 20;
/// Graphs within graphs, and types within types.
const DEEPEST: usize = 16;
/// Inputs, outputs, entries of metadata, files with weights.
const MOST_ENTRIES: usize = 1024;
/// Names are longer in no model.
const LONGEST_NAME: usize = 4096;
/// Metadata values longer than this are left out.
const LONGEST_VALUE: usize = 64 << 10;

/// Reads what `bytes`, a whole ONNX file, says of itself. Never panics; keeps
/// no more than a bounded amount. Fit for a fuzzer.
///
/// # Errors
/// Why it is no ONNX file that could be run.
pub fn outline(bytes: &[u8]) -> Result<Outline, OutlineError> {
    let mut walk = Walk { outline: Outline::default(), fields: 0 };
    let mut has_graph = false;
    walk.each(bytes, |walk, field| {
        match field.number {
            7 => {
                has_graph = true;
                walk.graph(field.bytes()?, 0)?;
            }
            8 => walk.opset(field.bytes()?)?,
            14 => {
                let (key, value) = walk.entry(field.bytes()?)?;
                if value.len() <= LONGEST_VALUE {
                    let key = name(key);
                    walk.outline.metadata.insert(key, value.to_owned());
                    limit("entries of metadata", walk.outline.metadata.len())?;
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    if has_graph { Ok(walk.outline) } else { Err(OutlineError::NoGraph) }
}

fn limit(what: &'static str, count: usize) -> Result<(), OutlineError> {
    match count {
        0..=MOST_ENTRIES => Ok(()),
        _ => Err(OutlineError::TooMany { what, limit: MOST_ENTRIES }),
    }
}

/// A name that is safe to show.
fn name(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().take(LONGEST_NAME).map(shown).collect()
}

struct Walk {
    outline: Outline,
    fields: usize,
}

impl Walk {
    /// Visits each field of the message in `bytes`.
    fn each<'a>(
        &mut self,
        bytes: &'a [u8],
        mut visit: impl FnMut(&mut Self, Field<'a>) -> Result<(), OutlineError>,
    ) -> Result<(), OutlineError> {
        let mut message = Message::new(bytes);
        while let Some(field) = message.next_field()? {
            self.fields += 1;
            if self.fields > MOST_FIELDS {
                return Err(WireError::TooMany(MOST_FIELDS).into());
            }
            visit(self, field)?;
        }
        Ok(())
    }

    fn graph(&mut self, bytes: &[u8], depth: usize) -> Result<(), OutlineError> {
        if depth >= DEEPEST {
            return Err(WireError::TooDeep(DEEPEST).into());
        }
        let mut initialised = HashSet::new();
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        self.each(bytes, |walk, field| {
            match field.number {
                1 => walk.node(field.bytes()?, depth)?,
                5 => {
                    initialised.insert(walk.tensor(field.bytes()?)?);
                }
                11 => inputs.push(walk.value_info(field.bytes()?)?),
                12 => outputs.push(walk.value_info(field.bytes()?)?),
                13 => drop(walk.value_info(field.bytes()?)?),
                _ => {}
            }
            // Before IR version 4 every initialiser is an input as well.
            if depth == 0 { limit("outputs", outputs.len()) } else { Ok(()) }
        })?;
        if depth == 0 {
            inputs.retain(|input| !initialised.contains(input.name.as_str()));
            limit("inputs", inputs.len())?;
            self.outline.inputs = inputs;
            self.outline.outputs = outputs;
        }
        Ok(())
    }

    fn node(&mut self, bytes: &[u8], depth: usize) -> Result<(), OutlineError> {
        let (mut operator, mut domain) = ("", "");
        self.each(bytes, |walk, field| {
            match field.number {
                4 => operator = field.text()?,
                7 => domain = field.text()?,
                5 => walk.attribute(field.bytes()?, depth)?,
                _ => {}
            }
            Ok(())
        })?;
        let full = match domain {
            "" | "ai.onnx" => name(operator),
            domain => name(&format!("{domain}.{operator}")),
        };
        self.outline.operators.insert(full);
        limit("kinds of operators", self.outline.operators.len())
    }

    fn attribute(&mut self, bytes: &[u8], depth: usize) -> Result<(), OutlineError> {
        self.each(bytes, |walk, field| match field.number {
            5 => walk.tensor(field.bytes()?).map(drop),
            6 => walk.graph(field.bytes()?, depth + 1),
            _ => Ok(()),
        })
    }

    /// Walks a `TensorProto` and gives its name.
    fn tensor<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a str, OutlineError> {
        let mut tensor = "";
        let mut external = false;
        let (mut location, mut offset, mut length) = ("", "0", "0");
        self.each(bytes, |walk, field| {
            match (field.number, field.value) {
                (8, _) => tensor = field.text()?,
                // A number that is too long would keep the engine's parser forever.
                (5 | 7, Value::Bytes(packed)) => Message::check_packed(packed)?,
                // It leaves a rest of packed floats unread, to be taken for fields.
                (4, Value::Bytes(packed)) if !packed.len().is_multiple_of(4) => {
                    return Err(WireError::Packed(4).into());
                }
                (10, Value::Bytes(packed)) if !packed.len().is_multiple_of(8) => {
                    return Err(WireError::Packed(10).into());
                }
                (14, Value::Varint(place)) => external = place == 1,
                (13, _) => match walk.entry(field.bytes()?)? {
                    ("location", value) => location = value,
                    ("offset", value) => offset = value,
                    ("length", value) => length = value,
                    _ => {}
                },
                _ => {}
            }
            Ok(())
        })?;
        if external {
            self.external(tensor, location, offset, length)?;
        }
        Ok(tensor)
    }

    fn external(
        &mut self,
        tensor: &str,
        location: &str,
        offset: &str,
        length: &str,
    ) -> Result<(), OutlineError> {
        let wrong = |key, value: &str| {
            let (tensor, value) = (name(tensor), name(value));
            OutlineError::External { tensor, key, value }
        };
        let number =
            |key, digits: &str| digits.trim().parse::<u64>().map_err(|_| wrong(key, digits));
        let end = number("offset", offset)?
            .checked_add(number("length", length)?)
            .ok_or_else(|| wrong("length", length))?;
        if location.is_empty() || location.len() > LONGEST_NAME {
            return Err(wrong("location", location));
        }
        let known = self.outline.weights.entry(location.to_owned()).or_default();
        *known = end.max(*known);
        limit("files with weights", self.outline.weights.len())
    }

    fn value_info(&mut self, bytes: &[u8]) -> Result<TensorInfo, OutlineError> {
        let mut info = TensorInfo::default();
        self.each(bytes, |walk, field| {
            match field.number {
                1 => info.name = name(field.text()?),
                2 => walk.value_type(field.bytes()?, &mut info, 0)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(info)
    }

    fn value_type(
        &mut self,
        bytes: &[u8],
        info: &mut TensorInfo,
        depth: usize,
    ) -> Result<(), OutlineError> {
        if depth >= DEEPEST {
            return Err(WireError::TooDeep(DEEPEST).into());
        }
        self.each(bytes, |walk, field| match field.number {
            1 if depth == 0 => walk.tensor_type(field.bytes()?, info),
            1 => walk.tensor_type(field.bytes()?, &mut TensorInfo::default()),
            4 => walk.each(field.bytes()?, |walk, field| match field.number {
                1 => walk.value_type(field.bytes()?, &mut TensorInfo::default(), depth + 1),
                _ => Ok(()),
            }),
            6 if depth == 0 => {
                info.denotation = name(field.text()?);
                Ok(())
            }
            _ => Ok(()),
        })
    }

    fn tensor_type(&mut self, bytes: &[u8], info: &mut TensorInfo) -> Result<(), OutlineError> {
        self.each(bytes, |walk, field| {
            match field.number {
                1 => info.element = Some(field.integer()?),
                2 => {
                    let mut axes = Vec::new();
                    walk.each(field.bytes()?, |walk, field| {
                        if field.number == 1 {
                            axes.push(walk.axis(field.bytes()?)?);
                            limit("axes of a tensor", axes.len())?;
                        }
                        Ok(())
                    })?;
                    info.axes = Some(axes);
                }
                _ => {}
            }
            Ok(())
        })
    }

    fn axis(&mut self, bytes: &[u8]) -> Result<Axis, OutlineError> {
        let mut axis = Axis::default();
        self.each(bytes, |_, field| {
            match field.number {
                // Exporters write -1 or 0 for a length that is not fixed.
                1 => {
                    axis.length = u64::try_from(field.integer()?).ok().filter(|length| *length > 0)
                }
                2 => axis.name = name(field.text()?),
                3 => axis.denotation = name(field.text()?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(axis)
    }

    fn opset(&mut self, bytes: &[u8]) -> Result<(), OutlineError> {
        let (mut domain, mut version) = (String::new(), 0);
        self.each(bytes, |_, field| {
            match field.number {
                1 => domain = name(field.text()?),
                2 => version = field.integer()?,
                _ => {}
            }
            Ok(())
        })?;
        self.outline.opsets.insert(domain, version);
        limit("operator sets", self.outline.opsets.len())
    }

    /// A `StringStringEntryProto`.
    fn entry<'a>(&mut self, bytes: &'a [u8]) -> Result<(&'a str, &'a str), OutlineError> {
        let (mut key, mut value) = ("", "");
        self.each(bytes, |_, field| {
            match field.number {
                1 => key = field.text()?,
                2 => value = field.text()?,
                _ => {}
            }
            Ok(())
        })?;
        Ok((key, value))
    }
}
