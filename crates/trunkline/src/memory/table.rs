//! The ledgers of all devices as a table and as JSON.

use serde::Serialize;
use trunkline_inference::budget::{Bytes, Entry, Kind, Ledger, Part};

use super::UNKNOWN;

/// What a device holds.
#[derive(Debug, Serialize)]
pub(crate) struct DeviceLine {
    device: String,
    kind: &'static str,
    slice: Option<String>,
    /// `None` where nobody tells.
    total_bytes: Option<u64>,
    free_bytes: Option<u64>,
    reserve_bytes: u64,
    needed_bytes: u64,
    /// What of that is given back once all models are loaded.
    loading_bytes: u64,
    models: Vec<ModelLine>,
}

/// What a model needs.
#[derive(Debug, Serialize)]
struct ModelLine {
    model: String,
    weights_bytes: u64,
    kv_bytes: u64,
    workspace_bytes: u64,
    sum_bytes: u64,
    items: Vec<ItemLine>,
}

#[derive(Debug, Serialize)]
struct ItemLine {
    label: String,
    formula: String,
    bytes: u64,
}

/// A line for each device that holds something.
pub(crate) fn lines(ledgers: &[Ledger]) -> Vec<DeviceLine> {
    ledgers.iter().filter(|ledger| !ledger.entries.is_empty()).map(device).collect()
}

fn device(ledger: &Ledger) -> DeviceLine {
    let known = |bytes: u64| (bytes != UNKNOWN).then_some(bytes);
    DeviceLine {
        device: ledger.device.name.clone(),
        kind: match ledger.device.kind {
            Kind::Gpu => "gpu",
            Kind::Host => "host",
        },
        slice: ledger.device.slice.as_ref().map(ToString::to_string),
        total_bytes: known(ledger.device.total_bytes),
        free_bytes: known(ledger.device.usable_bytes()),
        reserve_bytes: ledger.reserve,
        needed_bytes: ledger.needed_bytes(),
        loading_bytes: ledger.loading_bytes(),
        models: ledger.entries.iter().map(model).collect(),
    }
}

fn model(entry: &Entry) -> ModelLine {
    let footprint = &entry.footprint;
    let items = footprint.items.iter().map(|item| ItemLine {
        label: item.label.clone(),
        formula: item.formula.clone(),
        bytes: item.bytes,
    });
    ModelLine {
        model: entry.model.clone(),
        weights_bytes: footprint.part(Part::Weights),
        kv_bytes: footprint.part(Part::Kv),
        workspace_bytes: footprint.part(Part::Workspace),
        sum_bytes: footprint.resident_bytes(),
        items: items.collect(),
    }
}

/// The same as people read it: a line for each model, and a sum for each device.
pub(crate) fn readable(devices: &[DeviceLine]) -> Vec<String> {
    let row = |model: &str, device: &str, columns: [&dyn std::fmt::Display; 4]| {
        let [weights, kv, workspace, sum] = columns;
        format!("memory  {model:28} {device:20} {weights:>9} {kv:>9} {workspace:>9} {sum:>9}")
    };
    if devices.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![row("model", "device", [&"weights", &"KV", &"workspace", &"sum"])];
    for device in devices {
        for model in &device.models {
            let [weights, kv, workspace, sum] =
                [model.weights_bytes, model.kv_bytes, model.workspace_bytes, model.sum_bytes]
                    .map(Bytes);
            let name = device.device.as_str();
            lines.push(row(&model.model, name, [&weights, &kv, &workspace, &sum]));
        }
    }
    lines.extend(devices.iter().map(|device| format!("memory  {}", sum(device))));
    lines
}

/// A device's sum.
pub(crate) fn sum(device: &DeviceLine) -> String {
    let slice = device.slice.as_ref().map(|slice| format!(" ({slice})")).unwrap_or_default();
    let free = device.free_bytes.map_or_else(
        || "what is free is not known".to_owned(),
        |free| {
            format!("{} free, {} of it left to others", Bytes(free), Bytes(device.reserve_bytes))
        },
    );
    format!(
        "{}{slice}: {} needed, {} of it only while loading; {free}",
        device.device,
        Bytes(device.needed_bytes),
        Bytes(device.loading_bytes),
    )
}

#[cfg(test)]
mod tests {
    use trunkline_inference::budget::{Device, Footprint, Item};

    use super::*;

    fn ledger(free_bytes: u64) -> Ledger {
        let amounts = [
            (Part::Weights, 1 << 30),
            (Part::Kv, 3 << 29),
            (Part::Workspace, 100 << 20),
            (Part::Loading, 512 << 20),
        ];
        let items = amounts.map(|(part, bytes)| Item::amount(part, "x", bytes, "given")).to_vec();
        let entry = Entry { model: "llm".into(), replica: 0, footprint: Footprint { items } };
        let device = Device {
            name: "host memory".into(),
            kind: Kind::Host,
            total_bytes: free_bytes,
            free_bytes,
            slice: None,
        };
        Ledger { device, reserve: 512 << 20, entries: vec![entry], share: 0.0 }
    }

    #[test]
    fn a_device_is_shown_with_each_model_and_its_sum() {
        let told = readable(&lines(&[ledger(8 << 30)]));
        let words: Vec<Vec<_>> = told.iter().map(|l| l.split_whitespace().collect()).collect();
        let model = "memory llm host memory 1.00 GiB 1.50 GiB 100 MiB 2.60 GiB";
        assert_eq!(words[1].join(" "), model);
        assert_eq!(
            told[2],
            "memory  host memory: 3.10 GiB needed, 512 MiB of it only while loading; \
             8.00 GiB free, 512 MiB of it left to others"
        );
    }

    #[test]
    fn memory_that_nobody_tells_is_not_a_number() {
        let lines = lines(&[ledger(UNKNOWN)]);
        assert_eq!((lines[0].free_bytes, lines[0].total_bytes), (None, None));
        assert!(readable(&lines)[2].ends_with("what is free is not known"));
    }

    #[test]
    fn a_device_that_holds_nothing_is_not_shown() {
        let empty = Ledger { entries: Vec::new(), ..ledger(1) };
        assert!(lines(&[empty]).is_empty() && readable(&[]).is_empty());
    }
}
