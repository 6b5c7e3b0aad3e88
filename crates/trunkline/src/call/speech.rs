//! Makes a script's steps into sound for the line, before the call is placed.

use trunkline_audio::resample_all;
use trunkline_inference::{Party, TextToSpeech, Voice};
use trunkline_session::clauses;

use super::{
    line::{Cue, LINE_HZ},
    script::{Script, Step},
};
use crate::{
    assemble,
    config::Config,
    exit::Failure,
    sound_file,
    speech::{self, SPOKEN_HZ},
};

/// The script's cues; texts are spoken by `voice_model`, the config's by default.
pub(super) async fn cues(
    script: &Script,
    config: &Config,
    voice_model: Option<&str>,
) -> Result<Vec<Cue>, Failure> {
    let mut models = config.models.clone();
    if let Some(name) = voice_model {
        name.clone_into(&mut models.tts);
    }
    let tts = if script.has_text() {
        Some(assemble::text_to_speech(&models, &assemble::Place::alone(&models))?)
    } else {
        None
    };
    let mut cues = Vec::with_capacity(script.steps.len());
    for step in &script.steps {
        cues.push(cue(step, tts.as_deref()).await?);
    }
    Ok(cues)
}

async fn cue(step: &Step, tts: Option<&dyn TextToSpeech>) -> Result<Cue, Failure> {
    let (what, sound) = match (&step.wav, &step.text, tts) {
        (Some(path), _, _) => {
            let sound = sound_file::read(path)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, to_line(&sound, sound_file::HEARD_HZ))
        }
        (None, Some(text), Some(tts)) => (text.clone(), to_line(&say(text, tts).await?, SPOKEN_HZ)),
        (None, _, _) => (step.press.map(String::from).unwrap_or_default(), Vec::new()),
    };
    Ok(Cue {
        what,
        sound,
        press: step.press,
        when: step.when,
        pause: std::time::Duration::from_secs_f64(step.pause_seconds),
        expects_reply: step.expects_reply(),
    })
}

async fn say(text: &str, tts: &dyn TextToSpeech) -> Result<Vec<i16>, Failure> {
    let clauses = clauses::of_text(text, Some("en".into()));
    speech::say(tts, clauses, &Voice::default(), Party::default()).await.map_err(Failure::new)
}

fn to_line(sound: &[i16], hz: u32) -> Vec<i16> {
    resample_all(sound, hz, LINE_HZ).expect("both rates are among those in use")
}
