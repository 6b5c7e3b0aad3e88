//! Logs: text for people, JSON for machines, by tracing.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{LogConfig, LogFormat};

/// Libraries that write more than anybody wants, and the SIP stack that logs whole messages with
/// their Authorization headers.
const QUIET: &str = "rsipstack=warn,sqlx=warn,hyper=warn,ort=warn,h2=warn";

/// Starts logging to standard error.
pub(crate) fn start(config: &LogConfig) {
    let filter = EnvFilter::new(format!("{},{QUIET}", config.level.as_str()));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(true);
    match config.format {
        LogFormat::Text => registry.with(lines.compact()).init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).init(),
    }
}
