//! The ONNX Runtime library of this process, and the sessions opened with it.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ort::{
    environment::Environment,
    logging::LogLevel,
    session::{
        Session,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
};
use trunkline_inference::ModelError;

/// What ONNX Runtime allows once in a process: its library and the environment made with it.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// ONNX Runtime, loaded from a shared library. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Runtime {
    environment: Environment,
}

impl Runtime {
    /// Loads `libonnxruntime.so` (1.24 or newer) from `path`.
    ///
    /// A process has one runtime: loading the same path again shares it, another path is a
    /// [`ModelError::BadRequest`]. A missing file is [`ModelError::Missing`], one that is no ONNX
    /// Runtime or too old [`ModelError::Corrupt`].
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        let path =
            path.canonicalize().map_err(|_| ModelError::Missing { path: path.to_owned() })?;
        if let Some((first, environment)) = loaded.as_ref() {
            return if *first == path {
                Ok(Self { environment: environment.clone() })
            } else {
                Err(ModelError::BadRequest(format!(
                    "ONNX Runtime is already loaded from {}: name one library only",
                    first.display()
                )))
            };
        }
        let environment = ort::init_from(&path)
            .map_err(|e| corrupt(&path, e))?
            .with_name("trunkline")
            .with_telemetry(false)
            .with_logger(Arc::new(log))
            .build()
            .map_err(|e| corrupt(&path, e))?;
        environment.set_log_level(LogLevel::Warning);
        *loaded = Some((path, environment.clone()));
        Ok(Self { environment })
    }

    /// Opens a model to run on `threads` threads, which sleep while there is nothing to do.
    pub(crate) fn open(&self, model: &Path, threads: usize) -> Result<Session, ModelError> {
        if !model.is_file() {
            return Err(ModelError::Missing { path: model.to_owned() });
        }
        let open = || self.builder(threads)?.commit_from_file(model);
        open().map_err(|e| corrupt(model, e))
    }

    /// Opens a model to run on the NVIDIA GPU of this number, where this was built for one and the library is one for
    /// GPUs; else, with a warning, as [`open`](Self::open).
    pub(crate) fn open_on_gpu(
        &self,
        number: u32,
        model: &Path,
        threads: usize,
    ) -> Result<Session, ModelError> {
        if !model.is_file() {
            return Err(ModelError::Missing { path: model.to_owned() });
        }
        let open = || on_gpu(number, self.builder(threads)?)?.commit_from_file(model);
        open().map_err(|e| corrupt(model, e))
    }

    /// Opens a model that lies in memory.
    pub(crate) fn open_bytes(&self, model: &[u8], threads: usize) -> ort::Result<Session> {
        self.builder(threads)?.commit_from_memory(model)
    }

    /// Opens a model that lies in memory to run on the first NVIDIA GPU, as [`open_on_gpu`](Self::open_on_gpu).
    pub(crate) fn open_bytes_on_gpu(&self, model: &[u8], threads: usize) -> ort::Result<Session> {
        on_gpu(0, self.builder(threads)?)?.commit_from_memory(model)
    }

    fn builder(&self, threads: usize) -> ort::Result<SessionBuilder> {
        let builder = Session::builder(&self.environment)?
            .with_intra_threads(threads.max(1))?
            .with_inter_threads(1)?
            .with_intra_op_spinning(false)?
            .with_inter_op_spinning(false)?
            .with_flush_to_zero()?
            .with_optimization_level(GraphOptimizationLevel::All)?;
        Ok(builder)
    }
}

#[cfg(feature = "cuda")]
fn on_gpu(number: u32, builder: SessionBuilder) -> ort::Result<SessionBuilder> {
    let gpu = ort::ep::CUDA::default().with_device_id(number.cast_signed()).build();
    Ok(builder.with_execution_providers([gpu])?)
}

#[cfg(not(feature = "cuda"))]
#[expect(clippy::unnecessary_wraps, reason = "as the one for GPUs")]
fn on_gpu(_: u32, builder: SessionBuilder) -> ort::Result<SessionBuilder> {
    tracing::warn!("this program was not built for GPUs");
    Ok(builder)
}

/// A failure while `engine` ran.
pub(crate) fn engine_error(engine: &'static str) -> impl Fn(ort::Error) -> ModelError {
    move |error| ModelError::Engine { engine, reason: error.to_string() }
}

/// A file of a model that cannot be used.
pub(crate) fn corrupt(path: &Path, reason: impl Display) -> ModelError {
    ModelError::Corrupt { path: path.to_owned(), reason: reason.to_string() }
}

fn log(level: LogLevel, _category: &str, _id: &str, location: &str, message: &str) {
    match level {
        LogLevel::Verbose => tracing::trace!(location, "ONNX Runtime says: {message}"),
        LogLevel::Info => tracing::debug!(location, "ONNX Runtime says: {message}"),
        LogLevel::Warning => tracing::warn!(location, "ONNX Runtime says: {message}"),
        LogLevel::Error | LogLevel::Fatal => {
            tracing::error!(location, "ONNX Runtime says: {message}");
        }
    }
}
