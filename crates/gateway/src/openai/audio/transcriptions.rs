//! `/v1/audio/transcriptions` and `/v1/audio/translations`: what was said in an upload.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt, stream};
use serde_json::Value;
use trunkline_inference::{SttOptions, SttTask};

use super::{
    decode::Sound,
    listening::{Ears, Heard, listen},
    order::{Extras, Format, Order},
    subtitles,
    upload::Form,
    wire::{Written, delta_event},
};
use crate::{
    openai::{Api, sse},
    refusal::Refusal,
};

/// `POST /v1/audio/transcriptions`: in the language that was spoken.
pub(crate) async fn transcribe(State(api): State<Api>, form: Form) -> Result<Response, Refusal> {
    answer(&api, form, SttTask::Transcribe).await
}

/// `POST /v1/audio/translations`: in English.
pub(crate) async fn translate(State(api): State<Api>, form: Form) -> Result<Response, Refusal> {
    answer(&api, form, SttTask::Translate).await
}

async fn answer(api: &Api, form: Form, task: SttTask) -> Result<Response, Refusal> {
    let order = Order::parse(&form.fields, task)?;
    let served = api.served()?;
    let stt = api.directory.stt(served, &order.model)?;
    let longest = Duration::from_mins(api.config.max_audio_minutes.into());
    let ears = Ears {
        stt: stt.model,
        vad: Arc::clone(&served.vad),
        options: order.options.clone(),
        rules: order.rules,
        places: Arc::clone(&api.places.pieces),
    };
    let heard = Box::pin(listen(Sound::decode(form.file, longest), ears));
    if order.is_streamed {
        return streamed(heard, order.extras).await;
    }
    let written = collect(heard).await?;
    Ok(shaped(&written, order.format, &order.options, order.extras))
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
        Format::Json => Json(written.json(extras)).into_response(),
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
) -> Result<Response, Refusal> {
    let first = heard.next().await.transpose()?;
    let heard = stream::iter(first.map(Ok)).chain(heard);
    let events = heard.scan(Some(Written::default()), move |open, heard| {
        let told = open
            .as_mut()
            .map(|written| heard.map(|heard| event(written, heard, extras)).transpose());
        // Nothing comes after a failure.
        if matches!(told, Some(Some(Err(_)))) {
            *open = None;
        }
        std::future::ready(told)
    });
    Ok(sse::answer(sse::Style::Plain, events.filter_map(std::future::ready)))
}

fn event(written: &mut Written, heard: Heard, extras: Extras) -> Option<Value> {
    match heard {
        Heard::Piece(piece) => {
            let is_first = written.text().is_empty();
            let event = delta_event(&piece, is_first, extras);
            written.pieces.push(piece);
            event
        }
        Heard::End(end) => {
            written.duration = end;
            Some(written.done(extras))
        }
    }
}
