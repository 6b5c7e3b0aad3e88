//! Multipart forms with a file: read within bounds of size and of number.

use std::sync::Arc;

use axum::{
    extract::{
        FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
    http::StatusCode,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{ApiConfig, openai::Api, refusal::Refusal};

/// Uploads that may be in memory at once; more are answered 429.
const UPLOADS: usize = 16;
/// Pieces of uploads that may be with the recognizer at once; more wait. Half of its slots by default:
/// the others stay free for calls.
const PIECES: usize = 8;
/// What the other fields of a form may take, bytes.
const FIELD_BYTES: usize = 1024 * 1024;
/// Fields a form may have.
const FIELDS: usize = 256;
const MIB: usize = 1024 * 1024;

/// Room for the uploads of a server. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Places {
    files: Arc<Semaphore>,
    /// For pieces that are with the recognizer.
    pub(crate) pieces: Arc<Semaphore>,
}

impl Default for Places {
    fn default() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { files: places(UPLOADS), pieces: places(PIECES) }
    }
}

/// The longest body of an upload, bytes.
pub(crate) fn body_limit(config: &ApiConfig) -> usize {
    file_limit(config) + FIELD_BYTES
}

fn file_limit(config: &ApiConfig) -> usize {
    config.max_upload_mib as usize * MIB
}

/// A file in memory and its place among those that may be. Dropping it frees the place.
#[derive(Debug)]
pub(crate) struct Upload {
    bytes: Vec<u8>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Upload {
    /// A file that came in another field of a form and is as small as those are.
    pub(crate) fn small(bytes: Vec<u8>) -> Self {
        Self { bytes, _place: None }
    }
}

#[cfg(test)]
impl Upload {
    /// A file that takes one of `places`, which must be free.
    pub(crate) fn of(bytes: Vec<u8>, places: &Arc<Semaphore>) -> Self {
        let place = Arc::clone(places).try_acquire_owned().unwrap();
        Self { bytes, _place: Some(place) }
    }
}

impl AsRef<[u8]> for Upload {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A form: its file, and its other fields by name in the order they came; `name[]` counts as `name`.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) file: Upload,
    pub(crate) fields: Fields,
}

/// The fields of a form that are not its file.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The last value of a field; an empty one counts as none.
    pub(crate) fn one(&self, name: &str) -> Option<&str> {
        self.all(name).next_back()
    }

    /// Every value of a list that is not empty.
    pub(crate) fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        let named = self.0.iter().filter(move |(own, value)| own == name && !value.is_empty());
        named.map(|(_, value)| value.as_str())
    }

    /// Adds a field as it came.
    pub(crate) fn push(&mut self, name: &str, value: String) {
        self.0.push((name.strip_suffix("[]").unwrap_or(name).to_owned(), value));
    }
}

impl FromRequest<crate::Operator> for Form {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &crate::Operator) -> Result<Self, Refusal> {
        read(request, &state.api).await
    }
}

async fn read(request: Request, api: &Api) -> Result<Form, Refusal> {
    let limit = body_limit(&api.config);
    let length = request.headers().get(axum::http::header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large(api));
    }
    let place = Arc::clone(&api.places.files).try_acquire_owned().map_err(|_| {
        Refusal::busy(format!("{UPLOADS} uploads are at work, and no more fit; try again"))
    })?;
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| {
        let message = format!("send the file as multipart/form-data: {}", error.body_text());
        Refusal::bad_request(message, "invalid_body")
    })?;
    let (mut file, mut fields) = (None, Fields::default());
    for _ in 0..=FIELDS {
        let field = form.next_field().await.map_err(|e| broken(&e, api))?;
        let Some(field) = field else {
            let bytes: Vec<u8> = file.ok_or_else(|| missing("file"))?;
            if bytes.is_empty() {
                return Err(Refusal::bad_param("file", "the file is empty"));
            }
            return Ok(Form { file: Upload { bytes, _place: Some(place) }, fields });
        };
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            file = Some(collect(field, file_limit(&api.config), api).await?);
        } else {
            let value = collect(field, FIELD_BYTES, api).await?;
            let not_text = |_| Refusal::bad_param(name.clone(), "it is not UTF-8");
            let value = String::from_utf8(value).map_err(not_text)?;
            fields.push(&name, value);
        }
    }
    Err(Refusal::bad_request(format!("the form has more than {FIELDS} fields"), "invalid_body"))
}

/// A field that must be there is not.
pub(crate) fn missing(name: &'static str) -> Refusal {
    Refusal::bad_param(name, format!("the form needs the field '{name}'"))
}

/// The whole of a field, of at most `most` bytes.
async fn collect(mut field: Field<'_>, most: usize, api: &Api) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|e| broken(&e, api))? {
        if bytes.len() + chunk.len() > most {
            return Err(too_large(api));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn broken(error: &MultipartError, api: &Api) -> Refusal {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large(api);
    }
    let message = format!("the form cannot be read: {}", error.body_text());
    Refusal::bad_request(message, "invalid_body")
}

fn too_large(api: &Api) -> Refusal {
    Refusal::too_large(file_limit(&api.config) as u64)
}
