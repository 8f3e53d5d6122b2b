//! Which input an inference is of.

use std::collections::BTreeMap;

use super::contract::Input;

/// Bytes of the names of its inputs, in all.
const MOST_NAMES: usize = 64 << 10;

/// How the lines say which input they are of, and the names among them.
#[derive(Debug, Default)]
pub(super) struct Names {
    way: Option<Way>,
    places: BTreeMap<String, u32>,
    list: Vec<String>,
    bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Number,
    Name,
    Place,
}

impl Names {
    /// What stands for the input of inference number `index`.
    pub(super) fn place(&mut self, input: Option<Input>, index: u32) -> Result<u32, String> {
        let way = match &input {
            Some(Input::Number(_)) => Way::Number,
            Some(Input::Name(_)) => Way::Name,
            None => Way::Place,
        };
        if *self.way.get_or_insert(way) != way {
            return Err("it says by another way than the lines before which input it is of".into());
        }
        let name = match input {
            Some(Input::Number(number)) => return Ok(number),
            None => return Ok(index),
            Some(Input::Name(name)) => name,
        };
        if let Some(place) = self.places.get(&name) {
            return Ok(*place);
        }
        self.bytes += name.len();
        if self.bytes > MOST_NAMES {
            return Err(format!(
                "the names of its inputs take more than {} KiB: number them",
                MOST_NAMES >> 10
            ));
        }
        let place = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.places.insert(name.clone(), place);
        self.list.push(name);
        Ok(place)
    }

    /// Every name, in the order of their first appearance.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.list)
    }
}
