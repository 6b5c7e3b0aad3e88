//! JSON values that clients do not send.

use rand::{RngExt, rngs::StdRng};
use serde_json::{Map, Value, json};

/// How deep nested values go; the parser refuses more than 128.
const DEPTHS: [usize; 3] = [3, 100, 200];
const LONG: usize = 20_000;

pub(super) struct Values<'a>(pub(super) &'a mut StdRng);

impl Values<'_> {
    /// Changes something somewhere.
    pub(super) fn change(&mut self, value: &mut Value) {
        match value {
            Value::Object(map) if !map.is_empty() && !self.0.random_ratio(1, 12) => {
                self.change_map(map);
            }
            Value::Array(list) if !list.is_empty() && !self.0.random_ratio(1, 6) => {
                let at = self.0.random_range(0..list.len());
                match self.0.random_range(0..6) {
                    0 => drop(list.remove(at)),
                    1 => {
                        let again = list[at].clone();
                        list.insert(at, again);
                    }
                    _ => self.change(&mut list[at]),
                }
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => *value = self.any(),
        }
    }

    fn change_map(&mut self, map: &mut Map<String, Value>) {
        let at = self.0.random_range(0..map.len());
        let Some(key) = map.keys().nth(at).cloned() else { return };
        match self.0.random_range(0..8) {
            0 => drop(map.remove(&key)),
            1 => drop(map.insert(format!("{key}s"), json!(1))),
            _ => {
                if let Some(inner) = map.get_mut(&key) {
                    self.change(inner);
                }
            }
        }
    }

    /// Any value.
    pub(super) fn any(&mut self) -> Value {
        match self.0.random_range(0..16) {
            0 => Value::Null,
            1 => json!(true),
            2 => json!(0),
            3 => json!(-1),
            4 => json!(u64::MAX),
            5 => json!(1.0e308),
            6 => json!(0.000_001),
            7 => json!(""),
            8 => json!("x".repeat(LONG)),
            9 => json!("\u{0}\u{202e}\u{fffd}<|im_end|>\n\r\u{1F600}"),
            10 => json!([]),
            11 => json!({}),
            12 => json!(["a", 1, null, {}]),
            13 => json!({"type": "nothing", "x": [1]}),
            14 => self.deep(),
            _ => json!("auto"),
        }
    }

    fn deep(&mut self) -> Value {
        let depth = DEPTHS[self.0.random_range(0..DEPTHS.len())];
        let nest = |inner, n: usize| {
            if n.is_multiple_of(2) { json!([inner]) } else { json!({ "a": inner }) }
        };
        (0..depth).fold(json!(1), nest)
    }
}
