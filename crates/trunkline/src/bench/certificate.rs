//! The latency certificate: what was measured, on what, and whether it passes.

use std::{fmt, fs, path::Path, time::Duration};

use serde::Serialize;
use serde_json::Value;

use super::{
    clips::Clips,
    picture,
    tally::{Figures, millis},
};
use crate::{exit::Failure, machine};

/// The result of a bench, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Certificate {
    /// Seconds since 1970 when it was measured.
    measured_at: u64,
    /// Who was called.
    to: String,
    /// The limit of p95 mouth to ear.
    slo_ms: f64,
    /// What callers said: files, and seconds of sound in all.
    clips: usize,
    clip_seconds: f64,
    /// The callers' side.
    caller: Caller,
    /// The server as it tells about itself: version, models and configuration by their hashes, machine.
    server: Value,
    /// The most callers at which the limit was kept, none refused, and nothing ran dry.
    calls_within_slo: Option<usize>,
    /// Each number of callers.
    pub(super) levels: Vec<Figures>,
}

#[derive(Debug, Serialize)]
struct Caller {
    version: &'static str,
    machine: machine::Machine,
}

impl Certificate {
    pub(super) fn begin(to: &str, clips: &Clips, slo: Duration, server: Value) -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            measured_at: now.unwrap_or_default().as_secs(),
            to: to.to_owned(),
            slo_ms: millis(slo),
            clips: clips.all.len(),
            clip_seconds: clips.seconds(),
            caller: Caller {
                version: env!("CARGO_PKG_VERSION"),
                machine: machine::Machine::look(),
            },
            server,
            calls_within_slo: None,
            levels: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, figures: Figures) {
        if figures.fails(self.slo()).is_none() && figures.refused.is_empty() {
            self.calls_within_slo = self.calls_within_slo.max(Some(figures.callers));
        }
        self.levels.push(figures);
    }

    pub(super) fn slo(&self) -> Duration {
        Duration::from_secs_f64(self.slo_ms / 1000.0)
    }

    /// Writes certificate.json and certificate.svg.
    pub(super) fn save(&self, folder: &Path) -> Result<(), Failure> {
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|e| Failure::new(format!("{}: {e}", path.display())))
        };
        fs::create_dir_all(folder)
            .map_err(|e| Failure::new(format!("{}: {e}", folder.display())))?;
        write("certificate.json", serde_json::to_string_pretty(self).map_err(Failure::new)?)?;
        write("certificate.svg", picture::draw(self).map_err(Failure::new)?)
    }

    /// Fails unless every level passes.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        let failing = self.levels.iter().filter_map(|level| {
            level.fails(self.slo()).map(|why| format!("{} callers: {why}", level.callers))
        });
        let failing: Vec<String> = failing.collect();
        if failing.is_empty() { Ok(()) } else { Err(Failure::new(failing.join("; "))) }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "mouth to ear, milliseconds; the limit of p95 is {:.0}", self.slo_ms)?;
        for level in &self.levels {
            writeln!(f, "{level}")?;
        }
        match self.calls_within_slo {
            Some(calls) => writeln!(f, "{calls} calls at once within the limit"),
            None => writeln!(f, "no number of calls within the limit"),
        }
    }
}
