//! The sum of one device, line by line, and the refusal that shows it.

use std::fmt;

use super::{Bytes, Device, Footprint, Item, Part};

/// What one replica of a model holds of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The model's name.
    pub model: String,
    /// Which of its replicas, from 0.
    pub replica: u32,
    /// What it needs.
    pub footprint: Footprint,
}

/// What a device holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    /// The device.
    pub device: Device,
    /// Bytes left to others.
    pub reserve: u64,
    /// What is loaded, in the order in which it was placed.
    pub entries: Vec<Entry>,
    /// The part of the device's time that is taken, as far as it is known; above 1 some work is late.
    pub share: f64,
}

impl Ledger {
    /// Bytes that all models hold together, and the most that one of them needs besides to load.
    pub fn needed_bytes(&self) -> u64 {
        let held = self
            .entries
            .iter()
            .fold(0, |sum: u64, entry| sum.saturating_add(entry.footprint.resident_bytes()));
        held.saturating_add(self.loading_bytes())
    }

    /// The most that one of the models needs besides while it is being loaded.
    pub fn loading_bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.footprint.loading_bytes()).max().unwrap_or(0)
    }

    /// Bytes that may be used: what is free, less what is left to others.
    pub fn room_bytes(&self) -> u64 {
        self.device.usable_bytes().saturating_sub(self.reserve)
    }

    /// Bytes by which it is too small; 0 where everything fits.
    pub fn short_bytes(&self) -> u64 {
        self.needed_bytes().saturating_sub(self.room_bytes())
    }

    /// The line that counts for loading: the largest.
    fn loading(&self) -> Option<(&Entry, &Item)> {
        let largest = self.entries.iter().max_by_key(|entry| entry.footprint.loading_bytes())?;
        largest.footprint.items.iter().find(|i| i.part == Part::Loading).map(|item| (largest, item))
    }
}

/// The sum as people check it: a line for each item, what is needed, what is free.
impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Entry { model, footprint, .. } in &self.entries {
            for item in footprint.items.iter().filter(|item| item.part != Part::Loading) {
                let Item { label, formula, bytes, .. } = item;
                writeln!(f, "  {:>9}  {model}: {label} = {formula}", Bytes(*bytes))?;
            }
        }
        if let Some((Entry { model, .. }, Item { label, formula, bytes, .. })) = self.loading() {
            let bytes = Bytes(*bytes);
            writeln!(
                f,
                "  {bytes:>9}  {model}: {label} = {formula}, given back once it is loaded"
            )?;
        }
        let [needed, free, reserve] =
            [self.needed_bytes(), self.device.usable_bytes(), self.reserve].map(Bytes);
        write!(f, "  {needed:>9}  needed; {free} free, {reserve} of it left to others")?;
        match self.short_bytes() {
            0 => Ok(()),
            short => write!(f, ": short by {}", Bytes(short)),
        }
    }
}

/// The models do not fit: the device that comes nearest to holding them, with all that it would hold.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{} has too little memory for the models\n{ledger}", ledger.device.name)]
pub struct OverBudget {
    /// Its ledger, in which something is short.
    pub ledger: Box<Ledger>,
}
