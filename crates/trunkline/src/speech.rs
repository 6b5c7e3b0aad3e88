//! The sound of a text, for commands that speak by themselves.

use futures::StreamExt;
use trunkline_audio::Frame;
use trunkline_inference::{
    ClauseStream, ModelError, Party, SpeechPiece, SpeechStream, TextToSpeech, Voice,
};

/// Rate of everything spoken.
pub(crate) const SPOKEN_HZ: u32 = 24_000;

/// All that `tts` says of `clauses`, at [`SPOKEN_HZ`].
pub(crate) async fn say(
    tts: &dyn TextToSpeech,
    clauses: ClauseStream,
    voice: &Voice,
    party: Party,
) -> Result<Vec<i16>, ModelError> {
    let mut speech = tts.speak(clauses, voice, party);
    let mut sound = Vec::new();
    while let Some(samples) = next(&mut speech).await {
        sound.extend_from_slice(samples?.samples());
    }
    Ok(sound)
}

/// The next frame of `speech`.
pub(crate) async fn next(speech: &mut SpeechStream) -> Option<Result<Frame, ModelError>> {
    loop {
        match speech.next().await? {
            Ok(SpeechPiece::Audio(frame)) => return Some(Ok(frame)),
            Ok(_) => {}
            Err(error) => return Some(Err(error)),
        }
    }
}
