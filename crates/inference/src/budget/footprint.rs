//! What one model needs of a device's memory, item by item.

use std::fmt;

/// What memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// What the model has learned.
    Weights,
    /// Keys and values of attention, or whatever else is remembered of each text or call.
    Kv,
    /// What is used to compute.
    Workspace,
    /// What is given back once the model is loaded. Models load one after the other, so a device needs only
    /// the largest of these.
    Loading,
}

/// An amount of memory and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is for.
    pub part: Part,
    /// The same in a few words.
    pub label: String,
    /// How it is computed, in words.
    pub formula: String,
    /// How much it is.
    pub bytes: u64,
}

impl Item {
    /// An amount that is the product of these factors, each with what it counts; none is 1.
    pub fn product(part: Part, label: &str, factors: &[(u64, &str)]) -> Self {
        let words = |(number, what): &(u64, &str)| format!("{number} {what}");
        Self {
            part,
            label: label.to_owned(),
            formula: factors.iter().map(words).collect::<Vec<_>>().join(" x "),
            bytes: factors.iter().fold(1, |bytes, (number, _)| bytes.saturating_mul(*number)),
        }
    }

    /// An amount that `formula` says the origin of.
    pub fn amount(part: Part, label: &str, bytes: u64, formula: impl Into<String>) -> Self {
        Self { part, label: label.to_owned(), formula: formula.into(), bytes }
    }
}

/// What one model needs of a device's memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// The items; any number of them may be of one part.
    pub items: Vec<Item>,
}

impl Footprint {
    /// Bytes of one part.
    pub fn part(&self, part: Part) -> u64 {
        let of_part = self.items.iter().filter(|item| item.part == part);
        of_part.fold(0, |sum, item| sum.saturating_add(item.bytes))
    }

    /// Bytes that it holds as long as it is loaded.
    pub fn resident_bytes(&self) -> u64 {
        [Part::Weights, Part::Kv, Part::Workspace]
            .into_iter()
            .fold(0, |sum, part| sum.saturating_add(self.part(part)))
    }

    /// Bytes that it needs besides while it is being loaded.
    pub fn loading_bytes(&self) -> u64 {
        self.part(Part::Loading)
    }
}

/// Bytes as people read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = self.0 as f64 / f64::from(1 << 20);
        let text = if mebibytes >= 1024.0 {
            format!("{:.2} GiB", mebibytes / 1024.0)
        } else if mebibytes >= 10.0 {
            format!("{mebibytes:.0} MiB")
        } else {
            format!("{mebibytes:.1} MiB")
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_says_what_it_multiplies() {
        let item = Item::product(
            Part::Kv,
            "keys and values",
            &[(4096, "tokens"), (24, "layers"), (512, "bytes")],
        );
        assert_eq!(item.bytes, 4096 * 24 * 512);
        assert_eq!(item.formula, "4096 tokens x 24 layers x 512 bytes");
    }

    #[test]
    fn an_absurd_product_is_large_and_not_small() {
        let item = Item::product(Part::Kv, "absurd", &[(u64::MAX, "tokens"), (2, "bytes")]);
        assert_eq!(item.bytes, u64::MAX);
        let footprint = Footprint { items: vec![item.clone(), item] };
        assert_eq!(footprint.resident_bytes(), u64::MAX);
    }

    #[test]
    fn what_is_given_back_after_loading_is_not_resident() {
        let items =
            [(Part::Weights, 5), (Part::Workspace, 2), (Part::Weights, 1), (Part::Loading, 9)];
        let items = items.map(|(part, bytes)| Item::amount(part, "x", bytes, "given"));
        let footprint = Footprint { items: items.to_vec() };
        assert_eq!((footprint.resident_bytes(), footprint.loading_bytes()), (8, 9));
    }

    #[test]
    fn bytes_are_told_in_the_unit_that_fits() {
        let told = [(0, "0.0 MiB"), (1_572_864, "1.5 MiB"), (12 << 20, "12 MiB")];
        for (bytes, text) in told {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        assert_eq!(format!("{:>9}", Bytes(1 << 30)), " 1.00 GiB");
    }
}
