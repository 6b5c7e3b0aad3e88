//! `/v1/audio/transcriptions` and `/v1/audio/translations`: what was said in an upload.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Extension, State},
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt, stream};
use serde_json::Value;
use trunkline_inference::{Party, SttOptions, SttTask};

use super::{
    cast::{Cast, Known},
    decode::Sound,
    listening::{Ears, Heard, listen},
    order::{Extras, Format, Order},
    subtitles,
    upload::Form,
    wire::{Written, delta_event},
};
use crate::{
    openai::{Api, Served, sse},
    refusal::Refusal,
    router::guard::Caller,
};

/// `POST /v1/audio/transcriptions`: in the language that was spoken.
pub(crate) async fn transcribe(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    form: Form,
) -> Result<Response, Refusal> {
    answer(&api, caller, form, SttTask::Transcribe).await
}

/// `POST /v1/audio/translations`: in English.
pub(crate) async fn translate(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    form: Form,
) -> Result<Response, Refusal> {
    answer(&api, caller, form, SttTask::Translate).await
}

async fn answer(api: &Api, caller: Caller, form: Form, task: SttTask) -> Result<Response, Refusal> {
    let order = Order::parse(&form.fields, task)?;
    let served = api.served()?;
    let stt = api.directory.stt(served, &order.model)?;
    let longest = Duration::from_mins(api.config.max_audio_minutes.into());
    let cast = match order.format {
        Format::DiarizedJson => Some(cast(served, order.known).await?),
        Format::Json | Format::Text | Format::Srt | Format::Vtt | Format::VerboseJson => None,
    };
    let ears = Ears {
        stt: stt.model,
        vad: Arc::clone(&served.vad),
        options: SttOptions { party: Party::program(caller.tenant()), ..order.options.clone() },
        rules: order.rules,
        places: Arc::clone(&api.places.pieces),
        cast: cast.clone(),
    };
    let heard = Box::pin(listen(Sound::decode(form.file, longest), ears));
    if order.is_streamed {
        return streamed(heard, order.extras, cast).await;
    }
    let written = collect(heard).await?;
    Ok(match cast {
        Some(cast) => Json(written.diarized_json(&cast)).into_response(),
        None => shaped(&written, order.format, &order.options, order.extras),
    })
}

async fn cast(served: &Served, known: Known) -> Result<Cast, Refusal> {
    let Some(encoder) = &served.speakers else {
        let message = "this server does not tell speakers apart: ask for verbose_json";
        return Err(Refusal::unsupported("response_format", message));
    };
    Cast::of(Arc::clone(&encoder.model), known).await
}

async fn collect(
    mut heard: impl Stream<Item = Result<Heard, Refusal>> + Unpin,
) -> Result<Written, Refusal> {
    let mut written = Written::default();
    while let Some(heard) = heard.next().await {
        match heard? {
            Heard::Piece(piece) => written.pieces.push(piece),
            Heard::End(end) => written.duration = end,
        }
    }
    Ok(written)
}

fn shaped(written: &Written, format: Format, options: &SttOptions, extras: Extras) -> Response {
    match format {
        Format::Json | Format::DiarizedJson => Json(written.json(extras)).into_response(),
        Format::VerboseJson => {
            Json(written.verbose_json(options.task, options.temperature, extras)).into_response()
        }
        Format::Text => format!("{}\n", written.text()).into_response(),
        Format::Srt => subtitles::srt(written.segments()).into_response(),
        Format::Vtt => subtitles::vtt(written.segments()).into_response(),
    }
}

/// Tells each piece as it is heard. The first one is waited for, so that a file that cannot be read
/// is answered by a status.
async fn streamed(
    mut heard: impl Stream<Item = Result<Heard, Refusal>> + Send + Unpin + 'static,
    extras: Extras,
    cast: Option<Cast>,
) -> Result<Response, Refusal> {
    let first = heard.next().await.transpose()?;
    let heard = stream::iter(first.map(Ok)).chain(heard);
    let told = heard.scan(Some(Written::default()), move |open, heard| {
        let has_failed = heard.is_err();
        let told = open.as_mut().map(|written| match heard {
            Ok(heard) => {
                let told = events(written, heard, extras, cast.as_ref());
                stream::iter(told.into_iter().map(Ok).collect::<Vec<_>>())
            }
            Err(refusal) => stream::iter(vec![Err(refusal)]),
        });
        // Nothing comes after a failure.
        if has_failed {
            *open = None;
        }
        std::future::ready(told)
    });
    Ok(sse::answer(sse::Style::Plain, told.flatten()))
}

fn events(written: &mut Written, heard: Heard, extras: Extras, cast: Option<&Cast>) -> Vec<Value> {
    match heard {
        Heard::Piece(piece) => {
            let is_first = written.text().is_empty();
            let event = delta_event(&piece, is_first, extras);
            written.pieces.push(piece);
            event.into_iter().collect()
        }
        Heard::End(end) => {
            written.duration = end;
            let mut told = cast.map(|cast| written.speeches(cast)).unwrap_or_default();
            told.push(written.done(extras));
            told
        }
    }
}
