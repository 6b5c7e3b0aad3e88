//! The HTTP face, the store and the journal.

pub mod about;
pub mod admissions;
pub mod config;
pub mod data_dir;
pub mod error;
pub mod journal;
pub mod metrics;
pub mod observers;
pub mod openai;
pub mod readiness;
pub mod realtime;
mod refusal;
pub mod router;
pub mod server;
pub mod store;
mod timestamp;

pub use about::{About, MachineAbout, ModelAbout};
pub use admissions::Admissions;
pub use config::{ApiConfig, FsyncDelay, GatewayConfig, KeyDigest, StoreConfig};
pub use data_dir::DataDir;
pub use error::GatewayError;
pub use journal::{Journal, JournalTasks};
pub use metrics::Metrics;
pub use observers::Observers;
pub use readiness::Readiness;
pub use realtime::RealtimeDesk;
pub use router::{Intake, Operator};
pub use server::Server;
pub use store::{SqliteStore, Store};
