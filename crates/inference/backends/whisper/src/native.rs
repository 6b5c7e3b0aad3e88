//! Windows transcribed on the CPU by kernels of our own.

use trunkline_inference::{ModelError, SttDetail, SttTask, SttToken};
use trunkline_native::{Piece as NativePiece, Scribe, Task, Transcribed};

use crate::{
    module::Window,
    recognize::{Outcome, Recognize, Urgency},
    understood::{Piece, Token, Understood},
};

impl Recognize for Scribe {
    fn check(&self, language: Option<&str>, task: SttTask) -> Result<(), ModelError> {
        self.check(language, task == SttTask::Translate)
    }

    fn desks(&self) -> usize {
        self.desks()
    }

    fn begin(&mut self, desk: usize, window: &Window<'_>) -> Result<(), ModelError> {
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let task = Task {
            samples: window.samples,
            language: window.language,
            translates: window.style.task == SttTask::Translate,
            prompt: window.prompt,
            prompt_tokens: size(window.tokens.prompt),
            positions: size(window.audio_positions),
            language_positions: size(window.language_positions),
            most_tokens: size(window.tokens.most),
            plausible_tokens: size(window.tokens.plausible),
            temperature: window.style.temperature,
            tells_begins: window.style.detail == SttDetail::Words,
        };
        self.begin(desk, &task)
    }

    fn step(&mut self, urgency: &mut dyn FnMut(usize) -> Option<Urgency>) -> Vec<(usize, Outcome)> {
        let ended = self.step(urgency).into_iter();
        ended.map(|(desk, came)| (desk, came.map(|text| text.map(Understood::from)))).collect()
    }
}

impl From<Transcribed> for Understood {
    fn from(transcribed: Transcribed) -> Self {
        let words = || {
            transcribed.pieces.iter().filter_map(|piece| match piece {
                NativePiece::Word(word) => Some(word),
                NativePiece::Time(_) => None,
            })
        };
        let bytes: Vec<u8> = words().flat_map(|word| &word.bytes).copied().collect();
        Self {
            text: String::from_utf8_lossy(&bytes).trim().to_owned(),
            logprob_sum: words().map(|word| word.logprob).sum(),
            tokens: u32::try_from(words().count()).unwrap_or(u32::MAX),
            no_speech: transcribed.no_speech,
            language: transcribed.language.to_owned(),
            pieces: transcribed.pieces.into_iter().map(piece).collect(),
        }
    }
}

fn piece(piece: NativePiece) -> Piece {
    match piece {
        NativePiece::Time(time) => Piece::Time(time),
        NativePiece::Word(word) => {
            let token = SttToken { id: word.token, bytes: word.bytes, logprob: word.logprob };
            Piece::Text(Token { token, begins: word.begins })
        }
    }
}

#[cfg(test)]
mod tests {
    use trunkline_native::Word;

    use super::*;

    #[test]
    fn what_was_transcribed_is_understood() {
        let word = |token, text: &str, logprob| {
            let bytes = text.as_bytes().to_vec();
            NativePiece::Word(Word { token, bytes, logprob, begins: vec![0.0] })
        };
        let pieces = vec![NativePiece::Time(0), word(1, " Yes", -0.5), word(2, ".", -0.25)];
        let understood = Understood::from(Transcribed { pieces, no_speech: 0.1, language: "en" });
        assert_eq!((understood.text.as_str(), understood.tokens), ("Yes.", 2));
        assert!((understood.logprob_sum + 0.75).abs() < 1e-6);
        assert_eq!(understood.pieces[0], Piece::Time(0));
    }
}
